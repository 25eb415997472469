//! Verdicts of outcomes, with and without times.

use super::*;
use crate::table::{Table, break_if_late};
use crate::timing::Lateness;

const TEXT: &str = r#"
title = "t"
why = "w"
source = ["posix: bind"]
matrix.new = ["plain", "reuse-addr"]
steps = [
  { open = { socket = "a", kind = "tcp4", options = "$new" } },
  { bind = { socket = "a", to = "127.0.0.1:$port", label = "first" } },
]
[[claim]]
id = "works"
level = "must"
when = { new = "plain" }
expect = { first = "ok" }
[[claim]]
id = "old-linux"
level = "must"
on = "linux < 3"
when = { new = "reuse-addr" }
expect = { first = "EIO" }
[[claim]]
id = "better-not"
level = "should"
expect = { first = ["EACCES", "EPERM"] }
"#;

fn linux() -> System {
    System {
        name: "linux".to_owned(),
        release: "6.18.44".to_owned(),
    }
}

fn check(case: usize, outcome: &Outcome, deviations: &[Deviation]) -> Judgement {
    let scenario = Scenario::parse("port-reuse/t", "t.toml", TEXT.as_bytes()).unwrap();
    judge(
        &scenario,
        &scenario.cases[case].key.clone(),
        outcome,
        &linux(),
        &Timing::UNKNOWN,
        deviations,
    )
}

fn saw(word: &str) -> Outcome {
    let seen = Observed::Word(word.to_owned());
    Outcome::Observed(vec![Observation {
        label: "first".to_owned(),
        seen,
    }])
}

fn known() -> Deviation {
    Deviation {
        scenario: "port-reuse/t".to_owned(),
        claim: "works".to_owned(),
        reason: "b".to_owned(),
        link: "l".to_owned(),
        until: None,
        on: Vec::new(),
    }
}

#[test]
fn a_must_that_does_not_hold_is_a_failure() {
    assert_eq!(check(0, &saw("ok"), &[]).verdict, Verdict::Pass);
    assert_eq!(check(0, &saw("EADDRINUSE"), &[]).verdict, Verdict::Fail);
}

#[test]
fn a_claim_applies_only_to_its_cases_and_systems() {
    assert_eq!(check(1, &saw("EADDRINUSE"), &[]).verdict, Verdict::Pass);
    let claims: Vec<_> = check(0, &saw("ok"), &[])
        .claims
        .into_iter()
        .map(|claim| claim.id)
        .collect();
    assert_eq!(claims, ["works", "better-not"]);
}

#[test]
fn a_should_that_does_not_hold_is_reported_and_does_not_fail() {
    let judgement = check(0, &saw("ok"), &[]);
    assert!(!judgement.claims[1].holds());
    assert_eq!(judgement.claims[1].unmet[0].expected, "EACCES or EPERM");
    assert_eq!(judgement.verdict, Verdict::Pass);
}

#[test]
fn a_known_deviation_does_not_fail() {
    assert_eq!(
        check(0, &saw("EADDRINUSE"), &[known()]).verdict,
        Verdict::Deviates
    );
}

#[test]
fn a_claim_about_a_missing_label_does_not_hold() {
    let judgement = check(0, &Outcome::Observed(Vec::new()), &[]);
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(judgement.claims[0].unmet[0].seen, "-");
}

#[test]
fn broken_is_neither_pass_nor_fail() {
    let judgement = check(0, &Outcome::Broken("died".to_owned()), &[]);
    assert_eq!((judgement.verdict, judgement.claims.len()), (Verdict::Broken, 0));
}

#[test]
fn a_deviation_is_stale_only_after_a_complete_run() {
    let scenario = Scenario::parse("port-reuse/t", "t.toml", TEXT.as_bytes()).unwrap();
    let deviations = [known()];
    let judged = [
        check(0, &saw("ok"), &deviations),
        check(1, &saw("ok"), &deviations),
    ];
    let all: Vec<_> = judged.iter().collect();
    assert_eq!(stale_deviations(&scenario, &all, &linux(), &deviations).len(), 1);
    assert!(stale_deviations(&scenario, &all[..1], &linux(), &deviations).is_empty());
    let occurs = [
        check(0, &saw("EADDRINUSE"), &deviations),
        check(1, &saw("ok"), &deviations),
    ];
    let all: Vec<_> = occurs.iter().collect();
    assert!(stale_deviations(&scenario, &all, &linux(), &deviations).is_empty());
}

