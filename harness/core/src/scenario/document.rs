//! Text → the parts of a scenario, each still knowing where it stood.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::axes::{self, Axis, NamedAxes};
use super::claim::{self, Claim};
use super::complaint::{Complaint, Source};
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

/// The keys of a scenario that serde reads; matrix, steps and claims are read from the tree.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Head {
    /// One sentence: what is done.
    pub(crate) title: String,
    /// Who is hurt if the behaviour is wrong.
    pub(crate) why: String,
    /// Where the rule is written: manual page, RFC section, `file:line`, issue.
    pub(crate) source: Vec<String>,
    /// Reports of it having been wrong, e.g. `golang/go#2830`.
    #[serde(default)]
    pub(crate) regression: Vec<String>,
    /// Capabilities the platform must have.
    #[serde(default)]
    pub(crate) requires: Vec<String>,
    /// Longest time one case may take, e.g. `15s` or `500ms`; 20 s if left out.
    #[serde(default)]
    pub(crate) budget: Option<Seconds>,
}

/// A time with its unit: `15s`, `1.5s` or `500ms`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub(crate) Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration(&text).map(Self).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "bad time `{text}`, expected for example `15s` or `500ms`"
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

/// The parts of a file, not yet held against each other.
pub(crate) struct Document<'i> {
    pub(crate) family: Family,
    pub(crate) head: Head,
    pub(crate) axes: Vec<Axis<'i>>,
    pub(crate) steps: Vec<RawStep<'i>>,
    pub(crate) claims: Vec<Claim>,
}

impl<'i> Document<'i> {
    /// Reads the file called `id` below the scenarios folder.
    pub(crate) fn read(
        id: &str,
        source: &Source,
        text: &'i str,
        named: &NamedAxes<'i>,
    ) -> Result<Self, Box<Complaint>> {
        let folder = id.split('/').next().unwrap_or_default();
        let family = Family::named(folder)
            .ok_or_else(|| source.unknown_family(folder, &Family::ALL.map(Family::name)))?;
        let tree = DeTable::parse(text).map_err(|error| source.refused(&error, 0..0, ""))?;
        let whole = tree.span();
        let mut table = tree.into_inner();
        let matrix = table.remove("matrix");
        let steps = table.remove("steps");
        let claims = table.remove("claim");
        if let Some((key, _)) = table
            .iter()
            .find(|(key, _)| !HEAD_KEYS.contains(&key.get_ref().as_ref()))
        {
            return Err(source
                .unknown("key", key.get_ref(), "", &HEAD_KEYS, key.span())
                .into());
        }
        let deserializer = toml::de::Deserializer::from(Spanned::new(whole, table));
        let head = Head::deserialize(deserializer).map_err(|error| source.refused(&error, 0..0, ""))?;
        let axes = matrix
            .map(|matrix| axes::read(&matrix, named, source))
            .transpose()?
            .unwrap_or_default();
        let steps = steps.ok_or_else(|| source.missing("`steps`", "the scenario", 0..0))?;
        let steps = items(steps, "`steps`", source)?
            .into_iter()
            .map(|step| RawStep::read(step, &axes, source))
            .collect::<Result<_, _>>()?;
        let claims = claims
            .map(|claims| items(claims, "`claim`", source))
            .transpose()?
            .unwrap_or_default();
        let claims = claims
            .into_iter()
            .map(|tree| claim::read(tree, &axes, source))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            family,
            head,
            axes,
            steps,
            claims,
        })
    }
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
