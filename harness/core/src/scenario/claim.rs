//! Claims: what a document outside this project (manual page, RFC, issue) requires, as data. Also `when`, the condition
//! that selects the cases of a step or claim.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::DeValue;

use super::axes::{Axis, Scalar};
use super::complaint::{Complaint, Complaints, Source};
use super::document::Matrix;
use super::expectation::{self, Expectation};
use super::raw_step::read_ranges;
use crate::case::CaseKey;
use crate::system::SystemRange;

/// How binding a claim is, in the sense of RFC 2119.
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
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Level {
    /// If it does not hold, the case fails.
    Must,
    /// If it does not hold, the report says so, but the case passes.
    Should,
    /// Both outcomes are permitted; the report says which one was observed.
    May,
}

impl Level {
    /// `must`, `should` or `may`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Selects cases by their axis values: every named axis must have one of the listed values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When(Vec<(String, Vec<String>)>);

impl When {
    /// Whether it selects the case.
    pub fn admits(&self, case: &CaseKey) -> bool {
        self.0.iter().all(|(axis, values)| {
            case.value(axis)
                .is_some_and(|value| values.iter().any(|admitted| admitted == value))
        })
    }

    /// The axes it names.
    pub(crate) fn axes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(axis, _)| axis.as_str())
    }

    /// Reads `when`; `None` if it has a mistake or names an axis that has one.
    pub(crate) fn read(
        value: &Spanned<DeValue<'_>>,
        matrix: &Matrix<'_>,
        source: &Source,
        complaints: &mut Complaints,
    ) -> Option<Self> {
        let DeValue::Table(entries) = value.get_ref() else {
            let found = value.get_ref().type_str();
            let wrong = source.wrong_type("`when`", "a table of axes", found, value.span());
            complaints.0.push(wrong);
            return None;
        };
        let mut when = Vec::new();
        for (name, wanted) in entries {
            if matrix.unreadable.iter().any(|axis| axis == name.get_ref()) {
                return None;
            }
            let known: Vec<&str> = matrix.axes.iter().map(|axis| axis.name.as_str()).collect();
            let axis = matrix
                .axes
                .iter()
                .find(|axis| axis.name == name.get_ref().as_ref());
            let axis = axis.ok_or_else(|| {
                let unknown = source.unknown("axis", name.get_ref(), "when", &known, name.span());
                unknown.into()
            });
            let axis = complaints.keep(axis)?;
            let items: Vec<_> = match wanted.get_ref() {
                DeValue::Array(items) => items.iter().collect(),
                _ => vec![wanted],
            };
            let values = items.into_iter().map(|item| axis_value(item, axis, source));
            let values = complaints.keep(values.collect())?;
            when.push((axis.name.clone(), values));
        }
        Some(Self(when))
    }
}

/// Reads a value in `when`, which must be the name of one of the axis's values.
fn axis_value(
    item: &Spanned<DeValue<'_>>,
    axis: &Axis<'_>,
    source: &Source,
) -> Result<String, Box<Complaint>> {
    let Some(scalar) = Scalar::of(item.get_ref()).map(|scalar| scalar.to_string()) else {
        let found = item.get_ref().type_str();
        let what = "a value in `when`";
        return Err(source.wrong_type(what, "a scalar", found, item.span()).into());
    };
    let known: Vec<&str> = axis.values.iter().map(|value| value.name.as_str()).collect();
    match known.contains(&scalar.as_str()) {
        true => Ok(scalar),
        false => Err(source
            .unknown("value", &scalar, &axis.name, &known, item.span())
            .into()),
    }
}

/// A statement of what must, should or may be observed.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Unique in its scenario.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// Where it is written; the scenario's sources if empty.
    pub source: Vec<String>,
    /// The systems it applies to; empty means all.
    pub on: Vec<SystemRange>,
    /// The cases it applies to.
    pub when: When,
    /// What it expects, in the file's order.
    pub expect: Vec<Expectation>,
    pub(crate) span: Range<usize>,
}

/// The keys of a claim that serde reads; `when`, `on` and `expect` are read from the tree for their spans.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ClaimHead {
    /// Unique in the scenario.
    id: String,
    /// How binding it is.
    level: Level,
    /// Where the rule is written, if not in all of the scenario's sources.
    #[serde(default)]
    source: Vec<String>,
}

/// Reads one `[[claim]]`; `None` if it has a mistake.
pub(crate) fn read(
    tree: Spanned<DeValue<'_>>,
    matrix: &Matrix<'_>,
    source: &Source,
    complaints: &mut Complaints,
) -> Option<Claim> {
    let span = tree.span();
    let found = tree.get_ref().type_str();
    let DeValue::Table(mut table) = tree.into_inner() else {
        complaints
            .0
            .push(source.wrong_type("a claim", "a table `[[claim]]`", found, span));
        return None;
    };
    let when = table
        .remove("when")
        .map(|value| When::read(&value, matrix, source, complaints));
    let on = table
        .remove("on")
        .map(|value| complaints.keep(read_ranges(&value, source)));
    let expect = table.remove("expect");
    let expect = expect.ok_or_else(|| source.missing("`expect`", "the claim", span.clone()).into());
    let expect = complaints
        .keep(expect)
        .and_then(|expect| expectation::read(&expect, source, complaints));
    let deserializer = toml::de::Deserializer::from(Spanned::new(span.clone(), table));
    let head = ClaimHead::deserialize(deserializer);
    let head = complaints.keep(head.map_err(|error| source.refused(&error, span.clone(), "claim").into()))?;
    Some(Claim {
        id: head.id,
        level: head.level,
        source: head.source,
        on: on.unwrap_or(Some(Vec::new()))?,
        when: when.unwrap_or(Some(When::default()))?,
        expect: expect?,
        span,
    })
}
