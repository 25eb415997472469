//! A step as the file has it: its keyword, the keys common to all steps (`label`, `when`, `on`), and its own keys as an
//! untyped tree.
//!
//! [`crate::expand`] gives the tree its type case by case, after it has replaced every `$name`. A name may stand for a
//! number or a boolean, so a typed step could not hold it. In this way authors, the schema and the agent share one set
//! of step types.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::axes::Matrix;
use super::complaint::{Complaints, Source};
use super::condition::{When, read_ranges, text};
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
    /// Whether `when`, `on` and `label` are right. If not, it is unknown which cases have this step.
    pub(crate) is_readable: bool,
}

impl<'i> RawStep<'i> {
    /// Reads one element of `steps`; `None` if it has not one keyword.
    pub(crate) fn read(
        mut tree: Spanned<DeValue<'i>>,
        matrix: &Matrix<'i>,
        source: &Source,
        complaints: &mut Complaints,
    ) -> Option<Self> {
        let span = tree.span();
        let found = tree.get_ref().type_str();
        let DeValue::Table(outer) = tree.get_mut() else {
            let expected = "`{ keyword = { … } }`";
            complaints
                .0
                .push(source.wrong_type("a step", expected, found, span));
            return None;
        };
        if outer.len() != 1 {
            complaints.0.push(source.keyword_count(outer.len(), span));
            return None;
        }
        let (keyword, arguments) = outer.iter_mut().next().expect("a table with one key has one");
        let (keyword, keyword_span) = (keyword.get_ref().to_string(), keyword.span());
        let (found, span) = (arguments.get_ref().type_str(), arguments.span());
        let (label, when, on) = match arguments.get_mut() {
            DeValue::Table(keys) => (keys.remove("label"), keys.remove("when"), keys.remove("on")),
            // `control = "shutdown"`: a step that is one word has no keys.
            DeValue::String(_) => (None, None, None),
            _ => {
                let what = format!("the step `{keyword}`");
                complaints
                    .0
                    .push(source.wrong_type(&what, "a table of keys", found, span));
                return None;
            }
        };
        let label = label.map(|value| complaints.keep(text(&value, "`label`", source)));
        let when = when.map(|value| When::read(&value, matrix, source, complaints));
        let on = on.map(|value| complaints.keep(read_ranges(&value, source)));
        let is_readable = label != Some(None) && when != Some(None) && on != Some(None);
        Some(Self {
            keyword,
            keyword_span,
            tree,
            when: when.flatten().unwrap_or_default(),
            on: on.flatten().unwrap_or_default(),
            label: label.flatten(),
            is_readable,
        })
    }

    /// Whether the step's own keys name the axis, as `$axis` or `$axis.field`.
    pub(crate) fn names(&self, axis: &str) -> bool {
        names(&self.tree, axis)
    }
}

/// Whether the text has `$axis` or `$axis.field` in it.
pub(crate) fn text_names(text: &str, axis: &str) -> bool {
    let mut names = text.split('$').skip(1).map(name_at);
    names.any(|name| name.split('.').next() == Some(axis))
}

fn names(tree: &Spanned<DeValue<'_>>, axis: &str) -> bool {
    match tree.get_ref() {
        DeValue::String(text) => text_names(text, axis),
        DeValue::Table(table) => table.iter().any(|(_, value)| names(value, axis)),
        DeValue::Array(items) => items.iter().any(|item| names(item, axis)),
        _ => false,
    }
}

/// The longest name at the start of the text: letters, digits, hyphens, and one dot before a field.
pub(super) fn name_at(text: &str) -> &str {
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
