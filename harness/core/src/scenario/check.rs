//! Holds the parts of a scenario against each other: axes nobody uses, claims about nothing, claims that
//! contradict each other. Everything is decided case by case, so that a `when` counts on both sides.

use toml::Spanned;
use toml::de::DeValue;

use super::claim::{Claim, Level};
use super::complaint::{Complaint, Source};
use super::document::Document;
use super::expand::name_at;
use crate::case::Case;

/// All disagreements inside a document whose cases could be made.
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
    let used = |axis: &str| {
        document
            .steps
            .iter()
            .any(|step| step.when.axes().any(|name| name == axis) || names(&step.tree, axis))
    };
    let unused = document.axes.iter().filter(|axis| !used(&axis.name));
    unused
        .map(|axis| source.unused_axis(&axis.name, axis.span.clone()))
        .collect()
}

/// Whether some string in the tree has `$axis` or `$axis.field` in it.
fn names(tree: &Spanned<DeValue<'_>>, axis: &str) -> bool {
    match tree.get_ref() {
        DeValue::String(text) => text
            .split('$')
            .skip(1)
            .any(|rest| name_at(rest).split('.').next() == Some(axis)),
        DeValue::Table(table) => table.iter().any(|(_, value)| names(value, axis)),
        DeValue::Array(items) => items.iter().any(|item| names(item, axis)),
        _ => false,
    }
}

fn about_nothing(document: &Document<'_>, claim: &Claim, cases: &[Case], source: &Source) -> Vec<Complaint> {
    let meant: Vec<_> = cases.iter().filter(|case| claim.when.admits(&case.key)).collect();
    if meant.is_empty() {
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
            complaints.push(source.unknown("label", label, &claim.id, &known, expectation.span.clone()));
            continue;
        }
        let there = document
            .steps
            .iter()
            .filter(|step| step.label.as_deref() == Some(label));
        if !there
            .into_iter()
            .any(|step| meant.iter().any(|case| step.when.admits(&case.key)))
        {
            complaints.push(source.label_never_there(&claim.id, label, expectation.span.clone()));
        }
    }
    complaints
}

/// Two `must` claims for one case and system whose expectations no observation can satisfy together.
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
