//! The conditions of a step or a claim: `when`, by axis values, and `on`, by systems.

use toml::Spanned;
use toml::de::DeValue;

use super::axes::{Axis, Matrix, Scalar};
use super::complaint::{Complaint, Complaints, Source};
use crate::case::CaseKey;
use crate::system::SystemRange;

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

/// Reads `on`: a range of a system's versions, or an array of ranges.
pub(crate) fn read_ranges<'i>(
    value: &Spanned<DeValue<'i>>,
    source: &Source,
) -> Result<Vec<SystemRange>, Box<Complaint>> {
    let one = |item: &Spanned<DeValue<'i>>| {
        let range = text(item, "`on`", source)?;
        range
            .parse()
            .map_err(|message| Box::new(source.bad_range(message, item.span())))
    };
    match value.get_ref() {
        DeValue::Array(items) => items.iter().map(one).collect(),
        _ => Ok(vec![one(value)?]),
    }
}

pub(super) fn text<'i>(
    value: &Spanned<DeValue<'i>>,
    what: &str,
    source: &Source,
) -> Result<String, Box<Complaint>> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        other => Err(source
            .wrong_type(what, "a string", other.type_str(), value.span())
            .into()),
    }
}
