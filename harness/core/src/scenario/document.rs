//! Reads the text of a scenario file into its parts: head, axes, steps and claims. Each part keeps its position in
//! the file.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::axes::{self, Matrix, NamedAxes};
use super::claim::{self, Claim};
use super::complaint::{Complaint, Complaints, Source};
use super::raw_step::RawStep;
use crate::duration::parse_duration;
use crate::family::Family;

/// The keys of a scenario, in the order a file has them.
pub(crate) const HEAD_KEYS: [&str; 9] = [
    "title",
    "why",
    "source",
    "regression",
    "requires",
    "budget",
    "matrix",
    "steps",
    "claim",
];

/// The keys that come before the matrix.
#[derive(schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Head {
    /// One sentence: what is done.
    pub(crate) title: String,
    /// Which users are affected if the behaviour is wrong.
    pub(crate) why: String,
    /// Where the rule is written: manual page, RFC section, `file:line`, issue.
    pub(crate) source: Vec<String>,
    /// Reports of bugs in this behaviour, e.g. `golang/go#2830`.
    #[serde(default)]
    pub(crate) regression: Vec<String>,
    /// Capabilities that the platform must have.
    #[serde(default)]
    pub(crate) requires: Vec<String>,
    /// Longest time that one case may take, e.g. `15s`, `1.5s` or `500ms`; 20 s if omitted.
    #[serde(default)]
    pub(crate) budget: Option<Seconds>,
}

/// A duration with its unit: `15s`, `1.5s` or `500ms`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub(crate) Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration(&text).map(Self).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "invalid duration `{text}`, expected for example `15s` or `500ms`"
            ))
        })
    }
}

impl schemars::JsonSchema for Seconds {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s)$" })
    }
}

/// The parts of a scenario file, before they are compared with each other.
pub(crate) struct Document<'i> {
    pub(crate) family: Family,
    pub(crate) head: Head,
    pub(crate) matrix: Matrix<'i>,
    pub(crate) steps: Vec<RawStep<'i>>,
    /// Whether `steps` has every step of the file. If not, a label may belong to one of the others.
    pub(crate) has_all_steps: bool,
    pub(crate) claims: Vec<Claim>,
}

impl<'i> Document<'i> {
    /// Reads the file whose path below the scenarios folder is `id`. Parts with a mistake are left out and complained
    /// about; `None` if no part can be read.
    pub(crate) fn read(
        id: &str,
        source: &Source,
        text: &'i str,
        named: &NamedAxes<'i>,
        complaints: &mut Complaints,
    ) -> Option<Self> {
        let folder = id.split('/').next().unwrap_or_default();
        let family = Family::named(folder).ok_or_else(|| {
            source
                .unknown_family(folder, &Family::ALL.map(Family::name))
                .into()
        });
        let family = complaints.keep(family)?;
        let tree = DeTable::parse(text).map_err(|error| source.refused(&error, 0..0, "").into());
        let mut table = complaints.keep(tree)?.into_inner();
        let unknown = table
            .keys()
            .filter(|key| !HEAD_KEYS.contains(&key.get_ref().as_ref()));
        let unknown = unknown.map(|key| source.unknown("key", key.get_ref(), "", &HEAD_KEYS, key.span()));
        complaints.0.extend(unknown);
        let head = Head {
            title: required(&mut table, "title", source, complaints),
            why: required(&mut table, "why", source, complaints),
            source: required(&mut table, "source", source, complaints),
            regression: optional(&mut table, "regression", source, complaints),
            requires: optional(&mut table, "requires", source, complaints),
            budget: optional(&mut table, "budget", source, complaints),
        };
        let matrix = match table.remove("matrix") {
            Some(matrix) => read_matrix(&matrix, named, source, complaints)?,
            None => Matrix::default(),
        };
        let trees = match table.remove("steps") {
            Some(steps) => complaints.keep(items(steps, "`steps`", source)),
            None => complaints.keep(Err(source.missing("`steps`", "the scenario", 0..0).into())),
        };
        let trees = trees.unwrap_or_default();
        let count = trees.len();
        let steps: Vec<_> = trees
            .into_iter()
            .filter_map(|step| RawStep::read(step, &matrix, source, complaints))
            .collect();
        let claims = table
            .remove("claim")
            .map(|claims| items(claims, "`claim`", source));
        let claims = claims
            .and_then(|claims| complaints.keep(claims))
            .unwrap_or_default();
        let claims = claims
            .into_iter()
            .filter_map(|tree| claim::read(tree, &matrix, source, complaints))
            .collect();
        Some(Self {
            family,
            head,
            matrix,
            has_all_steps: count > 0 && steps.len() == count,
            steps,
            claims,
        })
    }
}

fn required<T: DeserializeOwned + Default>(
    table: &mut DeTable<'_>,
    key: &str,
    source: &Source,
    complaints: &mut Complaints,
) -> T {
    if !table.contains_key(key) {
        let missing = source.missing(&format!("`{key}`"), "the scenario", 0..0);
        complaints.0.push(missing);
    }
    optional(table, key, source, complaints)
}

fn optional<T: DeserializeOwned + Default>(
    table: &mut DeTable<'_>,
    key: &str,
    source: &Source,
    complaints: &mut Complaints,
) -> T {
    let read = |value: Spanned<DeValue<'_>>| {
        let span = value.span();
        let value = T::deserialize(toml::de::ValueDeserializer::from(value));
        value.map_err(|error| source.refused(&error, span, key).into())
    };
    let value = table.remove(key).map(read);
    value.and_then(|value| complaints.keep(value)).unwrap_or_default()
}

/// Reads axis by axis, so that each wrong axis gets its complaint.
fn read_matrix<'i>(
    table: &Spanned<DeValue<'i>>,
    named: &NamedAxes<'i>,
    source: &Source,
    complaints: &mut Complaints,
) -> Option<Matrix<'i>> {
    let DeValue::Table(entries) = table.get_ref() else {
        let found = table.get_ref().type_str();
        let complaint = source.wrong_type("`matrix`", "a table of axes", found, table.span());
        complaints.0.push(complaint);
        return None;
    };
    let mut matrix = Matrix::default();
    for (name, values) in entries {
        match complaints.keep(axes::read(name, values, named, source)) {
            Some(axis) => matrix.axes.push(axis),
            None => matrix.unreadable.push(name.get_ref().to_string()),
        }
    }
    Some(matrix)
}

fn items<'i>(
    value: Spanned<DeValue<'i>>,
    what: &str,
    source: &Source,
) -> Result<Vec<Spanned<DeValue<'i>>>, Box<Complaint>> {
    let span = value.span();
    match value.into_inner() {
        DeValue::Array(items) if items.is_empty() => Err(source.empty(what, span).into()),
        DeValue::Array(items) => Ok(items.into_iter().collect()),
        other => Err(source.wrong_type(what, "an array", other.type_str(), span).into()),
    }
}
