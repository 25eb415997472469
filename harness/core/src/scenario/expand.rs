//! Expands a document into its cases: one case for each combination of axis values.
//!
//! No other module multiplies cases; all code after this module handles one case at a time. The first axis of the file
//! varies slowest, which is also the order of rows in a snapshot. Combinations that a platform does not support stay:
//! their rows say `unsupported`, where a missing row would look like a mistake in the table.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::axes::{Axis, AxisValue, Scalar};
use super::raw_step::{RawStep, name_at, text_names};
use super::{Complaint, Complaints, Document, Source};
use crate::case::{Case, CaseKey, DEFAULT_BUDGET, Steps};
use crate::family::Family;
use crate::step::Step;
use crate::step::endpoint::LEASED_PORTS;

/// One value of every axis.
type Point<'d, 'i> = Vec<(&'d Axis<'i>, &'d AxisValue<'i>)>;

/// All cases of a document. Wrong steps and words of `requires` are left out, each with one complaint.
pub(super) fn expand(
    id: &str,
    document: &Document<'_>,
    source: &Source,
    complaints: &mut Complaints,
) -> Vec<Case> {
    let unreadable = &document.matrix.unreadable;
    let is_checkable =
        |step: &&RawStep<'_>| step.is_readable && !unreadable.iter().any(|axis| step.names(axis));
    let mut steps: Vec<_> = document.steps.iter().filter(is_checkable).collect();
    let mut requires: Vec<_> = document.head.requires.iter().collect();
    requires.retain(|word| !unreadable.iter().any(|axis| text_names(word, axis)));
    let budget = document.head.budget.map_or(DEFAULT_BUDGET, |seconds| seconds.0);
    let budget_ms = u64::try_from(budget.as_millis()).unwrap_or(u64::MAX);
    let close = |point: Point<'_, '_>| {
        let values = point
            .iter()
            .map(|(axis, value)| (axis.name.clone(), value.name.clone()))
            .collect();
        let key = CaseKey {
            scenario: id.to_owned(),
            values,
        };
        let steps = match document.family {
            Family::PortReuse => Steps::PortReuse(close_steps(&mut steps, &key, &point, source, complaints)),
            Family::Fastcgi => Steps::Fastcgi(close_steps(&mut steps, &key, &point, source, complaints)),
            Family::Http => Steps::Http(close_steps(&mut steps, &key, &point, source, complaints)),
            Family::Keepalive => Steps::Keepalive(close_steps(&mut steps, &key, &point, source, complaints)),
        };
        let mut required = Vec::new();
        requires.retain(|word| {
            let word = complaints.keep(close_required(word, &point, source));
            required.extend(word.clone());
            word.is_some()
        });
        Case {
            key,
            requires: required,
            budget_ms,
            steps,
        }
    };
    points(&document.matrix.axes).into_iter().map(close).collect()
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

/// A word of `requires`. It may name an axis (`$at.family`), so that the IPv4 rows of a table run on a machine without
/// IPv6.
fn close_required(word: &str, point: &Point<'_, '_>, source: &Source) -> Result<String, Box<Complaint>> {
    let value = replace(word, point, &(0..0), source)?;
    let scalar = Scalar::of(&value)
        .ok_or_else(|| source.wrong_type("a word of `requires`", "a string", value.type_str(), 0..0))?;
    Ok(scalar.to_string())
}

/// The steps of a case. A wrong step is complained about and removed from `steps`, so that it yields one complaint and
/// not one a case.
fn close_steps<A: DeserializeOwned>(
    steps: &mut Vec<&RawStep<'_>>,
    key: &CaseKey,
    point: &Point<'_, '_>,
    source: &Source,
    complaints: &mut Complaints,
) -> Vec<Step<A>> {
    let mut closed: Vec<Step<A>> = Vec::new();
    steps.retain(|raw| {
        if !raw.when.admits(key) {
            return true;
        }
        let is_duplicate = raw.label.is_some() && closed.iter().any(|step| step.label == raw.label);
        let step = match &raw.label {
            Some(label) if is_duplicate => Err(source
                .duplicate("the label", label, raw.keyword_span.clone())
                .into()),
            Some(_) | None => close_step(raw, point, source),
        };
        complaints.keep(step).map(|step| closed.push(step)).is_some()
    });
    closed
}

fn close_step<A: DeserializeOwned>(
    raw: &RawStep<'_>,
    point: &Point<'_, '_>,
    source: &Source,
) -> Result<Step<A>, Box<Complaint>> {
    let tree = substitute(&raw.tree, point, source)?;
    let action = A::deserialize(toml::de::ValueDeserializer::from(tree))
        .map_err(|error| source.refused(&error, raw.keyword_span.clone(), &raw.keyword))?;
    Ok(Step {
        label: raw.label.clone(),
        on: raw.on.clone(),
        action,
    })
}

/// The tree with every `$name` replaced. Spans do not change, so errors still point into the file.
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

/// Replaces the names in a string. A string that is only a name gets the value with its type; in a longer string the
/// value becomes text.
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
