//! What a claim says about one label: words or numbers of which any is right, or conditions on a transcript.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use super::axes::Scalar;
use super::complaint::{Complaint, Source};
use crate::observation::Observed;

/// What a claim says about one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The label.
    pub label: String,
    /// What should be seen under it.
    pub wanted: Wanted,
    pub(crate) span: Range<usize>,
}

/// What should be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Any of these words or numbers.
    AnyOf(Vec<Scalar>),
    /// A transcript with these properties.
    Exchange(Exchange),
}

/// Conditions on a transcript; all of them must hold. A line *has* a text that stands somewhere in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Exchange {
    /// The lines, each to the letter.
    pub is: Option<Vec<String>>,
    /// Texts that lines have, in this order; one line may have several.
    pub has: Vec<String>,
    /// Texts that no line has.
    pub lacks: Vec<String>,
    /// Texts of which the last line has one.
    pub last: Vec<String>,
}

impl Exchange {
    fn holds(&self, lines: &[String]) -> bool {
        let mut rest = lines;
        let in_order = self
            .has
            .iter()
            .all(|text| match rest.iter().position(|line| line.contains(text)) {
                Some(index) => {
                    rest = &rest[index..];
                    true
                }
                None => false,
            });
        let last_fits = |last: &String| self.last.iter().any(|text| last.contains(text));
        in_order
            && self.is.as_ref().is_none_or(|is| is == lines)
            && !self
                .lacks
                .iter()
                .any(|text| lines.iter().any(|line| line.contains(text)))
            && (self.last.is_empty() || lines.last().is_some_and(last_fits))
    }

    fn wording(&self) -> String {
        let mut parts = Vec::new();
        if let Some(is) = &self.is {
            parts.push(format!("exactly `{}`", is.join(" | ")));
        }
        for (word, texts) in [("has", &self.has), ("lacks", &self.lacks)] {
            parts.extend((!texts.is_empty()).then(|| format!("{word} `{}`", texts.join("`, `"))));
        }
        parts.extend((!self.last.is_empty()).then(|| format!("ends with `{}`", self.last.join("` or `"))));
        parts.join("; ")
    }
}

impl Expectation {
    /// Whether what was seen is what was expected.
    pub fn holds(&self, seen: &Observed) -> bool {
        match (&self.wanted, seen) {
            (Wanted::AnyOf(any_of), seen) => any_of.iter().any(|expected| match (expected, seen) {
                (Scalar::Text(expected), Observed::Word(word)) => expected == word,
                (Scalar::Text(expected), Observed::Transcript(lines)) => *expected == lines.join("\n"),
                (Scalar::Integer(expected), Observed::Number(number)) => expected == number,
                _ => false,
            }),
            (Wanted::Exchange(exchange), Observed::Transcript(lines)) => exchange.holds(lines),
            (Wanted::Exchange(exchange), Observed::Word(word)) => exchange.holds(std::slice::from_ref(word)),
            (Wanted::Exchange(_), Observed::Number(_) | Observed::NotReached) => false,
        }
    }

    /// `EADDRINUSE`, or `EACCES or EPERM`, or the conditions in words.
    pub fn wording(&self) -> String {
        match &self.wanted {
            Wanted::AnyOf(any_of) => any_of
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" or "),
            Wanted::Exchange(exchange) => exchange.wording(),
        }
    }

    /// Whether no observation can satisfy both, as far as that can be told without one.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        match (&self.wanted, &other.wanted) {
            (Wanted::AnyOf(one), Wanted::AnyOf(other)) => !one.iter().any(|each| other.contains(each)),
            (Wanted::Exchange(one), Wanted::Exchange(other)) => {
                let clash = |one: &Exchange, other: &Exchange| {
                    one.has
                        .iter()
                        .any(|text| other.lacks.iter().any(|lacked| text.contains(lacked)))
                };
                clash(one, other) || clash(other, one)
            }
            _ => false,
        }
    }
}

/// Reads the table `expect`.
pub(super) fn read<'i>(
    value: &Spanned<DeValue<'i>>,
    source: &Source,
) -> Result<Vec<Expectation>, Box<Complaint>> {
    let DeValue::Table(entries) = value.get_ref() else {
        let found = value.get_ref().type_str();
        return Err(source
            .wrong_type("`expect`", "a table of labels", found, value.span())
            .into());
    };
    if entries.is_empty() {
        return Err(source.empty("`expect`", value.span()).into());
    }
    entries
        .iter()
        .map(|(label, wanted)| {
            let wanted = read_wanted(wanted, source)?;
            Ok(Expectation {
                label: label.get_ref().to_string(),
                wanted,
                span: label.span(),
            })
        })
        .collect()
}

fn read_wanted<'i>(wanted: &Spanned<DeValue<'i>>, source: &Source) -> Result<Wanted, Box<Complaint>> {
    match wanted.get_ref() {
        DeValue::Array(items) if items.is_empty() => {
            Err(source.empty("the expectation", wanted.span()).into())
        }
        DeValue::Array(items) => items
            .iter()
            .map(|item| read_scalar(item, source))
            .collect::<Result<_, _>>()
            .map(Wanted::AnyOf),
        DeValue::Table(_) => {
            let tree = toml::de::ValueDeserializer::from(wanted.clone());
            let exchange = Exchange::deserialize(tree);
            let exchange = exchange.map_err(|error| source.refused(&error, wanted.span(), "expect"))?;
            if exchange == Exchange::default() {
                return Err(source.empty("the expectation", wanted.span()).into());
            }
            Ok(Wanted::Exchange(exchange))
        }
        _ => Ok(Wanted::AnyOf(vec![read_scalar(wanted, source)?])),
    }
}

fn read_scalar(item: &Spanned<DeValue<'_>>, source: &Source) -> Result<Scalar, Box<Complaint>> {
    let expected = "a word, a number, an array of them, or conditions on a transcript";
    Scalar::of(item.get_ref()).ok_or_else(|| {
        source
            .wrong_type("an expectation", expected, item.get_ref().type_str(), item.span())
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(exchange: &str, lines: &[&str]) -> bool {
        let exchange: Exchange = toml::from_str(exchange).unwrap();
        exchange.holds(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn texts_must_stand_in_their_order() {
        let lines = ["< 200 close", "< FIN"];
        assert!(holds("has = ['200', 'close', 'FIN']", &lines));
        assert!(!holds("has = ['FIN', '200']", &lines));
    }

    #[test]
    fn what_is_lacked_stands_nowhere_and_the_last_line_is_the_last() {
        let lines = ["< 200 close", "< FIN"];
        assert!(holds("lacks = ['keep-alive']\nlast = ['RST', 'FIN']", &lines));
        assert!(!holds("lacks = ['close']", &lines));
        assert!(!holds("last = ['200']", &lines));
        assert!(!holds("is = ['< 200 close']", &lines));
    }
}
