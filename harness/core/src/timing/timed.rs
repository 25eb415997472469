//! What was seen of a connection over time, and the one place where times become words.
//!
//! A snapshot must not flap, so a time is named after the moment whose bounds it is in; what is near none is
//! rounded to half a second. Where a scenario is only ever seen in virtual time nothing flaps, and the exact time is
//! what it is for: then it is given to the tick. The measured times stay beside the words for claims,
//! reports and JSON.

use serde::{Deserialize, Serialize};

use super::{Lateness, Moment, Timing, Tolerance, signed};

/// What was seen of a connection from the origin on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Timed {
    /// `ETIMEDOUT`, `eof`, `alive`, `nothing`, …
    pub outcome: String,
    /// When that was, since the origin; by the kernel's own time stamp where an RST went out with it.
    pub at_us: Option<i64>,
    /// When the kernel sent keepalive probes, since the origin.
    pub probes_us: Vec<i64>,
    /// The peer's answers to them. Each moves what comes after it by what it took.
    pub answers: Vec<Answer>,
    /// The forms those probes had, each once: `seq=una-1 len=0 A ack=next`.
    pub forms: Vec<String>,
    /// When the kernel sent an RST, since the origin.
    pub reset_us: Option<i64>,
    /// When the kernel sent SYN, data or FIN again, since the origin; only where a step counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resent_us: Option<Vec<i64>>,
    /// How late the origin came, where it is a moment of the case's own: times from it are too small by up to that.
    pub origin_late_us: u64,
    /// How late the machine was meanwhile, with what the case's preparation and its waits took too long.
    pub late: Lateness,
    /// The cell of the snapshot; empty until `normalise`.
    #[serde(default)]
    pub cell: String,
}

/// A peer's answer to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Answer {
    /// When it was sent, since the origin.
    pub at_us: i64,
    /// What the peer took for it.
    pub took_us: i64,
}

impl Timed {
    /// What the answers before a time took, all together.
    fn moved_us(&self, at_us: i64) -> i64 {
        let before = self.answers.iter().filter(|answer| answer.at_us <= at_us);
        before.map(|answer| answer.took_us).sum()
    }

    /// The times as they are, and as they would be had the peer answered at once. Which of them a kernel's
    /// schedule is in depends on whether it counts from the answer or from the probe.
    pub fn readings(&self) -> [Self; 2] {
        let mut at_once = self.clone();
        for at in at_once.probes_us.iter_mut().chain(&mut at_once.at_us) {
            *at -= self.moved_us(*at);
        }
        [self.clone(), at_once]
    }

    /// Gives the times their names. A time that only the case's own lateness could explain may have no name:
    /// then the machine was too late to tell.
    ///
    /// # Errors
    /// [`TooLate`].
    pub fn normalise(&mut self, tolerance: &Tolerance) -> Result<(), TooLate> {
        let tolerance = &tolerance.with_origin_lateness(self.origin_late_us);
        let name = |at| {
            if tolerance.exact {
                return Ok(format!("{} s", tolerance.timing.seconds_gone(at)));
            }
            let moved = self.moved_us(at);
            let late_us = self.late.least_us + moved.unsigned_abs();
            let earliest = at - signed(late_us.into());
            let latest = at + signed(self.origin_late_us.into());
            match tolerance.evaluate(self.late, |tolerance| {
                name(at, tolerance).or_else(|| name(at - moved, tolerance))
            })? {
                Some(name) => Ok(name),
                // What comes late may have been due a half second earlier.
                None if halves(earliest) != halves(latest) => Err(TooLate(late_us.max(self.origin_late_us))),
                None => Ok(format!("about {:.1} s", halves(at) / 2.0)),
            }
        };
        let readings = self.readings();
        let on_schedule = |tolerance: &Tolerance| {
            let on = readings.iter().any(|reading| reading.is_on_schedule(tolerance));
            on.then_some(())
        };
        let mut parts = vec![match self.at_us {
            Some(at) => format!("{} at {}", self.outcome, name(at)?),
            None => self.outcome.clone(),
        }];
        match self.probes_us.as_slice() {
            [] if self.outcome == "nothing" => {}
            [] => parts.push("no probe".to_owned()),
            [one] => parts.push(format!("1 probe at {}", name(*one)?)),
            [first, ..] => {
                let count = self.probes_us.len();
                let how = if tolerance.exact {
                    format!(
                        "from {} s on, {}",
                        tolerance.timing.seconds_gone(*first),
                        gaps(&self.probes_us, &tolerance.timing)
                    )
                } else {
                    match tolerance.evaluate(self.late, on_schedule)? {
                        Some(()) => "on schedule".to_owned(),
                        None => format!("from {}", name(*first)?),
                    }
                };
                parts.push(format!("{count} probes {how}"));
            }
        }
        parts.extend(self.resent_us.as_ref().map(|resent| match resent.as_slice() {
            [] => "nothing sent again".to_owned(),
            [.., last] if tolerance.exact => {
                format!(
                    "{} sent again, last at {} s",
                    resent.len(),
                    tolerance.timing.seconds_gone(*last)
                )
            }
            _ => format!("{} sent again", resent.len()),
        }));
        parts.extend(self.reset_us.map(|_| "RST".to_owned()));
        self.cell = parts.join(", ");
        Ok(())
    }

