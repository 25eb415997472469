//! What a watch of a connection saw, and the only place where times become words.
//!
//! A snapshot must not change from run to run, so a cell names the moment in whose bounds a time lies. A time near no
//! moment is rounded to half a second. A scenario that requires virtual time shows its times to the tick, because
//! they are reproducible there and they are what the scenario is about. The measured times stay beside the words for
//! claims, reports and JSON.
//!
//! A late machine can still show another cell than a punctual one. [`Doubt`] lists the cells that a punctual machine
//! may have shown; the comparison with the reviewed table uses it (`table::break_if_late`).

use serde::{Deserialize, Serialize};

use super::{Bounds, Lateness, Moment, Timing, Tolerance, signed};

/// What a watch of a connection saw, from the origin of its times on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Timed {
    /// `ETIMEDOUT`, `eof`, `alive`, `nothing`, …
    pub outcome: String,
    /// When the outcome came, since the origin: the kernel's time stamp of the RST if one was sent with it.
    pub at_us: Option<i64>,
    /// When the kernel sent keepalive probes, since the origin.
    pub probes_us: Vec<i64>,
    /// The peer's answers to the probes. The time that the peer takes to answer delays everything after it.
    pub answers: Vec<Answer>,
    /// The distinct forms of the probes: `seq=una-1 len=0 A ack=next`.
    pub forms: Vec<String>,
    /// When the kernel sent an RST, since the origin.
    pub reset_us: Option<i64>,
    /// When the kernel retransmitted SYN, data or FIN, since the origin; `None` if the step does not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resent_us: Option<Vec<i64>>,
    /// When the watch ended, since the origin, if it ended by its own timeout and not by an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_us: Option<i64>,
    /// Upper bound of the origin's own lateness, if the case itself set the origin. Times may be too small by it.
    pub origin_late_us: u64,
    /// How late timers fired during the watch, plus the time by which the steps and waits of the case took too long.
    pub late: Lateness,
    /// The cell of the snapshot; empty until `normalise`.
    #[serde(default)]
    pub cell: String,
    /// The cells that a punctual machine may have shown; empty until `normalise`.
    #[serde(skip)]
    pub doubt: Box<Doubt>,
}

/// A peer's answer to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Answer {
    /// When the peer sent it, since the origin.
    pub at_us: i64,
    /// How long the peer took to send it.
    pub took_us: i64,
}

/// The cells that a punctual machine may have shown in place of the one that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doubt {
    /// Upper bound of the lateness that the doubt follows from.
    pub late_us: u64,
    /// Any cell is possible: the lateness may have moved an event into the watch or out of it.
    pub any_cell: bool,
    /// A time was rounded, and the lateness leaves more than one word for it.
    pub rounding: bool,
    /// The parts of the cell, with all words that are possible for each.
    parts: Vec<Vec<String>>,
}

impl Doubt {
    /// Whether a punctual machine may have shown this cell.
    pub fn admits(&self, cell: &str) -> bool {
        let parts: Vec<_> = cell.split(SEPARATOR).collect();
        let possible = |(part, words): (&&str, &Vec<String>)| words.iter().any(|word| word == part);
        self.any_cell || parts.len() == self.parts.len() && parts.iter().zip(&self.parts).all(possible)
    }
}

/// Between the parts of a cell.
const SEPARATOR: &str = ", ";
/// The resolution of rounded times.
const HALF_SECOND_US: i64 = 500_000;
/// More probes than any scenario waits for.
const MOST_PROBES: u32 = 16;

impl Timed {
    /// The sum of what the answers before a time took.
    fn moved_us(&self, at_us: i64) -> i64 {
        let before = self.answers.iter().filter(|answer| answer.at_us <= at_us);
        before.map(|answer| answer.took_us).sum()
    }

    /// The times as they were seen, and as they would be if the peer had answered at once. The first are on schedule
    /// if the kernel counts from the answer, the second if it counts from its own probe.
    pub fn readings(&self) -> [Self; 2] {
        let mut at_once = self.clone();
        for at in at_once.probes_us.iter_mut().chain(&mut at_once.at_us) {
            *at -= self.moved_us(*at);
        }
        [self.clone(), at_once]
    }

