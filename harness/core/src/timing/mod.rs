//! Compares the times of events with the times at which they are due.
//!
//! | module | owns |
//! |---|---|
//! | this one | a platform's clocks, the tolerance that follows from them, and the bounds of a moment |
//! | [`schedule`] | idle, interval and count of a case's steps, and the moments they name |
//! | [`timed`] | what a watch saw, and its cell in the snapshot |
//! | [`timed_expectation`] | what a claim expects, and the margin inside the bounds |
//! | [`timeline`] | expected and seen times side by side, for reports |
//!
//! A scenario states no tolerance. Bounds follow from the kernel's tick, from the way it keeps timers, and from the
//! lateness that the agent measured when it started. So the same time can be right on a slow guest and wrong on a fast
//! machine. That is why every report shows the margin.

pub mod schedule;
pub mod timed;
pub mod timed_expectation;
pub mod timeline;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use schedule::{Moment, Schedule};
pub use timed::{Answer, Timed, TooLate};
pub use timed_expectation::TimedExpectation;

/// The clocks of a platform, as its agent measured them at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Timing {
    /// The tick of the kernel's coarse timers, in microseconds.
    pub tick_us: u64,
    /// How the kernel keeps coarse timers.
    pub timers: Timers,
    /// The largest lateness of some hundred short sleeps, in microseconds.
    pub lateness_us: u64,
}

/// Lower and upper bound of the lateness of the kernel's timers during a watch, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lateness {
    /// Lower bound: the smallest lateness among the probes' waits that were due together, at the worst moment.
    pub least_us: u64,
    /// Upper bound: the largest lateness of all waits. A wait that was later than a timer may be counts as a whole,
    /// because the machine may have stalled at its beginning.
    pub most_us: u64,
}

/// How a kernel rounds the timers of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timers {
    /// Up to a multiple of a bucket: levels of 64 buckets, each 8 times as coarse as the one before (Linux
    /// kernel/time/timer.c).
    Wheel,
    /// To the tick (DragonFly callout(9)).
    Ticks,
    /// To the tick, or up to 1/16 of their length later, so that several fire together (FreeBSD kern/kern_timeout.c
    /// callout_when, with the 5 percent of kern.timecounter.alloweddeviation).
    Together,
}

impl Timing {
    /// Stands in for a platform whose agent did not start. Nothing is judged by it.
    pub const UNKNOWN: Self = Self {
        tick_us: 10_000,
        timers: Timers::Ticks,
        lateness_us: 0,
    };

    /// The tick in microseconds, signed as differences of times are.
    pub(crate) fn tick(&self) -> i64 {
        signed(u128::from(self.tick_us.max(1)))
    }

    /// A time in seconds, rounded down to a whole tick: where in its tick a step ran makes no difference.
    fn seconds_gone(&self, us: i64) -> String {
        format!("{:.3}", (us - us.rem_euclid(self.tick())) as f64 / 1e6)
    }

    /// How late a timer of this length may fire by the kernel's own rules, in microseconds:
    ///
    /// - `Ticks`: 2 ticks
    /// - `Together`: 2 ticks + length / 16
    /// - `Wheel`: 1 tick + bucket, where the bucket is 8ⁿ ticks for a length of 63 × 8ⁿ⁻¹ to 63 × 8ⁿ ticks
    pub fn slack_us(&self, wait: Duration) -> i64 {
        let tick = self.tick();
        match self.timers {
            Timers::Ticks => 2 * tick,
            Timers::Together => 2 * tick + signed(wait.as_micros() / 16),
            Timers::Wheel => {
                // LVL_SIZE is 64 and LVL_CLK_SHIFT is 3: level n begins at 63 << 3(n-1) ticks.
                let ticks = wait.as_micros() / u128::from(self.tick_us.max(1));
                let mut bucket = 1;
                let mut beyond = 63;
                while ticks >= beyond {
                    bucket *= 8;
                    beyond *= 8;
                }
                (bucket + 1) * tick
            }
        }
    }
}

/// Microseconds as a signed number, which holds 292 000 years.
pub(crate) fn signed(us: u128) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}

/// What follows for the times of one case: its schedule, and how far from it a time may be.
#[derive(Clone, Debug)]
pub struct Tolerance {
    /// The platform's clocks.
    pub timing: Timing,
    /// The schedule that the case's steps set.
    pub schedule: Schedule,
    /// Upper bound of the origin's lateness. If the origin was recorded late by d, every time measured from it may be
    /// too small by up to d.
    pub origin_late_us: u64,
    /// Whether cells show times to the tick, because the case requires virtual time.
    pub exact: bool,
}

/// The earliest and the latest time at which an event due at a moment counts as on time, in microseconds since the
/// origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// When the event is due.
    pub due_us: i64,
    /// The first time inside the bounds.
    pub earliest_us: i64,
    /// The last time inside the bounds.
    pub latest_us: i64,
}

impl Bounds {
    /// The distance of a time from the nearer bound; negative outside.
    pub fn margin_us(&self, seen_us: i64) -> i64 {
        (seen_us - self.earliest_us).min(self.latest_us - seen_us)
    }
}

