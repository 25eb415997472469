//! A step as the file has it: its keyword, the keys every step may have, and the rest still as a tree.
//!
//! The rest is given its type only when a case is closed, because `$name` may stand for a number or a
//! boolean: one set of step types then serves authors, the schema and the agent.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::axes::Axis;
use super::claim::When;
use super::complaint::{Complaint, Source};
use crate::system::SystemRange;

/// A step before the matrix is applied.
#[derive(Clone, Debug)]
pub(crate) struct RawStep<'i> {
    pub(crate) keyword: String,
    pub(crate) keyword_span: Range<usize>,
    /// The whole step as the typed vocabulary reads it: `{ keyword = { own keys } }`.
    pub(crate) tree: Spanned<DeValue<'i>>,
    pub(crate) when: When,
    pub(crate) on: Vec<SystemRange>,
    pub(crate) label: Option<String>,
}

impl<'i> RawStep<'i> {
    /// Reads one element of `steps`.
    pub(crate) fn read(
        mut tree: Spanned<DeValue<'i>>,
        axes: &[Axis<'i>],
        source: &Source,
    ) -> Result<Self, Box<Complaint>> {
        let span = tree.span();
        let found = tree.get_ref().type_str();
        let DeValue::Table(outer) = tree.get_mut() else {
            return Err(source
                .wrong_type("a step", "`{ keyword = { … } }`", found, span)
                .into());
        };
        if outer.len() != 1 {
            let found = format!("a table with {} keys", outer.len());
            return Err(source
                .wrong_type("a step", "one keyword: `{ keyword = { … } }`", &found, span)
                .into());
        }
        let (keyword, arguments) = outer.iter_mut().next().expect("a table with one key has one");
        let (keyword, keyword_span) = (keyword.get_ref().to_string(), keyword.span());
        let (found, span) = (arguments.get_ref().type_str(), arguments.span());
        let DeValue::Table(keys) = arguments.get_mut() else {
            let what = format!("the step `{keyword}`");
            return Err(source.wrong_type(&what, "a table of keys", found, span).into());
        };
        let label = keys
            .remove("label")
            .map(|value| text(&value, "`label`", source))
            .transpose()?;
        let when = keys
            .remove("when")
            .map(|value| When::read(&value, axes, source))
            .transpose()?;
        let on = keys
            .remove("on")
            .map(|value| read_ranges(&value, source))
            .transpose()?;
        Ok(Self {
            keyword,
            keyword_span,
            when: when.unwrap_or_default(),
            on: on.unwrap_or_default(),
            label,
            tree,
        })
    }
}

fn text<'i>(value: &Spanned<DeValue<'i>>, what: &str, source: &Source) -> Result<String, Box<Complaint>> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        other => Err(source
            .wrong_type(what, "a string", other.type_str(), value.span())
            .into()),
    }
}

/// Reads `on`: a system or range, or an array of them.
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
