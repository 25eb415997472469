//! What was seen of a connection over time, and the one place where times become words.
//!
//! A snapshot must not flap, so a time is named after the moment whose bounds it is in; what is near none is
//! rounded to half a second. Where a scenario is only ever seen in virtual time nothing flaps, and the exact time is
//! what it is for: then it is given to the hundredth of a second. The measured times stay beside the words for claims,
//! reports and JSON.

use serde::{Deserialize, Serialize};

use super::{Moment, Ruler};

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
    /// The forms those probes had, each once: `seq=una-1 len=0 A ack=next`.
    pub forms: Vec<String>,
    /// When the kernel sent an RST, since the origin.
    pub reset_us: Option<i64>,
    /// When the kernel sent SYN, data or FIN again, since the origin; only where a step asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resent_us: Option<Vec<i64>>,
    /// The most that the case's own sleeps were late meanwhile, and what its preparation took after the origin.
    pub late_us: u64,
    /// The cell of the snapshot; empty until `normalise`.
    #[serde(default)]
    pub cell: String,
}

impl Timed {
    /// Gives the times their names. A time that only the case's own lateness could explain may have no name:
    /// then the machine was too late to tell.
    ///
    /// # Errors
    /// [`TooLate`].
    pub fn normalise(&mut self, ruler: &Ruler) -> Result<(), TooLate> {
        let [fine, coarse] = ruler.rulers(self.late_us);
        let late = TooLate(self.late_us);
        // A ruler as coarse as the times it is to tell apart names nothing.
        let usable = (!coarse.proves_nothing()).then_some(&coarse);
        let rulers: Vec<_> = std::iter::once(&fine).chain(usable).collect();
        let late_us = crate::timing::signed(self.late_us.into());
        let name = |at| match name(at, &rulers) {
            _ if ruler.exact => Ok(format!("{} s", hundredths(at))),
            Some(name) => Ok(name),
            // What comes late may have been due a half second earlier.
            None if usable.is_none() || halves(at) != halves(at - late_us) => Err(late),
            None => Ok(format!("about {:.1} s", halves(at) / 2.0)),
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
                let how = if ruler.exact {
                    format!("from {} s on, {}", hundredths(*first), gaps(&self.probes_us))
                } else if rulers.iter().any(|ruler| self.is_on_schedule(ruler)) {
                    "on schedule".to_owned()
                } else if usable.is_none() {
                    return Err(late);
                } else {
                    format!("from {}", name(*first)?)
                };
                parts.push(format!("{count} probes {how}"));
            }
        }
        parts.extend(self.resent_us.as_ref().map(|resent| match resent.as_slice() {
            [] => "nothing sent again".to_owned(),
            [.., last] if ruler.exact => {
                format!("{} sent again, last at {} s", resent.len(), hundredths(*last))
            }
            _ => format!("{} sent again", resent.len()),
        }));
        parts.extend(self.reset_us.map(|_| "RST".to_owned()));
        self.cell = parts.join(", ");
        Ok(())
    }

    /// Whether every probe is where the schedule has the probe of its number.
    pub fn is_on_schedule(&self, ruler: &Ruler) -> bool {
        self.worst_probe_margin_us(ruler)
            .is_some_and(|margin| margin >= 0)
    }

    /// How far the worst probe is inside its bounds; `None` without a schedule or a probe.
    pub fn worst_probe_margin_us(&self, ruler: &Ruler) -> Option<i64> {
        let margins = self.probes_us.iter().zip(1..).map(|(seen, number)| {
            let bounds = ruler.bounds(Moment::Probe(number))?;
            Some(bounds.margin_us(*seen))
        });
        margins.collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}

/// The machine was this many microseconds late, and what was seen could be due to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLate(pub u64);

/// In seconds.
fn hundredths(us: i64) -> String {
    format!("{:.2}", us as f64 / 1e6)
}

/// How far apart they are; one number where the second digit does not tell them apart.
fn gaps(times: &[i64]) -> String {
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let of = |gap: Option<&i64>| hundredths(gap.copied().unwrap_or_default());
    match (of(gaps.iter().min()), of(gaps.iter().max())) {
        (shortest, longest) if shortest == longest => format!("{shortest} s apart"),
        (shortest, longest) => format!("{shortest} to {longest} s apart"),
    }
}

/// How many half seconds, rounded.
fn halves(us: i64) -> f64 {
    (us as f64 / 500_000.0).round()
}

/// The moment a time belongs to by the first ruler that has one for it.
fn name(seen_us: i64, rulers: &[&Ruler]) -> Option<String> {
    /// More probes than any scenario waits for.
    const MOST_PROBES: u32 = 16;
    rulers.iter().find_map(|ruler| {
        let fits = |moment: &Moment| {
            ruler
                .bounds(*moment)
                .is_some_and(|bounds| bounds.margin_us(seen_us) >= 0)
        };
        let moment = ruler.schedule.moments(MOST_PROBES).into_iter().find(fits)?;
        Some(moment.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Schedule, Timing};
    use super::*;

    #[test]
    fn where_only_virtual_time_shows_it_a_time_is_given_as_it_was() {
        let ruler = Ruler {
            timing: Timing::UNKNOWN,
            schedule: Schedule::default(),
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
        seen.normalise(&ruler).unwrap();
        insta::assert_snapshot!(
            seen.cell,
            @"ETIMEDOUT at 7927.38 s, 3 probes from 7245.40 s on, 75.78 s apart, 2 sent again, last at 61.44 s, RST"
        );
        seen.probes_us.pop();
        seen.probes_us.push(7_396_900_000);
        seen.probes_us.push(7_500_000_000);
        seen.normalise(&ruler).unwrap();
        assert!(seen.cell.contains("75.73 to 103.10 s apart"), "{}", seen.cell);
    }
}