impl Tolerance {
    /// The bounds of a moment; `None` if the steps do not say when it is due. For n timers that run one after the other
    /// until then:
    ///
    /// - earliest = due − (n + 1) ticks − lateness of the origin; one tick more without a wheel
    /// - latest = due + sum of the timers' [slack](Timing::slack_us) + 1 tick + n × lateness
    pub fn bounds(&self, moment: Moment) -> Option<Bounds> {
        let due = self.schedule.due(moment)?;
        let tick = self.timing.tick();
        let timers = self.schedule.timers(moment);
        let slack: i64 = timers
            .iter()
            .map(|(wait, times)| self.timing.slack_us(*wait).saturating_mul(i64::from(*times)))
            .sum();
        let count: u64 = timers.iter().map(|(_, times)| u64::from(*times)).sum();
        let lateness = signed(self.lateness_us(count).into());
        let timers = signed(count.into());
        let due_us = signed(due.as_micros());
        // The kernel counts in ticks and takes the current one for a whole one. The BSDs count them in an interrupt of its
        // own, which may be a tick ahead of the clock of the time stamps: 2.07 ms were seen with a tick of 1 ms.
        let early = match self.timing.timers {
            Timers::Wheel => timers + 1,
            Timers::Ticks | Timers::Together => timers + 2,
        };
        Some(Bounds {
            due_us,
            earliest_us: due_us - early * tick - signed(self.origin_late_us.into()),
            latest_us: due_us + slack + tick + lateness,
        })
    }

    /// The lateness of n timers, one after the other: n × lateness, at most a quarter of the shortest wait, so that the
    /// bounds of two moments do not meet.
    fn lateness_us(&self, timers: u64) -> u64 {
        let one = self.timing.lateness_us;
        let most = self
            .a_quarter()
            .map_or(u64::MAX, |quarter| quarter.as_micros() as u64);
        one.saturating_mul(timers).min(most.max(one))
    }

    /// The same tolerance for times since an origin with this lateness.
    #[must_use]
    pub fn with_origin_lateness(&self, late_us: u64) -> Self {
        Self {
            origin_late_us: late_us,
            ..self.clone()
        }
    }

    /// The same tolerance with at least this lateness.
    #[must_use]
    pub fn at_least(&self, late_us: u64) -> Self {
        let mut tolerance = self.clone();
        tolerance.timing.lateness_us = tolerance.timing.lateness_us.max(late_us);
        tolerance
    }

    /// Evaluates a time against three tolerances, from tightest to loosest: the platform's own, that with the lower
    /// bound of the lateness, that with the upper bound. Returns the first match, or `None` if none matches.
    ///
    /// Latency makes a correct time look wrong far more easily than a wrong time look correct. So a time within the
    /// platform's own tolerance passes, and the wider tolerances are tried only for the others.
    ///
    /// # Errors
    /// [`TooLate`] if only a tolerance that cannot tell two moments apart matches, and if the lower bound of the
    /// lateness is so large that no time can be called wrong.
    pub fn evaluate<T>(
        &self,
        late: Lateness,
        matches: impl Fn(&Self) -> Option<T>,
    ) -> Result<Option<T>, TooLate> {
        if let Some(found) = matches(self) {
            return Ok(Some(found));
        }
        let [tighter, loosest] = [late.least_us, late.most_us].map(|us| self.at_least(us));
        if tighter.proves_nothing() {
            return Err(TooLate(late.least_us));
        }
        if let Some(found) = matches(&tighter) {
            return Ok(Some(found));
        }
        match matches(&loosest) {
            Some(_) if loosest.proves_nothing() => Err(TooLate(late.most_us)),
            found => Ok(found),
        }
    }

    /// Whether the lateness exceeds a quarter of the shortest wait: one moment could then be taken for the next.
    pub(crate) fn proves_nothing(&self) -> bool {
        let lateness = Duration::from_micros(self.timing.lateness_us.max(self.origin_late_us));
        self.a_quarter().is_some_and(|quarter| lateness > quarter)
    }

    /// A quarter of the schedule's shortest wait; `None` without a schedule.
    fn a_quarter(&self) -> Option<Duration> {
        let waits = [self.schedule.idle, self.schedule.interval];
        let shortest = waits.into_iter().flatten().filter(|wait| !wait.is_zero()).min();
        shortest.map(|shortest| shortest / 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel(hz: u64) -> Timing {
        Timing {
            tick_us: 1_000_000 / hz,
            timers: Timers::Wheel,
            lateness_us: 0,
        }
    }

    #[test]
    fn a_second_on_a_wheel_of_250_hz_is_at_most_nine_ticks_late() {
        assert_eq!(wheel(250).slack_us(Duration::from_secs(1)), 36_000);
    }

    #[test]
    fn timers_that_fire_together_are_a_sixteenth_late() {
        let freebsd = Timing {
            tick_us: 1_000,
            timers: Timers::Together,
            lateness_us: 0,
        };
        // Measured on 14.2: up to 2.078 s for two seconds.
        assert_eq!(freebsd.slack_us(Duration::from_secs(2)), 127_000);
        assert_eq!(freebsd.slack_us(Duration::from_millis(1)), 2_062);
    }

    #[test]
    fn a_longer_timer_is_kept_more_coarsely() {
        assert_eq!(wheel(250).slack_us(Duration::from_secs(3)), 260_000);
        assert_eq!(wheel(1000).slack_us(Duration::from_secs(1)), 65_000);
        assert_eq!(wheel(100).slack_us(Duration::from_millis(500)), 20_000);
    }

    #[test]
    fn each_timer_on_the_way_adds_its_slack() {
        let tolerance = Tolerance {
            timing: wheel(250),
            schedule: Schedule {
                idle: Some(Duration::from_secs(1)),
                interval: Some(Duration::from_secs(1)),
                count: Some(2),
            },
            origin_late_us: 0,
            exact: false,
        };
        let end = tolerance.bounds(Moment::ScheduleEnd).unwrap();
        assert_eq!(
            (end.due_us, end.earliest_us, end.latest_us),
            (3_000_000, 2_984_000, 3_112_000)
        );
        assert!(end.margin_us(3_075_000) > 0 && end.margin_us(2_051_000) < 0);
    }
}
