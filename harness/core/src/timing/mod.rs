//! When things should happen, when they did, and how exactly that can be told.
//!
//! | module | owns |
//! |---|---|
//! | this one | what a platform measured about its clocks, and how late its timers may be |
//! | [`schedule`] | idle, interval and count of a case's steps, and the moments they name |
//! | [`timed`] | what was seen, and its normal form in snapshots |
//! | [`timed_expectation`] | what a claim expects, and the margin left |
//! | [`timeline`] | expected and seen side by side, for reports |
//!
//! A scenario never says how late is too late. A bound follows from the tick and the timers of the kernel, and
//! from the lateness that the agent measured when it started; the price is that one and the same time can be
//! right on a slow guest and wrong on this machine, which is why every report shows the margin.

pub mod schedule;
pub mod timed;
pub mod timed_expectation;
pub mod timeline;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use schedule::{Moment, Schedule};
pub use timed::{Answer, Timed, TooLate};
pub use timed_expectation::TimedExpectation;

/// What a platform found out about its clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Timing {
    /// The tick of the kernel's coarse timers.
    pub tick_us: u64,
    /// How the kernel keeps coarse timers.
    pub timers: Timers,
    /// The most that one of some hundred short sleeps was late at the start.
    pub lateness_us: u64,
}

/// How late things were while a case was watched: two answers, and the truth lies between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lateness {
    /// By the least late of the waits due together, at the worst moment: so late the kernel's timers were at least.
    pub least_us: u64,
    /// By the latest of all waits, and by the whole of one that was late beyond what a timer may be.
    pub most_us: u64,
}

/// How a kernel keeps the timers of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timers {
    /// Levels of 64 buckets, each level eight times as coarse as the one before (Linux kernel/time/timer.c).
    Wheel,
    /// To the tick (DragonFly callout(9)).
    Ticks,
    /// To the tick, or up to a sixteenth of their length later, so that several can go off together (FreeBSD
    /// kern/kern_timeout.c callout_when, with the 5 percent of kern.timecounter.alloweddeviation).
    Together,
}

impl Timing {
    /// Of a platform that never said hello: nothing is judged by it.
    pub const UNKNOWN: Self = Self {
        tick_us: 10_000,
        timers: Timers::Ticks,
        lateness_us: 0,
    };

    /// The tick as a difference of times.
    pub(crate) fn tick(&self) -> i64 {
        signed(u128::from(self.tick_us.max(1)))
    }

    /// The whole ticks in a time, in seconds. A case that begins amid a tick has the same wherever in its tick a step was done.
    fn seconds_gone(&self, us: i64) -> String {
        format!("{:.3}", (us - us.rem_euclid(self.tick())) as f64 / 1e6)
    }

    /// How late a timer of this length may go off by the kernel's own rules.
    pub fn slack_us(&self, wait: Duration) -> i64 {
        let tick = self.tick();
        match self.timers {
            Timers::Ticks => 2 * tick,
            Timers::Together => 2 * tick + signed(wait.as_micros() / 16),
            Timers::Wheel => {
                // LVL_SIZE is 64, LVL_CLK_SHIFT 3: level n begins at 63 << 3(n-1) ticks and counts in 8^n.
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

/// Microseconds that fit: nothing here lasts 292 000 years.
pub(crate) fn signed(us: u128) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}

/// What times are measured against in one case.
#[derive(Clone, Debug)]
pub struct Tolerance {
    /// The platform's clocks.
    pub timing: Timing,
    /// The schedule the case sets, as far as its steps say.
    pub schedule: Schedule,
    /// How late the origin may be: times counted from it are too small by up to that.
    pub origin_late_us: u64,
    /// Whether times are given as they are: the case is only ever seen in virtual time.
    pub exact: bool,
}

/// The earliest and the latest that something due at a moment may be seen, counted from the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// When it is due.
    pub due_us: i64,
    /// Not before.
    pub earliest_us: i64,
    /// Not after.
    pub latest_us: i64,
}

impl Bounds {
    /// How far inside the bounds a time is; negative outside.
    pub fn margin_us(&self, seen_us: i64) -> i64 {
        (seen_us - self.earliest_us).min(self.latest_us - seen_us)
    }
}

impl Tolerance {
    /// The bounds of a moment; `None` where the steps do not say when it is.
    pub fn bounds(&self, moment: Moment) -> Option<Bounds> {
        let due = self.schedule.due(moment)?;
        let tick = self.timing.tick();
        let slack: i64 = self
            .schedule
            .timers(moment)
            .into_iter()
            .map(|wait| self.timing.slack_us(wait))
            .sum();
        let timers = self.schedule.timers(moment).len();
        let lateness = signed(u128::from(self.lateness_us(timers)));
        let timers = signed(timers as u128);
        let due_us = signed(due.as_micros());
        Some(Bounds {
            due_us,
            // The kernel counts in ticks, and the one that has begun counts as a whole one.
            earliest_us: due_us - (timers + 1) * tick - signed(self.origin_late_us.into()),
            latest_us: due_us + slack + tick + lateness,
        })
    }

    /// How late so many timers, one after the other, may make things: each adds its own lateness, as long as one
    /// moment cannot be taken for the next.
    fn lateness_us(&self, timers: usize) -> u64 {
        let one = self.timing.lateness_us;
        let most = self
            .a_quarter()
            .map_or(u64::MAX, |quarter| quarter.as_micros() as u64);
        one.saturating_mul(timers as u64).min(most.max(one))
    }

    /// The ruler for times that are counted from an origin so late.
    #[must_use]
    pub fn with_origin_lateness(&self, late_us: u64) -> Self {
        Self {
            origin_late_us: late_us,
            ..self.clone()
        }
    }

    /// The ruler of a machine that was so late.
    #[must_use]
    pub fn at_least(&self, late_us: u64) -> Self {
        let mut tolerance = self.clone();
        tolerance.timing.lateness_us = tolerance.timing.lateness_us.max(late_us);
        tolerance
    }

    /// What something says of a time by the finest ruler by which it says anything: the platform's own, the one as
    /// coarse as the kernel was late at least, the one as coarse as anything was late.
    ///
    /// Lateness only ever blurs: a time that is right by the platform's own ruler is right however late the
    /// machine was, and only what is not is held against a coarser one.
    ///
    /// # Errors
    /// [`TooLate`] where only a ruler that tells no moments apart says anything, and where the kernel was so late
    /// that nothing can be said to be wrong.
    pub fn evaluate<T>(
        &self,
        late: Lateness,
        says: impl Fn(&Self) -> Option<T>,
    ) -> Result<Option<T>, TooLate> {
        if let Some(said) = says(self) {
            return Ok(Some(said));
        }
        let [kernel, anything] = [late.least_us, late.most_us].map(|us| self.at_least(us));
        if kernel.proves_nothing() {
            return Err(TooLate(late.least_us));
        }
        if let Some(said) = says(&kernel) {
            return Ok(Some(said));
        }
        match says(&anything) {
            Some(_) if anything.proves_nothing() => Err(TooLate(late.most_us)),
            said => Ok(said),
        }
    }

    /// Whether the machine was later than a quarter of the shortest time between two moments: one of them could
    /// then be taken for the next.
    pub(crate) fn proves_nothing(&self) -> bool {
        let lateness = Duration::from_micros(self.timing.lateness_us.max(self.origin_late_us));
        self.a_quarter().is_some_and(|quarter| lateness > quarter)
    }

    /// A quarter of the shortest time between two moments.
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
    fn timers_that_go_off_together_are_a_sixteenth_late() {
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
