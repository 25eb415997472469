//! Observations against claims. Pure: no socket, no file, no clock.
//!
//! A verdict is about `must` claims alone. `should` and `may` are reported beside it, because a reader of a
//! table wants one colour per row and a reason to open it. A case in which some claim's label was not reached
//! does not satisfy that claim: silence is not agreement.

use serde::{Deserialize, Serialize};

use crate::case::CaseKey;
use crate::deviation::Deviation;
use crate::observation::{Observation, Observed, Outcome};
use crate::scenario::{Claim, Expectation, Level, Scenario, Wanted};
use crate::system::System;
use crate::timing::timeline::timeline;
use crate::timing::{Ruler, Schedule, Timing, TooLate};

/// The result of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every `must` that applies holds.
    Pass,
    /// A `must` does not hold.
    Fail,
    /// A `must` does not hold, and a profile says so, with a reason.
    Deviates,
    /// The platform or implementation lacks something.
    Unsupported,
    /// We could not find out.
    Broken,
}

impl Verdict {
    /// Every verdict, in the order summaries print them.
    pub const ALL: [Self; 5] = [
        Self::Pass,
        Self::Fail,
        Self::Deviates,
        Self::Unsupported,
        Self::Broken,
    ];

    /// The word in every report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Deviates => "deviates",
            Self::Unsupported => "unsupported",
            Self::Broken => "broken",
        }
    }
}

/// One claim about one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimResult {
    /// The claim's id.
    pub id: String,
    /// Its level.
    pub level: Level,
    /// Where it is written.
    pub source: Vec<String>,
    /// The expectations that were not met; empty if the claim holds.
    pub unmet: Vec<Unmet>,
    /// How far the worst of its times is inside the platform's bounds; `None` if it is not about time.
    pub margin_us: Option<i64>,
    /// The reason, where a profile knows of the disagreement.
    pub deviation: Option<Deviation>,
}

/// An expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The label.
    pub label: String,
    /// What was expected, in words.
    pub expected: String,
    /// What was seen, in words.
    pub seen: String,
    /// Expected and seen side by side, a line a moment, where it is about time.
    pub timeline: Vec<String>,
}

impl ClaimResult {
    /// Whether the claim holds.
    pub fn holds(&self) -> bool {
        self.unmet.is_empty()
    }
}

/// A case, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Which case.
    pub key: CaseKey,
    /// The result.
    pub verdict: Verdict,
    /// Every claim that applies, in the file's order.
    pub claims: Vec<ClaimResult>,
    /// What was seen; empty unless the case could be observed.
    pub observed: Vec<Observation>,
    /// Why it is `unsupported` or `broken`.
    pub because: Option<String>,
}

/// Judges what became of one case.
///
/// `timing` is what the platform measured about its clocks, `deviations` are those of the platform and the
/// implementation that ran the case. A case in which the machine was so late that a claim about time cannot be
/// told is broken.
pub fn judge(
    scenario: &Scenario,
    key: &CaseKey,
    outcome: &Outcome,
    system: &System,
    timing: &Timing,
    deviations: &[Deviation],
) -> Judgement {
    let without_claims = |verdict, because: &str| Judgement {
        key: key.clone(),
        verdict,
        claims: Vec::new(),
        observed: Vec::new(),
        because: Some(because.to_owned()),
    };
    let observed = match outcome {
        Outcome::Unsupported(because) => return without_claims(Verdict::Unsupported, because),
        Outcome::Broken(because) => return without_claims(Verdict::Broken, because),
        Outcome::Observed(observed) => observed,
    };
    let case = scenario.cases.iter().find(|case| case.key == *key);
    let ruler = |label: &str| Ruler {
        timing: timing.clone(),
        schedule: case.map_or_else(Schedule::default, |case| Schedule::at(case, label)),
    };
    let mut observed = observed.clone();
    let too_late = |TooLate(late_us): TooLate| {
        let because = format!("the machine was {} ms late", late_us.div_ceil(1000));
        without_claims(Verdict::Broken, &because)
    };
    for observation in &mut observed {
        if let Observed::Timed(timed) = &mut observation.seen
            && let Err(late) = timed.normalise(&ruler(&observation.label))
        {
            return too_late(late);
        }
    }
    let mut claims = Vec::new();
    for claim in scenario.claims.iter().filter(|claim| applies(claim, key, system)) {
        match judge_claim(scenario, claim, &observed, system, &ruler, deviations) {
            Ok(result) => claims.push(result),
            Err(late) => return too_late(late),
        }
    }
    let broken_musts = claims
        .iter()
        .filter(|claim| claim.level == Level::Must && !claim.holds());
    let verdict = broken_musts.fold(Verdict::Pass, |verdict, claim| {
        match (verdict, &claim.deviation) {
            (Verdict::Fail, _) | (_, None) => Verdict::Fail,
            _ => Verdict::Deviates,
        }
    });
    Judgement {
        key: key.clone(),
        verdict,
        claims,
        observed,
        because: None,
    }
}

