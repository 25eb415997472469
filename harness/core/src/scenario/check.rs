//! Compares the parts of a scenario with each other: finds unused axes, claims that apply to nothing, and claims that
//! contradict each other. Every check looks at each case, so the `when` of steps and of claims is respected.

use super::claim::{Claim, Level};
use super::complaint::{Complaint, Source};
use super::document::Document;
use crate::case::Case;

/// Finds all contradictions between the parts of a document.
pub(super) fn check(document: &Document<'_>, cases: &[Case], source: &Source) -> Vec<Complaint> {
    let mut complaints = unused_axes(document, source);
    for (index, claim) in document.claims.iter().enumerate() {
        if document.claims[..index]
            .iter()
            .any(|earlier| earlier.id == claim.id)
        {
            complaints.push(source.duplicate("the claim", &claim.id, claim.span.clone()));
        }
        complaints.extend(about_nothing(document, claim, cases, source));
        let earlier = document.claims[..index].iter();
        complaints.extend(earlier.filter_map(|earlier| contradiction(earlier, claim, cases, source)));
    }
    complaints
}

fn unused_axes(document: &Document<'_>, source: &Source) -> Vec<Complaint> {
    // A step with a mistake may use any axis.
    if !document.has_all_steps || document.steps.iter().any(|step| !step.is_readable) {
        return Vec::new();
    }
    let used = |axis: &str| {
        let steps = &mut document.steps.iter();
        steps.any(|step| step.when.axes().any(|name| name == axis) || step.names(axis))
    };
    let unused = document.matrix.axes.iter().filter(|axis| !used(&axis.name));
    unused
        .map(|axis| source.unused_axis(&axis.name, axis.span.clone()))
        .collect()
}

fn about_nothing(document: &Document<'_>, claim: &Claim, cases: &[Case], source: &Source) -> Vec<Complaint> {
    let claimed: Vec<_> = cases.iter().filter(|case| claim.when.admits(&case.key)).collect();
    if claimed.is_empty() {
        return vec![source.claim_for_nothing(&claim.id, claim.span.clone())];
    }
    let known: Vec<&str> = document
        .steps
        .iter()
        .filter_map(|step| step.label.as_deref())
        .collect();
    let mut complaints = Vec::new();
    for expectation in &claim.expect {
        let label = expectation.label.as_str();
        if !known.contains(&label) {
            let span = expectation.span.clone();
            // A step that could not be read may have this label.
            let unknown = document
                .has_all_steps
                .then(|| source.unknown("label", label, &claim.id, &known, span));
            complaints.extend(unknown);
            continue;
        }
        let mut labelled = document
            .steps
            .iter()
            .filter(|step| step.label.as_deref() == Some(label));
        if !labelled.any(|step| claimed.iter().any(|case| step.when.admits(&case.key))) {
            complaints.push(source.label_never_there(&claim.id, label, expectation.span.clone()));
        }
    }
    complaints
}

/// Whether two `must` claims apply to the same case and system, and no observation can meet both.
fn contradiction(one: &Claim, other: &Claim, cases: &[Case], source: &Source) -> Option<Complaint> {
    let systems_overlap = one.on.is_empty()
        || other.on.is_empty()
        || one
            .on
            .iter()
            .any(|range| other.on.iter().any(|another| range.overlaps(another)));
    if !systems_overlap || one.level != Level::Must || other.level != Level::Must {
        return None;
    }
    let case = cases
        .iter()
        .find(|case| one.when.admits(&case.key) && other.when.admits(&case.key))?;
    let clash = other.expect.iter().find(|expectation| {
        one.expect
            .iter()
            .any(|earlier| earlier.label == expectation.label && earlier.excludes(expectation))
    })?;
    let span = clash.span.clone();
    Some(source.contradiction([&one.id, &other.id], &clash.label, &case.key.point(), span))
}
