//! Observations against claims. Pure: no socket, no file, no clock.
//!
//! Only `must` claims decide the verdict. `should` and `may` claims are reported beside it, because a reader of a
//! table wants one colour for each row and a reason to open it. A claim about a label that the case did not reach does
//! not hold: a missing observation is no evidence.

use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::case::CaseKey;
use crate::deviation::Deviation;
use crate::observation::{Observation, Observed, Outcome};
use crate::protocol::VIRTUAL_TIME;
use crate::scenario::{Claim, Expectation, Level, Scenario, Wanted};
use crate::system::System;
use crate::timing::timeline::timeline;
use crate::timing::{Schedule, Timing, Tolerance, TooLate};

/// The result of a case. The variants stand in the order in which summaries print them.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Verdict {
    /// Every `must` that applies holds.
    Pass,
    /// A `must` does not hold.
    Fail,
    /// A `must` does not hold, and a profile lists that as a known deviation.
    Deviates,
    /// The platform or the implementation lacks a capability that the case requires.
    Unsupported,
    /// The harness could not find out.
    Broken,
}

impl Verdict {
    /// All verdicts, in the order of summaries.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::VARIANTS.iter().copied()
    }

    /// The word in every report.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether all steps were executed, so that the case has a row.
    pub fn was_observed(self) -> bool {
        match self {
            Self::Pass | Self::Fail | Self::Deviates => true,
            Self::Unsupported | Self::Broken => false,
        }
    }
}

/// The result of one claim for one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimResult {
    /// The claim's id.
    pub id: String,
    /// Its level.
    pub level: Level,
    /// Where it is written.
    pub source: Vec<String>,
    /// The expectations that do not hold; empty if the claim holds.
    pub unmet: Vec<Unmet>,
    /// The least distance, in microseconds, of a time from the bounds of its tolerance; negative outside them. `None`
    /// if the claim is not about time.
    pub margin_us: Option<i64>,
    /// The known deviation, if the claim does not hold and a profile lists one.
    pub deviation: Option<Deviation>,
}

/// An expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The label.
    pub label: String,
    /// What was expected, in words.
    pub expected: String,
    /// What was seen, in words.
    pub seen: String,
    /// Expected and observed times side by side, one line for each moment; empty if it is not about time.
    pub timeline: Vec<String>,
}

impl ClaimResult {
    /// Whether the claim holds.
    pub fn holds(&self) -> bool {
        self.unmet.is_empty()
    }
}

/// The result of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Which case.
    pub key: CaseKey,
    /// The verdict.
    pub verdict: Verdict,
    /// Every claim that applies, in the file's order.
    pub claims: Vec<ClaimResult>,
    /// What was seen; empty unless the case could be observed.
    pub observed: Vec<Observation>,
    /// Why it is `unsupported` or `broken`.
    pub reason: Option<String>,
    /// Whether it is `broken` only because the machine was late, so that the case can be repeated.
    pub was_late: bool,
}

impl Judgement {
    fn without_claims(key: &CaseKey, verdict: Verdict, reason: &str) -> Self {
        Self {
            key: key.clone(),
            verdict,
            claims: Vec::new(),
            observed: Vec::new(),
            reason: Some(reason.to_owned()),
            was_late: false,
        }
    }

    /// A case that a late machine made `broken`.
    pub(crate) fn too_late(key: &CaseKey, TooLate(late_us): TooLate) -> Self {
        let reason = format!("the machine was {} ms late", late_us.div_ceil(1000));
        Self {
            was_late: true,
            ..Self::without_claims(key, Verdict::Broken, &reason)
        }
    }
}

