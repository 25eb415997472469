//! The matrix: axes in the file's order, each with named values.
//!
//! A value is a scalar, or a *row*: an inline table with a `name` and further fields, so that things which
//! belong together (a pair of addresses) vary together: `$pair.first`. Without rows, two addresses would be
//! two axes and most of their product nonsense.

use std::fmt;

use serde::Serialize;
use toml::Spanned;
use toml::de::DeValue;

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
    /// The scalar a value is, if it is one.
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

/// Reads the table `matrix`.
pub(crate) fn read<'i>(
    table: &Spanned<DeValue<'i>>,
    source: &Source,
) -> Result<Vec<Axis<'i>>, Box<Complaint>> {
    let DeValue::Table(entries) = table.get_ref() else {
        let found = table.get_ref().type_str();
        return Err(source
            .wrong_type("`matrix`", "a table of axes", found, table.span())
            .into());
    };
    let mut axes = Vec::new();
    for (name, values) in entries {
        let DeValue::Array(items) = values.get_ref() else {
            let what = format!("the axis `{}`", name.get_ref());
            let found = values.get_ref().type_str();
            return Err(source
                .wrong_type(&what, "an array of values", found, values.span())
                .into());
        };
        let name_text = name.get_ref().to_string();
        if items.is_empty() {
            return Err(source
                .empty(&format!("the axis `{name_text}`"), values.span())
                .into());
        }
        let mut axis = Axis {
            name: name_text,
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
        axes.push(axis);
    }
    Ok(axes)
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
