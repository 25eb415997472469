//! Limits how many cases run at once, so that timers stay precise enough for the cases' claims about time.
//!
//! A case that waits holds no slot, but it still needs the processor: its lateness probe wakes up twenty times a
//! second, and the case itself must run before the next moment of its schedule. A current processor serves four hundred
//! waiting cases easily. An emulated one does not, and then every case is late. So the agent measures the cost of a
//! wake-up at start and runs only as many cases as use a quarter of each processor by waiting. The price: a slow
//! machine takes longer for a family, because fewer waits overlap.
//!
//! In virtual time the clock skips idle time, so waiting costs nothing and no case is late. There one case runs at a
//! time: the computation of a second case would delay the events of the first by an unknown amount.

use std::time::Duration;

use crate::peer;
use crate::sandbox::lateness::WAIT as PROBE_WAKES_EVERY;

/// The upper limit on any machine: each case holds a network namespace or a tunnel.
const LIMIT: usize = peer::MOST_WIRES;
/// Waiting cases may use this part of a processor's time: one quarter.
const PART: u32 = 4;

/// The highest number of cases to run at once. `wake_up` is the processor time that one wake-up costs.
pub(super) fn max_running(processors: usize, wake_up: Duration, virtual_time: bool) -> usize {
    if virtual_time {
        return 1;
    }
    let share = PROBE_WAKES_EVERY / PART;
    let per_processor = share.as_nanos() / wake_up.as_nanos().max(1);
    let total = usize::try_from(per_processor)
        .unwrap_or(LIMIT)
        .saturating_mul(processors);
    total.max(processors).min(LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(processors: usize, wake_up_us: u64) -> usize {
        max_running(processors, Duration::from_micros(wake_up_us), false)
    }

    #[test]
    fn a_slow_processor_runs_fewer_cases() {
        assert_eq!(limit(2, 10), LIMIT);
        assert_eq!(limit(1, 250), 50);
        assert_eq!(limit(2, 250), 100);
    }

    #[test]
    fn at_least_one_case_runs_on_each_processor_up_to_the_limit() {
        assert_eq!(limit(2, 1_000_000), 2);
        assert_eq!(limit(1, 0), LIMIT);
        assert_eq!(limit(LIMIT + 1, 1_000_000), LIMIT);
    }

    #[test]
    fn virtual_time_runs_one_case_at_a_time() {
        assert_eq!(max_running(8, Duration::from_micros(1), true), 1);
    }
}