/// Judges the outcome of one case.
///
/// `timing` is the platform's calibration, `deviations` are those of the platform and of the implementation. A case is
/// broken if the machine was so late that a claim about time cannot be decided.
pub fn judge(
    scenario: &Scenario,
    key: &CaseKey,
    outcome: &Outcome,
    system: &System,
    timing: &Timing,
    deviations: &[Deviation],
) -> Judgement {
    let without_claims = |verdict, reason: &str| Judgement::without_claims(key, verdict, reason);
    let observed = match outcome {
        Outcome::Unsupported(reason) => return without_claims(Verdict::Unsupported, reason),
        Outcome::Broken(reason) => return without_claims(Verdict::Broken, reason),
        Outcome::Observed(observed) => observed,
    };
    let case = scenario.cases.iter().find(|case| case.key == *key);
    let tolerance = |label: &str| Tolerance {
        timing: timing.clone(),
        schedule: case.map_or_else(Schedule::default, |case| Schedule::at(case, label)),
        origin_late_us: 0,
        exact: case.is_some_and(|case| case.requires(VIRTUAL_TIME)),
    };
    let mut observed = observed.clone();
    for observation in &mut observed {
        if let Observed::Timed(timed) = &mut observation.seen {
            timed.normalise(&tolerance(&observation.label));
        }
    }
    let mut claims = Vec::new();
    for claim in scenario.claims.iter().filter(|claim| applies(claim, key, system)) {
        match judge_claim(scenario, claim, &observed, system, &tolerance, deviations) {
            Ok(result) => claims.push(result),
            Err(late) => return Judgement::too_late(key, late),
        }
    }
    let failed: Vec<_> = claims
        .iter()
        .filter(|claim| claim.level == Level::Must && !claim.holds())
        .collect();
    let verdict = if failed.is_empty() {
        Verdict::Pass
    } else if failed.iter().all(|claim| claim.deviation.is_some()) {
        Verdict::Deviates
    } else {
        Verdict::Fail
    };
    Judgement {
        key: key.clone(),
        verdict,
        claims,
        observed,
        reason: None,
        was_late: false,
    }
}

fn applies(claim: &Claim, key: &CaseKey, system: &System) -> bool {
    let on_this_system = claim.on.is_empty() || claim.on.iter().any(|range| range.contains(system));
    on_this_system && claim.when.admits(key)
}

/// Compares an observation with an expectation. Returns the expectation if it does not hold, and the margin of its
/// times.
fn check(
    expectation: &Expectation,
    seen: &Observed,
    tolerance: &Tolerance,
) -> Result<(Option<Unmet>, Option<i64>), TooLate> {
    let unmet = |expected, timeline| Unmet {
        label: expectation.label.clone(),
        expected,
        seen: seen.to_string(),
        timeline,
    };
    let (Wanted::Timed(timed_expectation), Observed::Timed(timed)) = (&expectation.wanted, seen) else {
        let unmet = (!expectation.holds(seen)).then(|| unmet(expectation.wording(), Vec::new()));
        return Ok((unmet, None));
    };
    let tolerance = tolerance.with_origin_lateness(timed.origin_late_us);
    let readings = timed.readings();
    let told = tolerance.evaluate(timed.late, |tolerance| {
        let findings = readings
            .iter()
            .map(|reading| timed_expectation.find(reading, tolerance));
        findings.into_iter().find(|finding| finding.holds())
    });
    if let Ok(Some(finding)) = told {
        return Ok((None, finding.margin_us));
    }
    told?;
    // The outcome depends on time as well: a probe that arrives after a late case has stopped waiting looks as if it
    // had never been sent.
    let coarsest = tolerance.at_least(timed.late.most_us);
    if coarsest.proves_nothing() && timed_expectation.find(timed, &coarsest).wrong {
        return Err(TooLate(timed.late.most_us.max(timed.origin_late_us)));
    }
    let tolerance = tolerance.at_least(timed.late.least_us);
    let finding = timed_expectation.find(timed, &tolerance);
    let expected = timed_expectation.wording(Some(&tolerance));
    let unmet = unmet(expected, timeline(timed_expectation, timed, &tolerance));
    Ok((Some(unmet), finding.margin_us))
}

fn judge_claim(
    scenario: &Scenario,
    claim: &Claim,
    observed: &[Observation],
    system: &System,
    tolerance: &impl Fn(&str) -> Tolerance,
    deviations: &[Deviation],
) -> Result<ClaimResult, TooLate> {
    let mut unmet = Vec::new();
    let mut margin_us: Option<i64> = None;
    for expectation in &claim.expect {
        let seen = observed.iter().find(|each| each.label == expectation.label);
        let seen = seen.map_or(&Observed::NotReached, |each| &each.seen);
        let (not_met, margin) = check(expectation, seen, &tolerance(&expectation.label))?;
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

/// The deviations of a scenario that did not occur although every case in which they could occur was observed.
///
/// Empty for a run that left out cases or in which a case was broken: such a run cannot show that a deviation is stale.
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
mod tests;
