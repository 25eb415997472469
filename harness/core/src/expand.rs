//! Expands a document into its cases: one case for each combination of axis values.
//!
//! No other module multiplies cases; all modules after this one handle one case at a time. The first axis of the file
//! varies slowest, which is also the order of the rows in a snapshot. Combinations that a platform does not support are
//! kept: a missing row would look like an error in the table, while a row `unsupported` names the platform's limit.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeString, DeValue};

use crate::case::{Case, CaseKey, DEFAULT_BUDGET, Steps};
use crate::family::Family;
use crate::scenario::axes::{Axis, AxisValue, Scalar};
use crate::scenario::raw_step::RawStep;
use crate::scenario::{Complaint, Document, Source};
use crate::step::Step;
use crate::step::endpoint::LEASED_PORTS;

/// One value of every axis.
type Point<'d, 'i> = Vec<(&'d Axis<'i>, &'d AxisValue<'i>)>;

/// All cases of a document.
pub(crate) fn expand(
    id: &str,
    document: &Document<'_>,
    source: &Source,
) -> Result<Vec<Case>, Box<Complaint>> {
    points(&document.axes)
        .into_iter()
        .map(|point| close(id, document, &point, source))
        .collect()
}

fn points<'d, 'i>(axes: &'d [Axis<'i>]) -> Vec<Point<'d, 'i>> {
    let mut points: Vec<Point<'d, 'i>> = vec![Vec::new()];
    for axis in axes {
        let longer = |point: Point<'d, 'i>| {
            axis.values
                .iter()
                .map(move |value| point.iter().copied().chain([(axis, value)]).collect())
        };
        points = points.into_iter().flat_map(longer).collect();
    }
    points
}

fn close(
    id: &str,
    document: &Document<'_>,
    point: &Point<'_, '_>,
    source: &Source,
) -> Result<Case, Box<Complaint>> {
    let values = point
        .iter()
        .map(|(axis, value)| (axis.name.clone(), value.name.clone()))
        .collect();
    let key = CaseKey {
        scenario: id.to_owned(),
        values,
    };
    let steps: Vec<_> = document
        .steps
        .iter()
        .filter(|step| step.when.admits(&key))
        .collect();
    for (index, step) in steps.iter().enumerate() {
        let twice = steps[..index]
            .iter()
            .any(|earlier| earlier.label.is_some() && earlier.label == step.label);
        if let (true, Some(label)) = (twice, &step.label) {
            return Err(source
                .duplicate("the label", label, step.keyword_span.clone())
                .into());
        }
    }
    let steps = match document.family {
        Family::PortReuse => Steps::PortReuse(close_steps(&steps, point, source)?),
        Family::Fastcgi => Steps::Fastcgi(close_steps(&steps, point, source)?),
        Family::Http => Steps::Http(close_steps(&steps, point, source)?),
        Family::Keepalive => Steps::Keepalive(close_steps(&steps, point, source)?),
    };
    let requires = document.head.requires.iter();
    let requires = requires
        .map(|word| required(word, point, source))
        .collect::<Result<_, _>>()?;
    let budget = document.head.budget.map_or(DEFAULT_BUDGET, |seconds| seconds.0);
    let budget_ms = u64::try_from(budget.as_millis()).unwrap_or(u64::MAX);
    Ok(Case {
        key,
        requires,
        budget_ms,
        steps,
    })
}

/// One capability of `requires`. It may contain a name of the matrix (`$at.family`), so that the IPv4 rows of a table
/// run on platforms without IPv6.
fn required(word: &str, point: &Point<'_, '_>, source: &Source) -> Result<String, Box<Complaint>> {
    let value = replace(word, point, &(0..0), source)?;
    let scalar = Scalar::of(&value)
        .ok_or_else(|| source.wrong_type("a word of `requires`", "a string", value.type_str(), 0..0))?;
    Ok(scalar.to_string())
}

