//! Steps that send many records: the same request on one id, or BEGIN_REQUEST on many ids.

use std::time::Instant;

use reusespec_core::Observed;
use reusespec_core::step::fastcgi::{BeginMany, Receive, Repeat};

use super::Probe;
use super::bytes::begins;
use crate::stop::{Answer, Stop};

/// The number of ids that are begun between two checks for an answer.
const BATCH: usize = 64;

impl Probe<'_, '_> {
    /// Sends each request as soon as the END of the previous one has come, and counts the answers that equal the first.
    pub(super) fn repeat(&mut self, step: &Repeat) -> Answer {
        let bytes = self.writer()?.records(&step.records);
        let deadline = self.deadline();
        let until_end = receive_end();
        let connection = self.connection(&step.connection)?;
        let mut first = None;
        for round in 0..step.times {
            connection.send(vec![bytes.clone()], deadline);
            let lines = connection.receive(&until_end, deadline);
            let first = first.get_or_insert_with(|| lines.clone());
            let ended = lines.last().is_some_and(|line| line.starts_with("< END"));
            if !ended && Instant::now() >= deadline {
                let (done, times) = (round, step.times);
                return Err(Stop::Broken(format!(
                    "only {done} of {times} requests were answered in time"
                )));
            }
            if *first != lines || !ended {
                let answered = std::iter::once(format!("{round} of {}, then:", step.times));
                return Ok(Observed::Transcript(answered.chain(lines).collect()));
            }
        }
        let all = format!("all {}", step.times);
        Ok(Observed::Transcript(
            first.into_iter().flatten().chain([all]).collect(),
        ))
    }

    /// Begins ids until the application answers.
    pub(super) fn begin_many(&mut self, step: &BeginMany) -> Answer {
        let deadline = self.deadline();
        let connection = self.connection(&step.connection)?;
        let ids: Vec<u16> = (1..=step.count).collect();
        for batch in ids.chunks(BATCH) {
            connection.send(vec![begins(batch.iter().copied())], deadline);
            if connection.has_news() {
                break;
            }
        }
        let refused = connection.is_answered(deadline);
        let word = if refused { "refused" } else { "all accepted" };
        Ok(Observed::Word(word.to_owned()))
    }
}

fn receive_end() -> Receive {
    serde_json::from_str("{}").expect("every key of `receive` has a default")
}
