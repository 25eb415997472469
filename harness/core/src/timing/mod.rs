//! When things should happen, when they did, and how exactly that can be told.
//!
//! | module | owns |
//! |---|---|
//! | this one | what a platform measured about its clocks, and how late its timers may be |
//! | [`schedule`] | idle, interval and count of a case's steps, and the moments they name |
//! | [`timed`] | what was seen, and its normal form in snapshots |
//! | [`happening`] | what a claim expects, and the margin left |
//! | [`timeline`] | expected and seen side by side, for reports |
//!
//! A scenario never says how late is too late. A bound follows from the tick and the timers of the kernel, and
//! from the lateness that the agent measured when it started; the price is that one and the same time can be
//! right on a slow guest and wrong on this machine, which is why every report shows the margin.

pub mod happening;
pub mod schedule;
pub mod timed;
pub mod timeline;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use happening::Happening;
pub use schedule::{Moment, Schedule};
pub use timed::{Timed, TooLate};

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

/// How a kernel keeps the timers of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timers {
    /// Levels of 64 buckets, each level eight times as coarse as the one before (Linux kernel/time/timer.c).
    Wheel,
    /// To the tick (FreeBSD and DragonFly callout(9)).
    Ticks,
}

impl Timing {
    /// Of a platform that never said hello: nothing is judged by it.
    pub const UNKNOWN: Self = Self {
        tick_us: 10_000,
        timers: Timers::Ticks,
        lateness_us: 0,
    };

    /// How late a timer of this length may go off by the kernel's own rules.
    pub fn slack_us(&self, wait: Duration) -> i64 {
        let tick = signed(u128::from(self.tick_us.max(1)));
        match self.timers {
            Timers::Ticks => 2 * tick,
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
pub struct Ruler {
    /// The platform's clocks.
    pub timing: Timing,
    /// The schedule the case sets, as far as its steps say.
    pub schedule: Schedule,
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

impl Ruler {
    /// The bounds of a moment; `None` where the steps do not say when it is.
    pub fn bounds(&self, moment: Moment) -> Option<Bounds> {
        let due = self.schedule.due(moment)?;
        let tick = signed(u128::from(self.timing.tick_us));
        let slack: i64 = self
            .schedule
            .timers(moment)
            .into_iter()
            .map(|wait| self.timing.slack_us(wait))
            .sum();
        let timers = signed(self.schedule.timers(moment).len() as u128);
        let due_us = signed(due.as_micros());
        Some(Bounds {
            due_us,
            // The kernel counts in ticks, and the one that has begun counts as a whole one.
            earliest_us: due_us - (timers + 1) * tick,
            latest_us: due_us + slack + tick + signed(u128::from(self.timing.lateness_us)),
        })
    }

    /// The ruler of a case whose own sleeps were this late: as coarse as the machine was just then.
    #[must_use]
    pub fn in_case(&self, late_us: u64) -> Self {
        let mut ruler = self.clone();
        ruler.timing.lateness_us = ruler.timing.lateness_us.max(late_us);
        ruler
    }

    /// The rulers to hold a time of a case against, the finer one first.
    ///
    /// Lateness only ever blurs: a time that is right by the platform's own ruler is right however late the
    /// machine was, and only what is not is held against the coarser one.
    pub fn rulers(&self, late_us: u64) -> [Self; 2] {
        [self.clone(), self.in_case(late_us)]
    }

    /// Whether the machine was later than a quarter of the shortest time between two moments: one of them could
    /// then be taken for the next.
    pub fn proves_nothing(&self) -> bool {
        let waits = [self.schedule.idle, self.schedule.interval];
        let shortest = waits.into_iter().flatten().filter(|wait| !wait.is_zero()).min();
        let lateness = Duration::from_micros(self.timing.lateness_us);
        shortest.is_some_and(|shortest| lateness > shortest / 4)
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
    fn a_longer_timer_is_kept_more_coarsely() {
        assert_eq!(wheel(250).slack_us(Duration::from_secs(3)), 260_000);
        assert_eq!(wheel(1000).slack_us(Duration::from_secs(1)), 65_000);
        assert_eq!(wheel(100).slack_us(Duration::from_millis(500)), 20_000);
    }

    #[test]
    fn each_timer_on_the_way_adds_its_slack() {
        let ruler = Ruler {
            timing: wheel(250),
            schedule: Schedule {
                idle: Some(Duration::from_secs(1)),
                interval: Some(Duration::from_secs(1)),
                count: Some(2),
            },
            exact: false,
        };
        let end = ruler.bounds(Moment::ScheduleEnd).unwrap();
        assert_eq!(
            (end.due_us, end.earliest_us, end.latest_us),
            (3_000_000, 2_984_000, 3_112_000)
        );
        assert!(end.margin_us(3_075_000) > 0 && end.margin_us(2_051_000) < 0);
    }
}
