//! Claims: sentences somebody else wrote, as data; and `when`, the maps that say which cases are meant.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::axes::{Axis, Scalar};
use super::complaint::{Complaint, Source};
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
    /// Breaking it is a failure.
    Must,
    /// Breaking it is reported, never a failure.
    Should,
    /// Both are right; the report says which it was.
    May,
}

impl Level {
    /// `must`, `should` or `may`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Axis values a step or claim is for: every named axis must have one of the listed values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When(Vec<(String, Vec<String>)>);

impl When {
    /// Whether the case is meant.
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

    pub(crate) fn read<'i>(
        value: &Spanned<DeValue<'i>>,
        axes: &[Axis<'_>],
        source: &Source,
    ) -> Result<Self, Box<Complaint>> {
        let DeValue::Table(entries) = value.get_ref() else {
            let found = value.get_ref().type_str();
            return Err(source
                .wrong_type("`when`", "a table of axes", found, value.span())
                .into());
        };
        let mut when = Vec::new();
        for (name, wanted) in entries {
            let known: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
            let axis = axes
                .iter()
                .find(|axis| axis.name == name.get_ref().as_ref())
                .ok_or_else(|| source.unknown("axis", name.get_ref(), "when", &known, name.span()))?;
            let items: Vec<_> = match wanted.get_ref() {
                DeValue::Array(items) => items.iter().collect(),
                _ => vec![wanted],
            };
            let mut values = Vec::new();
            for item in items {
                let known: Vec<&str> = axis.values.iter().map(|value| value.name.as_str()).collect();
                let scalar = Scalar::of(item.get_ref()).map(|scalar| scalar.to_string());
                let scalar = scalar.ok_or_else(|| {
                    source.wrong_type(
                        "a value in `when`",
                        "a scalar",
                        item.get_ref().type_str(),
                        item.span(),
                    )
                })?;
                if !known.contains(&scalar.as_str()) {
                    return Err(source
                        .unknown("value", &scalar, &axis.name, &known, item.span())
                        .into());
                }
                values.push(scalar);
            }
            when.push((axis.name.clone(), values));
        }
        Ok(Self(when))
    }
}

/// What must, should or may be observed.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Unique in its scenario.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// Where it is written; the scenario's sources if empty.
    pub source: Vec<String>,
    /// The systems it is for; empty means all.
    pub on: Vec<SystemRange>,
    /// The cases it is for.
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
    /// Where it is written, if the scenario's sources are too wide.
    #[serde(default)]
    source: Vec<String>,
}

/// Reads one `[[claim]]`.
pub(crate) fn read<'i>(
    tree: Spanned<DeValue<'i>>,
    axes: &[Axis<'_>],
    source: &Source,
) -> Result<Claim, Box<Complaint>> {
    let span = tree.span();
    let DeValue::Table(mut table) = tree.into_inner() else {
        return Err(source
            .wrong_type("a claim", "a table `[[claim]]`", "something else", span)
            .into());
    };
    let when = table
        .remove("when")
        .map(|value| When::read(&value, axes, source))
        .transpose()?;
    let on = table
        .remove("on")
        .map(|value| read_ranges(&value, source))
        .transpose()?;
    let expect = table
        .remove("expect")
        .ok_or_else(|| source.missing("`expect`", "the claim", span.clone()))?;
    let expect = expectation::read(&expect, source)?;
    let head = read_head(table, span.clone(), source)?;
    Ok(Claim {
        id: head.id,
        level: head.level,
        source: head.source,
        on: on.unwrap_or_default(),
        when: when.unwrap_or_default(),
        expect,
        span,
    })
}

fn read_head<'i>(
    table: DeTable<'i>,
    span: Range<usize>,
    source: &Source,
) -> Result<ClaimHead, Box<Complaint>> {
    let deserializer = toml::de::Deserializer::from(Spanned::new(span.clone(), table));
    ClaimHead::deserialize(deserializer).map_err(|error| source.refused(&error, span, "claim").into())
}
