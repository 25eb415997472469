//! Units and ranges of the keepalive options on every system that the scenarios run on.
//!
//! Pure, and compiled on every system, so that every machine tests the arithmetic of DragonFly, which was wrong in many
//! programs for five years. `kernel` finds out which system runs.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::KeepaliveError;

/// The first `__DragonFly_version` whose options are in seconds (nginx `src/os/unix/ngx_freebsd_config.h`).
const DRAGONFLY_SECONDS: u32 = 500_702;
/// Largest idle and interval in seconds (`MAX_TCP_KEEPIDLE`, Linux include/net/tcp.h; DragonFly tcp_usrreq.c).
const SECS_MAX: u32 = 32_767;
/// Largest count (`MAX_TCP_KEEPCNT`, the same places).
const COUNT_MAX: u32 = 127;

/// A kernel, as far as it matters to keepalive options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Linux.
    Linux,
    /// FreeBSD.
    FreeBsd,
    /// DragonFly BSD.
    DragonFly {
        /// `__DragonFly_version`, the sysctl `kern.osreldate`.
        release: u32,
        /// Clock ticks per second.
        hz: u32,
    },
}

/// The unit of the periods in the options of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Whole seconds.
    Seconds,
    /// Whole milliseconds.
    Milliseconds,
}

/// The units and ranges that a kernel accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The unit of idle and interval.
    pub unit: Unit,
    /// Idle and interval, in that unit.
    pub period: RangeInclusive<u32>,
    /// The largest count; the smallest is 1.
    pub most_count: u32,
}

impl Kernel {
    /// The units and ranges that this kernel accepts.
    #[must_use]
    pub fn limits(self) -> Limits {
        match self {
            Self::DragonFly { release, hz } if release < DRAGONFLY_SECONDS => {
                let hz = hz.max(1);
                // At least one tick; milliseconds times ticks per second must fit an int.
                let most = (i32::MAX.unsigned_abs() / hz).min(SECS_MAX * 1000);
                let period = 1000_u32.div_ceil(hz)..=most;
                Limits {
                    unit: Unit::Milliseconds,
                    period,
                    most_count: COUNT_MAX,
                }
            }
            Self::Linux | Self::FreeBsd | Self::DragonFly { .. } => Limits {
                unit: Unit::Seconds,
                period: 1..=SECS_MAX,
                most_count: COUNT_MAX,
            },
        }
    }
}

impl Unit {
    const fn nanos(self) -> u128 {
        match self {
            Self::Seconds => 1_000_000_000,
            Self::Milliseconds => 1_000_000,
        }
    }

    /// `period` in this unit, rounded up.
    #[must_use]
    pub fn round_up(self, period: Duration) -> u128 {
        period.as_nanos().div_ceil(self.nanos())
    }

    /// `period` in this unit, rounded down.
    #[must_use]
    pub fn round_down(self, period: Duration) -> u128 {
        period.as_nanos() / self.nanos()
    }

    fn duration(self, units: u32) -> Duration {
        match self {
            Self::Seconds => Duration::from_secs(units.into()),
            Self::Milliseconds => Duration::from_millis(units.into()),
        }
    }
}

impl Limits {
    /// The option value for a period, rounded up.
    pub(super) fn period(&self, what: &'static str, asked: Duration) -> Result<i32, KeepaliveError> {
        let units = self.unit.round_up(asked);
        if (u128::from(*self.period.start())..=u128::from(*self.period.end())).contains(&units) {
            return Ok(saturated(units));
        }
        let [least, most] = [self.period.start(), self.period.end()].map(|&units| self.unit.duration(units));
        Err(KeepaliveError::Period {
            what,
            asked,
            least,
            most,
        })
    }

    /// The option value for a count.
    pub(super) fn count(&self, asked: u32) -> Result<i32, KeepaliveError> {
        if (1..=self.most_count).contains(&asked) {
            Ok(saturated(asked.into()))
        } else {
            Err(KeepaliveError::Count {
                asked,
                most: self.most_count,
            })
        }
    }
}

/// Converts a number to the `int` of an option; a number that is too large becomes the largest `int`.
pub(super) fn saturated(units: u128) -> i32 {
    i32::try_from(units).unwrap_or(i32::MAX)
}