    /// Writes the cell, and the other cells that the lateness leaves possible.
    pub fn normalise(&mut self, tolerance: &Tolerance) {
        let tolerance = &tolerance.with_origin_lateness(self.origin_late_us);
        if tolerance.exact {
            self.cell = self.exact_parts(&tolerance.timing).join(SEPARATOR);
            return;
        }
        let parts = self.parts(tolerance);
        let chosen: Vec<_> = parts.iter().map(|words| words[0].as_str()).collect();
        self.cell = chosen.join(SEPARATOR);
        *self.doubt = Doubt {
            late_us: self.most_late_us(),
            any_cell: self.may_have_missed_an_event(tolerance),
            rounding: parts
                .iter()
                .any(|words| words[0].contains("about ") && words[1..].iter().any(|word| *word != words[0])),
            parts,
        };
    }

    /// The parts of the cell, with the words that are possible for each; the word that the cell shows comes first.
    fn parts(&self, tolerance: &Tolerance) -> Vec<Vec<String>> {
        let outcome = match self.at_us {
            Some(at) => self.words(&format!("{} at ", self.outcome), at, tolerance),
            None => vec![self.outcome.clone()],
        };
        let probes = match self.probes_us.as_slice() {
            [] if self.outcome == "nothing" => None,
            [] => Some(vec!["no probe".to_owned()]),
            [one] => Some(self.words("1 probe at ", *one, tolerance)),
            [first, ..] => Some(self.schedule_words(*first, tolerance)),
        };
        let resent = self.resent_us.as_ref().map(|resent| match resent.len() {
            0 => vec!["nothing sent again".to_owned()],
            count => vec![format!("{count} sent again")],
        });
        let reset = self.reset_us.map(|_| vec!["RST".to_owned()]);
        std::iter::once(outcome)
            .chain(probes)
            .chain(resent)
            .chain(reset)
            .collect()
    }

    /// The parts of the cell with times to the tick.
    fn exact_parts(&self, timing: &Timing) -> Vec<String> {
        let seconds = |at: i64| timing.seconds_gone(at);
        let mut parts = vec![match self.at_us {
            Some(at) => format!("{} at {} s", self.outcome, seconds(at)),
            None => self.outcome.clone(),
        }];
        match self.probes_us.as_slice() {
            [] if self.outcome == "nothing" => {}
            [] => parts.push("no probe".to_owned()),
            [one] => parts.push(format!("1 probe at {} s", seconds(*one))),
            [first, ..] => {
                let (count, gaps) = (self.probes_us.len(), gaps(&self.probes_us, timing));
                parts.push(format!("{count} probes from {} s on, {gaps}", seconds(*first)));
            }
        }
        parts.extend(self.resent_us.as_ref().map(|resent| match resent.as_slice() {
            [] => "nothing sent again".to_owned(),
            [.., last] => format!("{} sent again, last at {} s", resent.len(), seconds(*last)),
        }));
        parts.extend(self.reset_us.map(|_| "RST".to_owned()));
        parts
    }

    /// All words for the time of one event, each after the prefix; the best one comes first.
    ///
    /// The event may have been due at any time of [`Self::possible`]. Each moment whose bounds overlap that range and
    /// each half second in it is a possible word.
    fn words(&self, prefix: &str, at: i64, tolerance: &Tolerance) -> Vec<String> {
        let moved = self.moved_us(at);
        let named = tolerance.evaluate(self.late, |tolerance| {
            name(at, tolerance).or_else(|| name(at - moved, tolerance))
        });
        let (earliest, latest) = self.possible(at);
        let halves = halves(earliest)..=halves(latest);
        let overlaps = |moment: &Moment| {
            let overlaps = |bounds: Bounds| bounds.earliest_us <= latest && earliest <= bounds.latest_us;
            tolerance.bounds(*moment).is_some_and(overlaps)
        };
        let moments = tolerance.schedule.moments(MOST_PROBES).into_iter();
        let best = named.ok().flatten().unwrap_or_else(|| about(self::halves(at)));
        std::iter::once(best)
            .chain(moments.filter(overlaps).map(|moment| moment.to_string()))
            .chain(halves.map(about))
            .map(|word| format!("{prefix}{word}"))
            .collect()
    }

