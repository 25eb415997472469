//! Tests of cells and of the doubt that lateness leaves about them.

use std::time::Duration;

use super::*;
use crate::timing::{Schedule, Timers, Timing};

const MS: i64 = 1000;

fn tolerance() -> Tolerance {
    Tolerance {
        timing: Timing {
            tick_us: 4_000,
            timers: Timers::Wheel,
            lateness_us: 1_000,
        },
        schedule: Schedule {
            idle: Some(Duration::from_secs(1)),
            interval: Some(Duration::from_secs(1)),
            count: Some(4),
        },
        origin_late_us: 0,
        exact: false,
    }
}

fn probes(outcome: &str, ms: &[i64]) -> Timed {
    Timed {
        outcome: outcome.to_owned(),
        probes_us: ms.iter().map(|ms| ms * MS).collect(),
        ..Timed::default()
    }
}

/// The cell on a machine that may have been so late, and whether the reviewed cell is possible on a punctual one.
fn compare(seen: &Timed, most_late_ms: u64, reviewed: &str) -> (String, bool) {
    let mut seen = seen.clone();
    seen.late.most_us = most_late_ms * 1000;
    seen.normalise(&tolerance());
    let possible = seen.doubt.admits(reviewed);
    (seen.cell, possible)
}

#[test]
fn a_rounded_time_may_be_the_half_second_before() {
    let seen = probes("ok", &[2_260]);
    let reviewed = "ok, 1 probe at about 2.0 s";
    let cell = "ok, 1 probe at about 2.5 s".to_owned();
    assert_eq!(compare(&seen, 5, reviewed), (cell.clone(), false));
    assert_eq!(compare(&seen, 20, reviewed), (cell, true));
    assert!(!compare(&seen, 200, "ok, 1 probe at about 1.0 s").1);
}

#[test]
fn a_time_from_a_late_origin_may_be_the_half_second_after() {
    let seen = Timed {
        origin_late_us: 20_000,
        ..probes("ok", &[2_240])
    };
    let (cell, possible) = compare(&seen, 0, "ok, 1 probe at about 2.5 s");
    assert_eq!((cell.as_str(), possible), ("ok, 1 probe at about 2.0 s", true));
}

#[test]
fn a_time_in_a_moments_bounds_may_be_an_earlier_one() {
    let named = probes("ok", &[1_010]);
    assert!(!compare(&named, 10, "ok, 1 probe at about 1.0 s, RST").1);
    assert_eq!(
        compare(&named, 200, "ok, 1 probe at about 1.0 s"),
        ("ok, 1 probe at idle-end".to_owned(), true)
    );
    let rounded = probes("ok", &[1_300]);
    let cell = "ok, 1 probe at about 1.5 s".to_owned();
    assert_eq!(compare(&rounded, 100, "ok, 1 probe at idle-end"), (cell, false));
    assert!(compare(&rounded, 255, "ok, 1 probe at idle-end").1);
}

#[test]
fn probes_on_schedule_may_be_off_it_and_the_reverse() {
    let on = probes("ok", &[1_010, 2_020]);
    let (cell, possible) = compare(&on, 1, "ok, 2 probes from idle-end");
    assert_eq!((cell.as_str(), possible), ("ok, 2 probes on schedule", false));
    assert!(compare(&on, 100, "ok, 2 probes from idle-end").1);
    let off = probes("ok", &[1_010, 2_200]);
    let (cell, possible) = compare(&off, 50, "ok, 2 probes on schedule");
    assert_eq!((cell.as_str(), possible), ("ok, 2 probes from idle-end", false));
    assert!(compare(&off, 180, "ok, 2 probes on schedule").1);
}

#[test]
fn a_probe_due_near_the_end_of_the_watch_may_come_after_it() {
    let until = |ms| Timed {
        until_us: Some(ms * MS),
        ..probes("alive", &[1_010, 2_020])
    };
    let reviewed = "alive, 3 probes on schedule";
    assert!(!compare(&until(2_900), 200, reviewed).1, "not due yet");
    assert!(compare(&until(3_100), 60, reviewed).1, "due before, seen after");
    assert!(!compare(&until(3_900), 60, reviewed).1, "too long before the end");
}

#[test]
fn a_probe_near_the_end_of_the_watch_may_be_one_too_many() {
    let seen = Timed {
        until_us: Some(2_500 * MS),
        ..probes("alive", &[1_010, 2_450])
    };
    assert!(!compare(&seen, 30, "alive, 1 probe at idle-end").1);
    assert!(compare(&seen, 60, "alive, 1 probe at idle-end").1);
}

#[test]
fn an_outcome_may_be_another_one_if_the_lateness_exceeds_a_quarter() {
    for (outcome, reviewed) in [
        ("too few", "ok, 1 probe at about 2.0 s"),
        ("alive", "ETIMEDOUT at schedule-end, 4 probes on schedule, RST"),
        ("nothing", "probe, 1 probe at idle-end"),
    ] {
        let seen = probes(outcome, &[]);
        assert!(!compare(&seen, 240, reviewed).1, "{outcome}");
        assert!(compare(&seen, 260, reviewed).1, "{outcome}");
    }
}

#[test]
fn retransmissions_near_the_end_of_the_watch_may_be_one_too_many() {
    let seen = Timed {
        until_us: Some(3_400 * MS),
        resent_us: Some(vec![200 * MS, 600 * MS, 3_390 * MS]),
        ..probes("alive", &[])
    };
    let reviewed = "alive, no probe, 2 sent again";
    let cell = "alive, no probe, 3 sent again".to_owned();
    assert_eq!(compare(&seen, 5, reviewed), (cell.clone(), false));
    assert_eq!(compare(&seen, 20, reviewed), (cell, true));
}

#[test]
fn a_punctual_machine_leaves_no_doubt() {
    let seen = Timed {
        until_us: Some(3_000 * MS),
        ..probes("alive", &[1_010, 2_250])
    };
    assert!(!compare(&seen, 0, "alive, 2 probes on schedule").1);
    assert!(!compare(&seen, 0, "alive, 3 probes on schedule").1);
}

#[test]
fn a_scenario_of_virtual_time_shows_times_to_the_tick() {
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
    seen.normalise(&tolerance);
    insta::assert_snapshot!(
        seen.cell,
        @"ETIMEDOUT at 7927.380 s, 3 probes from 7245.396 s on, 75.776 s apart, 2 sent again, last at 61.440 s, RST"
    );
    seen.probes_us.pop();
    seen.probes_us.push(7_396_900_000);
    seen.probes_us.push(7_500_000_000);
    seen.normalise(&tolerance);
    assert!(seen.cell.contains("75.728 to 103.100 s apart"), "{}", seen.cell);
}