const TIMED: &str = r#"
title = "t"
why = "w"
source = ["rfc9293 3.8.4"]
steps = [
  { connect = { socket = "c" } },
  { set-raw = { socket = "c", option = "TCP_KEEPIDLE", value = 1 } },
  { set-raw = { socket = "c", option = "TCP_KEEPINTVL", value = 1 } },
  { set-raw = { socket = "c", option = "TCP_KEEPCNT", value = 2 } },
  { await-close = { socket = "c", within = "4s", label = "end" } },
]
[[claim]]
id = "dies-in-time"
level = "must"
expect = { end = { outcome = "ETIMEDOUT", at = "schedule-end" } }
"#;

fn judge_timed(seen: crate::Timed) -> Judgement {
    let scenario = Scenario::parse("keepalive/t", "t.toml", TIMED.as_bytes()).unwrap();
    let outcome = Outcome::Observed(vec![Observation {
        label: "end".to_owned(),
        seen: Observed::Timed(seen),
    }]);
    let key = scenario.cases[0].key.clone();
    judge(&scenario, &key, &outcome, &linux(), &Timing::UNKNOWN, &[])
}

fn ended(at_us: i64, least_us: u64, most_us: u64) -> crate::Timed {
    crate::Timed {
        outcome: "ETIMEDOUT".to_owned(),
        at_us: Some(at_us),
        late: Lateness { least_us, most_us },
        ..crate::Timed::default()
    }
}

fn check_timed(at_us: i64, least_us: u64, most_us: u64) -> Judgement {
    judge_timed(ended(at_us, least_us, most_us))
}

#[test]
fn a_time_within_its_tolerance_passes_with_a_margin() {
    let judgement = check_timed(3_020_000, 0, 0);
    assert_eq!(judgement.verdict, Verdict::Pass);
    assert!(judgement.claims[0].margin_us.unwrap() > 0);
    assert_eq!(
        judgement.observed[0].seen.to_string(),
        "ETIMEDOUT at schedule-end, no probe"
    );
}

#[test]
fn a_time_outside_its_tolerance_fails_with_a_timeline() {
    let judgement = check_timed(2_000_000, 0, 0);
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert!(judgement.claims[0].unmet[0].timeline.len() > 2);
}

#[test]
fn lateness_widens_the_tolerance() {
    assert_eq!(check_timed(3_150_000, 0, 0).verdict, Verdict::Fail);
    assert_eq!(check_timed(3_150_000, 150_000, 150_000).verdict, Verdict::Pass);
}

#[test]
fn a_wrong_time_on_a_machine_that_was_too_late_is_broken() {
    for at_us in [2_000_000, 4_000_000] {
        let judgement = check_timed(at_us, 260_000, 260_000);
        assert_eq!(judgement.verdict, Verdict::Broken);
        assert_eq!(judgement.reason.as_deref(), Some("the machine was 260 ms late"));
    }
}

#[test]
fn a_right_time_passes_on_a_late_machine() {
    assert_eq!(check_timed(3_020_000, 260_000, 260_000).verdict, Verdict::Pass);
}

#[test]
fn the_upper_bound_of_lateness_excuses_a_time_until_moments_overlap() {
    assert_eq!(check_timed(3_150_000, 10_000, 200_000).verdict, Verdict::Pass);
    assert_eq!(check_timed(3_150_000, 10_000, 260_000).verdict, Verdict::Broken);
    assert_eq!(check_timed(5_150_000, 10_000, 260_000).verdict, Verdict::Fail);
    assert_eq!(check_timed(2_000_000, 10_000, 900_000).verdict, Verdict::Fail);
}

#[test]
fn a_late_origin_lowers_the_lower_bound_of_a_time() {
    let counted_late = |at_us, origin_late_us| {
        let seen = crate::Timed {
            origin_late_us,
            ..ended(at_us, 0, 0)
        };
        judge_timed(seen).verdict
    };
    assert_eq!(counted_late(2_900_000, 0), Verdict::Fail);
    assert_eq!(counted_late(2_900_000, 100_000), Verdict::Pass);
    assert_eq!(counted_late(3_140_000, 100_000), Verdict::Fail);
}

