//! The matrix: axes in the file's order, each with named values.
//!
//! A value is a scalar, or a *row*: an inline table with a `name` and further fields. The fields of a row vary
//! together, for example two addresses that form a pair: `$pair.first`. As two axes they would also produce
//! all the combinations that make no sense.
//!
//! An axis may also name a list of values that several files share: `matrix.old = "@reuse-options"`. The lists
//! are defined in one file, [`NamedAxes`]. The name is replaced here, so cases and snapshots contain only values.

use std::fmt;

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::complaint::{Complaint, Source};

/// A value in a matrix or an expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A string.
    Text(String),
    /// An integer.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
}

impl Scalar {
    /// The value as a scalar; `None` for a table, an array, a float or a date.
    pub(crate) fn of(value: &DeValue<'_>) -> Option<Self> {
        match value {
            DeValue::String(text) => Some(Self::Text(text.to_string())),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .ok()
                .map(Self::Integer),
            DeValue::Boolean(truth) => Some(Self::Boolean(*truth)),
            _ => None,
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(truth) => write!(f, "{truth}"),
        }
    }
}

impl Serialize for Scalar {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Boolean(truth) => serializer.serialize_bool(*truth),
        }
    }
}

/// The axes of a scenario.
#[derive(Default)]
pub(crate) struct Matrix<'i> {
    pub(crate) axes: Vec<Axis<'i>>,
    /// Names of axes with a mistake. Steps and claims that use one cannot be checked.
    pub(crate) unreadable: Vec<String>,
}

/// One dimension of the matrix.
#[derive(Clone, Debug)]
pub(crate) struct Axis<'i> {
    /// Its name.
    pub(crate) name: String,
    /// Its values, in the file's order.
    pub(crate) values: Vec<AxisValue<'i>>,
    pub(crate) span: std::ops::Range<usize>,
}

/// One value on an axis.
#[derive(Clone, Debug)]
pub(crate) struct AxisValue<'i> {
    /// What the value is called in case ids, snapshots and `when`.
    pub(crate) name: String,
    /// What `$axis` stands for.
    pub(crate) itself: DeValue<'i>,
    /// What `$axis.field` stands for.
    pub(crate) fields: Vec<(String, DeValue<'i>)>,
}

impl<'i> AxisValue<'i> {
    /// The value `$axis` (`None`) or `$axis.field` stands for.
    pub(crate) fn get(&self, field: Option<&str>) -> Option<&DeValue<'i>> {
        match field {
            None => Some(&self.itself),
            Some(field) => self
                .fields
                .iter()
                .find(|(name, _)| name == field)
                .map(|(_, value)| value),
        }
    }
}

/// Lists of axis values by name: the file `axes.toml` beside the families' folders.
#[derive(Clone, Debug, Default)]
pub struct NamedAxes<'t> {
    axes: Vec<Axis<'t>>,
}

impl<'t> NamedAxes<'t> {
    /// Reads the definitions: a table whose keys are names and whose values are arrays, as in `matrix`.
    ///
    /// `file` is the path that error messages print.
    ///
    /// # Errors
    /// The first mistake. Fields of rows must be scalars here: the spans of nested values would point into the
    /// text of the scenario that uses the list instead of into this file.
    pub fn parse(file: &str, bytes: &'t [u8]) -> Result<Self, Box<Complaint>> {
        let source = Source::read(file, bytes)?;
        let text = std::str::from_utf8(bytes).expect("`Source::read` refuses bytes that are not UTF-8");
        let tree = DeTable::parse(text).map_err(|error| source.refused(&error, 0..0, ""))?;
        let mut axes = Vec::new();
        for (name, values) in tree.get_ref() {
            let axis = read_axis(name, values, &source)?;
            let mut fields = axis.values.iter().flat_map(|value| &value.fields);
            if let Some((field, value)) = fields.find(|(_, value)| Scalar::of(value).is_none()) {
                let what = format!("the field `{field}` of `{}`", axis.name);
                return Err(source
                    .wrong_type(&what, "a scalar", value.type_str(), values.span())
                    .into());
            }
            axes.push(axis);
        }
        Ok(Self { axes })
    }
}

/// Reads one axis of a scenario: an array of values, or `"@NAME"` for the list of that name.
pub(crate) fn read<'i>(
    name: &Spanned<DeString<'i>>,
    values: &Spanned<DeValue<'i>>,
    named: &NamedAxes<'i>,
    source: &Source,
) -> Result<Axis<'i>, Box<Complaint>> {
    let Some(definition) = values.get_ref().as_str().and_then(|text| text.strip_prefix('@')) else {
        return read_axis(name, values, source);
    };
    let Some(axis) = named.axes.iter().find(|axis| axis.name == definition) else {
        let known: Vec<_> = named.axes.iter().map(|axis| axis.name.as_str()).collect();
        return Err(source
            .unknown("named axis", definition, "", &known, values.span())
            .into());
    };
    Ok(Axis {
        name: name.get_ref().to_string(),
        values: axis.values.clone(),
        span: name.span(),
    })
}

fn read_axis<'i>(
    name: &Spanned<DeString<'i>>,
    values: &Spanned<DeValue<'i>>,
    source: &Source,
) -> Result<Axis<'i>, Box<Complaint>> {
    let what = format!("the axis `{}`", name.get_ref());
    let DeValue::Array(items) = values.get_ref() else {
        let found = values.get_ref().type_str();
        return Err(source
            .wrong_type(&what, "an array of values", found, values.span())
            .into());
    };
    if items.is_empty() {
        return Err(source.empty(&what, values.span()).into());
    }
    let mut axis = Axis {
        name: name.get_ref().to_string(),
        values: Vec::new(),
        span: name.span(),
    };
    for item in items {
        let value = read_value(&axis.name, item, source)?;
        if axis.values.iter().any(|earlier| earlier.name == value.name) {
            return Err(source.duplicate("the value", &value.name, item.span()).into());
        }
        axis.values.push(value);
    }
    Ok(axis)
}

fn read_value<'i>(
    axis: &str,
    item: &Spanned<DeValue<'i>>,
    source: &Source,
) -> Result<AxisValue<'i>, Box<Complaint>> {
    if let Some(scalar) = Scalar::of(item.get_ref()) {
        return Ok(AxisValue {
            name: scalar.to_string(),
            itself: item.get_ref().clone(),
            fields: Vec::new(),
        });
    }
    let what = format!("a value of the axis `{axis}`");
    let DeValue::Table(row) = item.get_ref() else {
        let found = item.get_ref().type_str();
        return Err(source
            .wrong_type(&what, "a scalar, or a row with a `name`", found, item.span())
            .into());
    };
    let mut fields = Vec::new();
    let mut name = None;
    for (key, value) in row {
        match (key.get_ref().as_ref(), Scalar::of(value.get_ref())) {
            ("name", Some(scalar)) => name = Some((scalar.to_string(), value.get_ref().clone())),
            (_, _) => fields.push((key.get_ref().to_string(), value.get_ref().clone())),
        }
    }
    let (name, itself) = name.ok_or_else(|| source.missing("`name`", &what, item.span()))?;
    Ok(AxisValue { name, itself, fields })
}