    /// All words for the times of several probes; the best one comes first.
    fn schedule_words(&self, first: i64, tolerance: &Tolerance) -> Vec<String> {
        let count = self.probes_us.len();
        let on_schedule = format!("{count} probes on schedule");
        let from = self.words(&format!("{count} probes from "), first, tolerance);
        let readings = self.readings();
        let is_on_schedule = |tolerance: &Tolerance| {
            let on = readings.iter().any(|reading| reading.is_on_schedule(tolerance));
            on.then_some(())
        };
        let is_on_schedule = matches!(tolerance.evaluate(self.late, is_on_schedule), Ok(Some(())));
        let all = |holds: fn(Bounds, (i64, i64)) -> bool| {
            self.probes_us.iter().zip(1..).all(|(at, number)| {
                let bounds = tolerance.bounds(Moment::Probe(number));
                bounds.is_some_and(|bounds| holds(bounds, self.possible(*at)))
            })
        };
        let may_be_on =
            || all(|bounds, (earliest, latest)| bounds.earliest_us <= latest && earliest <= bounds.latest_us);
        let must_be_on =
            || all(|bounds, (earliest, latest)| bounds.earliest_us <= earliest && latest <= bounds.latest_us);
        match is_on_schedule {
            true if must_be_on() => vec![on_schedule],
            true => std::iter::once(on_schedule).chain(from).collect(),
            false => from
                .into_iter()
                .chain(may_be_on().then_some(on_schedule))
                .collect(),
        }
    }

    /// The range in which an event was due on a punctual machine:
    /// `[at - lateness - time of the answers, at + lateness of the origin]`.
    fn possible(&self, at: i64) -> (i64, i64) {
        let earliest = at - signed(self.late.most_us.into()) - self.moved_us(at).max(0);
        (earliest, at + signed(self.origin_late_us.into()))
    }

    /// Upper bound of the lateness of anything in the watch.
    fn most_late_us(&self) -> u64 {
        self.late.most_us.max(self.origin_late_us)
    }

    /// Whether a punctual machine may have seen an event that this watch missed, or missed one that it saw, so that
    /// the outcome or a count may be another one.
    ///
    /// True if the lateness exceeds a quarter of the schedule's shortest wait or half the resolution of rounded times:
    /// claims make the same assumption for the first. Also true if an event was seen or due so near the end of the
    /// watch that the lateness decides on which side of it the event is.
    fn may_have_missed_an_event(&self, tolerance: &Tolerance) -> bool {
        let late_us = self.most_late_us();
        let late = signed(late_us.into());
        let seen = self.probes_us.iter().chain(&self.at_us).chain(&self.reset_us);
        let mut seen = seen.chain(self.resent_us.iter().flatten());
        let near_the_end = |until: i64| {
            let mut moments = tolerance.schedule.moments(MOST_PROBES).into_iter();
            seen.any(|at| until - late < *at)
                || moments.any(|moment| {
                    let straddles =
                        |bounds: Bounds| bounds.earliest_us <= until && until < bounds.latest_us + late;
                    tolerance.bounds(moment).is_some_and(straddles)
                })
        };
        tolerance.at_least(late_us).proves_nothing()
            || late > HALF_SECOND_US / 2
            || late > 0 && self.until_us.is_some_and(near_the_end)
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

/// The machine was this many microseconds late, and the lateness may explain what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLate(pub u64);

/// The shortest and the longest time between two neighbours, to the tick; one number if they are equal.
fn gaps(times: &[i64], timing: &Timing) -> String {
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // A timer of ticks sends at multiples of a tick, plus the time that sending takes.
    let half_a_tick = timing.tick() / 2;
    let of = |gap: Option<&i64>| timing.seconds_gone(gap.copied().unwrap_or_default() + half_a_tick);
    match (of(gaps.iter().min()), of(gaps.iter().max())) {
        (shortest, longest) if shortest == longest => format!("{shortest} s apart"),
        (shortest, longest) => format!("{shortest} to {longest} s apart"),
    }
}

/// A time in half seconds, rounded.
fn halves(us: i64) -> i64 {
    (us + HALF_SECOND_US / 2).div_euclid(HALF_SECOND_US)
}

/// The word for a rounded time.
fn about(halves: i64) -> String {
    format!("about {:.1} s", halves as f64 / 2.0)
}

/// The moment that a time belongs to.
fn name(seen_us: i64, tolerance: &Tolerance) -> Option<String> {
    let fits = |moment: &Moment| {
        tolerance
            .bounds(*moment)
            .is_some_and(|bounds| bounds.margin_us(seen_us) >= 0)
    };
    let moment = tolerance.schedule.moments(MOST_PROBES).into_iter().find(fits)?;
    Some(moment.to_string())
}

#[cfg(test)]
mod tests;
