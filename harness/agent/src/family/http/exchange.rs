//! The steps of a client: connecting, exchanging, and waiting for what the server does.

use std::thread;
use std::time::{Duration, Instant};

use reusespec_core::Observed;
use reusespec_core::step::http::{Receive, Send, Until};

use super::Client;
use super::connection::Connection;
use super::request::Outgoing;
use crate::errno;
use crate::stop::{Answer, Stop};

/// Timeout of an event that should happen. Only a server for which it does not happen uses it up.
const HAPPENS_WITHIN: Duration = Duration::from_secs(3);
/// A connection counts as silent after this many reads in which nothing came.
const SILENT_LOOKS: u32 = 12;
/// Timeout of each of those reads.
const SILENT_LOOK: Duration = Duration::from_millis(10);
/// Time between two checks of something that has no event to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(1);

impl Client<'_, '_> {
    pub(super) fn connect(&mut self, name: &str) -> Answer {
        let connection = Connection::open(self.server.address)?;
        self.poisoned.retain(|poisoned| poisoned != name);
        self.connections.retain(|(each, _)| each != name);
        self.connections.push((name.to_owned(), connection));
        Ok(Observed::ok())
    }

    pub(super) fn send(&mut self, step: &Send) -> Answer {
        let outgoing = Outgoing::of(step);
        let sent = self.named(&step.connection)?.send(&outgoing);
        sent.map_err(|error| Stop::Broken(error.to_string()))?;
        Ok(Observed::ok())
    }

    pub(super) fn receive(&mut self, step: &Receive, is_labelled: bool) -> Answer {
        let within = HAPPENS_WITHIN.min(self.run.left());
        let index = self.index(&step.connection)?;
        let connection = &mut self.connections[index].1;
        let replies = step.responses.unwrap_or(u32::from(step.until.is_none()));
        self.run.reporter.waiting(|| {
            connection.receive(replies, within);
            match step.until {
                None => {}
                Some(Until::Eof) => connection.receive_end(within),
                Some(Until::Silence) => connection.receive_silence(SILENT_LOOKS, SILENT_LOOK, within),
            }
        })?;
        if !is_labelled {
            return Ok(Observed::ok());
        }
        if step.until.is_some() || connection.has_ended() {
            connection.tell_state();
        }
        Ok(Observed::Transcript(connection.take_lines()))
    }

    pub(super) fn await_counter(&mut self, key: &str) -> Answer {
        let until = Instant::now() + HAPPENS_WITHIN.min(self.run.left());
        while self.server.counted(key)? == 0 {
            if Instant::now() >= until {
                return Err(Stop::Broken(format!(
                    "no handler has incremented the counter `{key}`"
                )));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(Observed::ok())
    }

    pub(super) fn await_refusal(&mut self) -> Answer {
        let until = Instant::now() + HAPPENS_WITHIN.min(self.run.left());
        loop {
            match Connection::open(self.server.address) {
                Ok(_) if Instant::now() >= until => return Ok(Observed::ok()),
                // The connection may have been in the queue of a listener that is being closed. The next is refused.
                Ok(_) => thread::sleep(LOOK_EVERY),
                Err(error) => return Ok(Observed::Word(errno::name(&error))),
            }
        }
    }
}