#[test]
fn an_outcome_that_lateness_could_explain_is_broken() {
    let alive = |most_us| {
        let seen = crate::Timed {
            outcome: "alive".to_owned(),
            ..ended(3_020_000, 0, most_us)
        };
        judge_timed(seen).verdict
    };
    assert_eq!(alive(0), Verdict::Fail);
    assert_eq!(alive(900_000), Verdict::Broken);
}

const PROBED: &str = r#"
title = "t"
why = "w"
source = ["rfc9293 3.8.4"]
steps = [
  { connect = { socket = "c" } },
  { set-raw = { socket = "c", option = "TCP_KEEPIDLE", value = 1 } },
  { set-raw = { socket = "c", option = "TCP_KEEPINTVL", value = 7 } },
  { await-probes = { socket = "c", count = 1, within = "4s", label = "probe" } },
]
"#;

/// Compares a watch that no claim judges with a reviewed cell.
fn review(reviewed: Option<&str>, outcome: &str, probes_ms: &[i64], most_late_ms: u64) -> String {
    let scenario = Scenario::parse("keepalive/t", "t.toml", PROBED.as_bytes()).unwrap();
    let table = reviewed.map(|cell| {
        let head = "scenario        keepalive/t\nkernel          linux-6.18\nimplementation  kernel\n";
        let text = format!("{head}\nprobe\n{cell}\n");
        Table::parse(&text).unwrap()
    });
    let seen = Observed::Timed(crate::Timed {
        outcome: outcome.to_owned(),
        probes_us: probes_ms.iter().map(|ms| ms * 1000).collect(),
        late: Lateness {
            least_us: 0,
            most_us: most_late_ms * 1000,
        },
        ..crate::Timed::default()
    });
    let outcome = Outcome::Observed(vec![Observation {
        label: "probe".to_owned(),
        seen,
    }]);
    let key = &scenario.cases[0].key;
    let mut judgement = judge(&scenario, key, &outcome, &linux(), &Timing::UNKNOWN, &[]);
    break_if_late(&scenario, table.as_ref(), &mut judgement);
    let seen = judgement.observed.first().map(|each| each.seen.to_string());
    judgement.reason.or(seen).unwrap()
}

#[test]
fn a_row_that_lateness_explains_is_broken_and_not_changed() {
    let reviewed = Some("ok, 1 probe at about 2.0 s");
    assert_eq!(
        review(reviewed, "too few", &[], 251),
        "the machine was 251 ms late"
    );
    assert_eq!(review(reviewed, "ok", &[2_300], 60), "the machine was 60 ms late");
}

#[test]
fn a_row_that_lateness_does_not_explain_stays() {
    let reviewed = Some("ok, 1 probe at about 2.0 s");
    assert_eq!(review(reviewed, "too few", &[], 40), "too few, no probe");
    assert_eq!(review(reviewed, "ok", &[2_300], 40), "ok, 1 probe at about 2.5 s");
}

#[test]
fn a_row_as_reviewed_stays_however_late_the_machine_was() {
    let reviewed = "ok, 1 probe at about 2.0 s";
    assert_eq!(review(Some(reviewed), "ok", &[2_010], 900), reviewed);
}

#[test]
fn an_unreviewed_row_is_broken_if_its_cell_is_ambiguous() {
    assert_eq!(review(None, "ok", &[2_300], 60), "the machine was 60 ms late");
    assert_eq!(review(None, "ok", &[2_300], 40), "ok, 1 probe at about 2.5 s");
    assert_eq!(review(None, "ok", &[1_010], 60), "ok, 1 probe at idle-end");
}

#[test]
fn a_failed_must_claim_stays_failed_on_a_late_machine() {
    let scenario = Scenario::parse("keepalive/t", "t.toml", TIMED.as_bytes()).unwrap();
    let mut judgement = check_timed(5_150_000, 10_000, 260_000);
    break_if_late(&scenario, None, &mut judgement);
    assert_eq!(judgement.verdict, Verdict::Fail);
}
