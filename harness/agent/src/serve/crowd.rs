//! How many cases may be alive at once: as many as leave this machine the time to be punctual.
//!
//! A case that waits takes no slot, but it is not free. Its witness wakes up twenty times a second, and when its own
//! moment comes it must be let run before the next moment of its schedule. Four hundred of them are nothing to a
//! processor of this decade and more than one that is emulated can do, and then every one is late. So what a wake-up
//! costs is measured at the start, and only so many cases are alive that their waiting takes a quarter of each
//! processor. The price is that a slow machine takes longer for a family: it waits for more cases one after the other.
//!
//! In virtual time nobody is late, but cases that wait side by side would move each other's moments by what they
//! compute, and waiting one after the other costs nothing: there is one at a time.

use std::time::Duration;

use crate::peer;
use crate::sandbox::lateness::WAIT as PROBE_WAKES_EVERY;

/// Each case holds a network namespace or a tunnel, on whatever machine.
const MOST: usize = peer::MOST_WIRES;
/// Waiting may take one part in so many of a processor's time.
const PART: u32 = 4;

/// The most cases to be alive where a wake-up costs so much of a processor's time.
pub(super) fn most_alive(processors: usize, wake_up: Duration, virtual_time: bool) -> usize {
    if virtual_time {
        return 1;
    }
    let share = PROBE_WAKES_EVERY / PART;
    let of_each = share.as_nanos() / wake_up.as_nanos().max(1);
    let of_all = usize::try_from(of_each)
        .unwrap_or(MOST)
        .saturating_mul(processors);
    of_all.max(processors).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn most(processors: usize, wake_up_us: u64) -> usize {
        most_alive(processors, Duration::from_micros(wake_up_us), false)
    }

    #[test]
    fn a_slow_processor_has_fewer_cases_alive() {
        assert_eq!(most(2, 10), MOST);
        assert_eq!(most(1, 250), 50);
        assert_eq!(most(2, 250), 100);
    }

    #[test]
    fn there_is_always_one_a_processor_but_never_more_than_there_can_be() {
        assert_eq!(most(2, 1_000_000), 2);
        assert_eq!(most(1, 0), MOST);
        assert_eq!(most(MOST + 1, 1_000_000), MOST);
    }

    #[test]
    fn in_virtual_time_cases_come_one_after_the_other() {
        assert_eq!(most_alive(8, Duration::from_micros(1), true), 1);
    }
}
