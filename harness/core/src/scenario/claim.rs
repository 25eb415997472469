//! Claims: what a document outside this project (manual page, RFC, issue) requires, as data. Also `when`, the condition
//! that selects the cases of a step or claim.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::DeValue;

use super::axes::Matrix;
use super::complaint::{Complaints, Source};
use super::condition::{When, read_ranges};
use super::expectation::{self, Expectation};
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