    /// Whether every probe is where the schedule has the probe of its number.
    pub fn is_on_schedule(&self, tolerance: &Tolerance) -> bool {
        self.worst_probe_margin_us(tolerance)
            .is_some_and(|margin| margin >= 0)
    }

    /// How far the worst probe is inside its bounds; `None` without a schedule or a probe.
    pub fn worst_probe_margin_us(&self, tolerance: &Tolerance) -> Option<i64> {
        let margins = self.probes_us.iter().zip(1..).map(|(seen, number)| {
            let bounds = tolerance.bounds(Moment::Probe(number))?;
            Some(bounds.margin_us(*seen))
        });
        margins.collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}

/// The machine was this many microseconds late, and what was seen could be due to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLate(pub u64);

/// How far apart they are; one number where no tick tells them apart.
fn gaps(times: &[i64], timing: &Timing) -> String {
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // What a timer of ticks sends is apart by whole ticks, but for what the sending took.
    let half_a_tick = timing.tick() / 2;
    let of = |gap: Option<&i64>| timing.seconds_gone(gap.copied().unwrap_or_default() + half_a_tick);
    match (of(gaps.iter().min()), of(gaps.iter().max())) {
        (shortest, longest) if shortest == longest => format!("{shortest} s apart"),
        (shortest, longest) => format!("{shortest} to {longest} s apart"),
    }
}

/// How many half seconds, rounded.
fn halves(us: i64) -> f64 {
    (us as f64 / 500_000.0).round()
}

/// The moment a time belongs to.
fn name(seen_us: i64, tolerance: &Tolerance) -> Option<String> {
    /// More probes than any scenario waits for.
    const MOST_PROBES: u32 = 16;
    let fits = |moment: &Moment| {
        tolerance
            .bounds(*moment)
            .is_some_and(|bounds| bounds.margin_us(seen_us) >= 0)
    };
    let moment = tolerance.schedule.moments(MOST_PROBES).into_iter().find(fits)?;
    Some(moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::{Schedule, Timing};
    use super::*;

    #[test]
    fn where_only_virtual_time_shows_it_a_time_is_given_as_it_was() {
        let tolerance = Tolerance {
            timing: Timing {
                tick_us: 4_000,
                ..Timing::UNKNOWN
            },
            schedule: Schedule::default(),
            origin_late_us: 0,
            exact: true,
        };
        let mut seen = Timed {
            outcome: "ETIMEDOUT".to_owned(),
            at_us: Some(7_927_380_123),
            probes_us: vec![7_245_396_000, 7_321_172_001, 7_396_948_002],
            resent_us: Some(vec![200_000, 61_440_000]),
            reset_us: Some(7_927_380_123),
            ..Timed::default()
        };
        seen.normalise(&tolerance).unwrap();
        insta::assert_snapshot!(
            seen.cell,
            @"ETIMEDOUT at 7927.380 s, 3 probes from 7245.396 s on, 75.776 s apart, 2 sent again, last at 61.440 s, RST"
        );
        seen.probes_us.pop();
        seen.probes_us.push(7_396_900_000);
        seen.probes_us.push(7_500_000_000);
        seen.normalise(&tolerance).unwrap();
        assert!(seen.cell.contains("75.728 to 103.100 s apart"), "{}", seen.cell);
    }
}