fn applies(claim: &Claim, key: &CaseKey, system: &System) -> bool {
    let on_this_system = claim.on.is_empty() || claim.on.iter().any(|range| range.contains(system));
    on_this_system && claim.when.admits(key)
}

/// Holds what was seen under one label against an expectation: what is not met, and the margin in time.
fn meet(
    expectation: &Expectation,
    seen: &Observed,
    ruler: &Ruler,
) -> Result<(Option<Unmet>, Option<i64>), TooLate> {
    let unmet = |expected, timeline| Unmet {
        label: expectation.label.clone(),
        expected,
        seen: seen.to_string(),
        timeline,
    };
    let (Wanted::Timed(happening), Observed::Timed(timed)) = (&expectation.wanted, seen) else {
        let unmet = (!expectation.holds(seen)).then(|| unmet(expectation.wording(), Vec::new()));
        return Ok((unmet, None));
    };
    let [fine, coarse] = ruler.rulers(timed.late_us);
    let finding = happening.find(timed, &fine);
    if finding.holds() {
        return Ok((None, finding.margin_us));
    }
    let finding = happening.find(timed, &coarse);
    if finding.margin_us.is_some() && coarse.proves_nothing() {
        return Err(TooLate(timed.late_us));
    }
    let expected = || happening.wording(Some(&coarse));
    let unmet = (!finding.holds()).then(|| unmet(expected(), timeline(happening, timed, &coarse)));
    Ok((unmet, finding.margin_us))
}

fn judge_claim(
    scenario: &Scenario,
    claim: &Claim,
    observed: &[Observation],
    system: &System,
    ruler: &impl Fn(&str) -> Ruler,
    deviations: &[Deviation],
) -> Result<ClaimResult, TooLate> {
    let mut unmet = Vec::new();
    let mut margin_us: Option<i64> = None;
    for expectation in &claim.expect {
        let seen = observed.iter().find(|each| each.label == expectation.label);
        let seen = seen.map_or(&Observed::NotReached, |each| &each.seen);
        let (not_met, margin) = meet(expectation, seen, &ruler(&expectation.label))?;
        unmet.extend(not_met);
        margin_us = margin_us.into_iter().chain(margin).min();
    }
    let known = |deviation: &&Deviation| {
        deviation.scenario == scenario.id
            && deviation.claim == claim.id
            && (deviation.on.is_empty() || deviation.on.iter().any(|range| range.contains(system)))
    };
    let deviation = if unmet.is_empty() {
        None
    } else {
        deviations.iter().find(known).cloned()
    };
    let source = if claim.source.is_empty() {
        &scenario.source
    } else {
        &claim.source
    };
    Ok(ClaimResult {
        id: claim.id.clone(),
        level: claim.level,
        source: source.clone(),
        unmet,
        margin_us,
        deviation,
    })
}