fn close_steps<A: DeserializeOwned>(
    steps: &[&RawStep<'_>],
    point: &Point<'_, '_>,
    source: &Source,
) -> Result<Vec<Step<A>>, Box<Complaint>> {
    steps
        .iter()
        .map(|raw| {
            let tree = substitute(&raw.tree, point, source)?;
            let action = A::deserialize(toml::de::ValueDeserializer::from(tree))
                .map_err(|error| source.refused(&error, raw.keyword_span.clone(), &raw.keyword))?;
            Ok(Step {
                label: raw.label.clone(),
                on: raw.on.clone(),
                action,
            })
        })
        .collect()
}

/// The tree with every `$name` replaced. The spans remain those of the text, so that errors point into the file.
fn substitute<'i>(
    tree: &Spanned<DeValue<'i>>,
    point: &Point<'_, 'i>,
    source: &Source,
) -> Result<Spanned<DeValue<'i>>, Box<Complaint>> {
    let span = tree.span();
    let value = match tree.get_ref() {
        DeValue::String(text) if text.contains('$') => replace(text, point, &span, source)?,
        DeValue::Table(table) => {
            let entries = table
                .iter()
                .map(|(key, value)| Ok((key.clone(), substitute(value, point, source)?)))
                .collect::<Result<_, Box<Complaint>>>()?;
            DeValue::Table(entries)
        }
        DeValue::Array(items) => {
            let mut array = toml::de::DeArray::new();
            for item in items.iter() {
                array.push(substitute(item, point, source)?);
            }
            DeValue::Array(array)
        }
        other => other.clone(),
    };
    Ok(Spanned::new(span, value))
}

/// Replaces the names in a string. A string that is one name gets the type of its value; a name inside a longer string
/// becomes text.
fn replace<'i>(
    text: &str,
    point: &Point<'_, 'i>,
    span: &Range<usize>,
    source: &Source,
) -> Result<DeValue<'i>, Box<Complaint>> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        result.push_str(&rest[..start]);
        let name = name_at(&rest[start + 1..]);
        rest = &rest[start + 1 + name.len()..];
        if LEASED_PORTS.contains(&name) {
            result.push('$');
            result.push_str(name);
            continue;
        }
        let value = look_up(name, point).ok_or_else(|| {
            let known = known_names(point);
            source.undefined_name(name, &known, span.clone())
        })?;
        if name.len() + 1 == text.len() {
            return Ok(value.clone());
        }
        let what = format!("`${name}` inside a string");
        let scalar = Scalar::of(value)
            .ok_or_else(|| source.wrong_type(&what, "a scalar", value.type_str(), span.clone()))?;
        result.push_str(&scalar.to_string());
    }
    result.push_str(rest);
    Ok(DeValue::String(DeString::from(result)))
}

/// The longest name at the start of the text: letters, digits, hyphens, and one dot before a field.
pub(crate) fn name_at(text: &str) -> &str {
    let word = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        end.unwrap_or(text.len())
    };
    let axis = word(text);
    match text[axis..].strip_prefix('.').map(word) {
        Some(field) if field > 0 && axis > 0 => &text[..axis + 1 + field],
        _ => &text[..axis],
    }
}

fn look_up<'p, 'i>(name: &str, point: &'p Point<'_, 'i>) -> Option<&'p DeValue<'i>> {
    let (axis, field) = match name.split_once('.') {
        Some((axis, field)) => (axis, Some(field)),
        None => (name, None),
    };
    point.iter().find(|(each, _)| each.name == axis)?.1.get(field)
}

fn known_names(point: &Point<'_, '_>) -> Vec<String> {
    let mut names = Vec::new();
    for (axis, value) in point {
        names.push(format!("${}", axis.name));
        names.extend(
            value
                .fields
                .iter()
                .map(|(field, _)| format!("${}.{field}", axis.name)),
        );
    }
    names.extend(LEASED_PORTS.iter().map(|port| format!("${port}")));
    names
}