/// The deviations of a scenario that did not occur although every case they could occur in was observed.
///
/// A run that left out cases, or in which one was broken, says nothing about staleness.
pub fn stale_deviations<'d>(
    scenario: &Scenario,
    judgements: &[&Judgement],
    system: &System,
    deviations: &'d [Deviation],
) -> Vec<&'d Deviation> {
    let complete = judgements.len() == scenario.cases.len()
        && judgements
            .iter()
            .all(|judgement| judgement.verdict != Verdict::Broken)
        && judgements
            .iter()
            .any(|judgement| judgement.verdict != Verdict::Unsupported);
    let stale = |deviation: &&Deviation| {
        deviation.scenario == scenario.id
            && (deviation.on.is_empty() || deviation.on.iter().any(|range| range.contains(system)))
            && !judgements.iter().any(|judgement| {
                judgement
                    .claims
                    .iter()
                    .any(|claim| claim.id == deviation.claim && !claim.holds())
            })
    };
    if complete {
        deviations.iter().filter(stale).collect()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            because: "b".to_owned(),
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
    fn a_claim_is_only_for_its_cases_and_systems() {
        assert_eq!(check(1, &saw("EADDRINUSE"), &[]).verdict, Verdict::Pass);
        let claims: Vec<_> = check(0, &saw("ok"), &[])
            .claims
            .into_iter()
            .map(|claim| claim.id)
            .collect();
        assert_eq!(claims, ["works", "better-not"]);
    }

    #[test]
    fn a_should_is_reported_and_never_fails() {
        let judgement = check(0, &saw("ok"), &[]);
        assert!(!judgement.claims[1].holds());
        assert_eq!(judgement.claims[1].unmet[0].expected, "EACCES or EPERM");
        assert_eq!(judgement.verdict, Verdict::Pass);
    }

    #[test]
    fn a_known_disagreement_deviates() {
        assert_eq!(
            check(0, &saw("EADDRINUSE"), &[known()]).verdict,
            Verdict::Deviates
        );
    }

    #[test]
    fn a_label_that_was_not_observed_does_not_satisfy_a_claim() {
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

    fn check_timed(at_us: i64, late_us: u64) -> Judgement {
        let scenario = Scenario::parse("keepalive/t", "t.toml", TIMED.as_bytes()).unwrap();
        let seen = Observed::Timed(crate::Timed {
            outcome: "ETIMEDOUT".to_owned(),
            at_us: Some(at_us),
            late_us,
            ..crate::Timed::default()
        });
        let outcome = Outcome::Observed(vec![Observation {
            label: "end".to_owned(),
            seen,
        }]);
        let key = scenario.cases[0].key.clone();
        judge(&scenario, &key, &outcome, &linux(), &Timing::UNKNOWN, &[])
    }

    #[test]
    fn a_time_in_its_bounds_passes_with_a_margin() {
        let judgement = check_timed(3_020_000, 0);
        assert_eq!(judgement.verdict, Verdict::Pass);
        assert!(judgement.claims[0].margin_us.unwrap() > 0);
        assert_eq!(
            judgement.observed[0].seen.to_string(),
            "ETIMEDOUT at schedule-end, no probe"
        );
    }

    #[test]
    fn a_time_outside_its_bounds_fails_with_a_timeline() {
        let judgement = check_timed(2_000_000, 0);
        assert_eq!(judgement.verdict, Verdict::Fail);
        assert!(judgement.claims[0].unmet[0].timeline.len() > 2);
    }

    #[test]
    fn a_machine_that_was_late_has_wider_bounds() {
        assert_eq!(check_timed(3_150_000, 0).verdict, Verdict::Fail);
        assert_eq!(check_timed(3_150_000, 150_000).verdict, Verdict::Pass);
    }

    #[test]
    fn a_machine_that_was_too_late_proves_nothing_wrong() {
        for at_us in [2_000_000, 4_000_000] {
            let judgement = check_timed(at_us, 260_000);
            assert_eq!(judgement.verdict, Verdict::Broken);
            assert_eq!(judgement.because.as_deref(), Some("the machine was 260 ms late"));
        }
    }

    #[test]
    fn a_time_that_is_right_is_right_on_a_late_machine_too() {
        assert_eq!(check_timed(3_020_000, 260_000).verdict, Verdict::Pass);
    }
}
