//! What a claim expects under one label: one of several words or numbers, a connection's behaviour over time, or
//! conditions on a transcript.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use super::axes::Scalar;
use super::complaint::{Complaint, Complaints, Source};
use crate::observation::Observed;
use crate::timing::{TimedExpectation, timed_expectation};

/// What a claim expects under one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The label.
    pub label: String,
    /// The expected observation.
    pub wanted: Wanted,
    pub(crate) span: Range<usize>,
}

/// The expected observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Any of these words or numbers.
    AnyOf(Vec<Scalar>),
    /// A connection's behaviour over time, judged within the platform's tolerance.
    Timed(TimedExpectation),
    /// A transcript that meets any of these sets of conditions.
    Exchange(Vec<Exchange>),
}

/// Conditions on the received lines of a transcript; all of them must hold. Sent lines (`> …`) are ignored. A line *has* a
/// text if it contains the text; a text that begins with `<` must be at the start of the line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Exchange {
    /// The exact lines.
    pub is: Option<Vec<String>>,
    /// Texts that the lines have, in this order. One line may have several of them, but only one that begins with `<`.
    pub has: Vec<String>,
    /// Texts that no line has.
    pub lacks: Vec<String>,
    /// Texts of which the last line must have at least one.
    pub last: Vec<String>,
}

impl Exchange {
    fn holds(&self, lines: &[String]) -> bool {
        let lines: Vec<&String> = lines.iter().filter(|line| !line.starts_with('>')).collect();
        let last_fits = |last: &&String| self.last.iter().any(|text| last.contains(text));
        self.has_in_order(&lines)
            && self
                .is
                .as_ref()
                .is_none_or(|is| is.iter().eq(lines.iter().copied()))
            && !self
                .lacks
                .iter()
                .any(|text| lines.iter().any(|line| line.contains(text)))
            && (self.last.is_empty() || lines.last().is_some_and(last_fits))
    }

    fn has_in_order(&self, lines: &[&String]) -> bool {
        // The line in which the previous text was found, and whether a text was found at that line's start.
        let (mut at, mut is_begun) = (0, false);
        self.has.iter().all(|text| {
            let begins = text.starts_with('<');
            let from = at + usize::from(begins && is_begun);
            let fits = |line: &&String| {
                if begins {
                    line.starts_with(text)
                } else {
                    line.contains(text)
                }
            };
            let found = lines.get(from..).and_then(|rest| rest.iter().position(fits));
            found.is_some_and(|offset| {
                is_begun = begins || (is_begun && offset == 0);
                at = from + offset;
                true
            })
        })
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
    /// Whether the observation meets the expectation. Timed expectations are judged by [`crate::timing`] and yield
    /// `false` here.
    pub fn holds(&self, seen: &Observed) -> bool {
        match (&self.wanted, seen) {
            (Wanted::AnyOf(any_of), seen) => any_of.iter().any(|expected| equals(expected, seen)),
            (Wanted::Exchange(any_of), Observed::Transcript(lines)) => {
                any_of.iter().any(|exchange| exchange.holds(lines))
            }
            (Wanted::Exchange(any_of), Observed::Word(word)) => any_of
                .iter()
                .any(|exchange| exchange.holds(std::slice::from_ref(word))),
            (Wanted::Exchange(_), Observed::Number(_) | Observed::Timed(_) | Observed::NotReached)
            | (Wanted::Timed(_), _) => false,
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
            Wanted::Exchange(any_of) => {
                let wordings = any_of.iter().map(Exchange::wording);
                wordings.collect::<Vec<_>>().join(", or ")
            }
            Wanted::Timed(timed_expectation) => timed_expectation.wording(None),
        }
    }

    /// Whether certainly no observation can meet both expectations. `false` also means that this cannot be decided.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        match (&self.wanted, &other.wanted) {
            (Wanted::AnyOf(one), Wanted::AnyOf(other)) => !one.iter().any(|each| other.contains(each)),
            (Wanted::Exchange(one), Wanted::Exchange(other)) => {
                let clash = |one: &Exchange, other: &Exchange| {
                    one.has
                        .iter()
                        .any(|text| other.lacks.iter().any(|lacked| text.contains(lacked)))
                };
                let clash = |one, other| clash(one, other) || clash(other, one);
                one.iter().all(|one| other.iter().all(|other| clash(one, other)))
            }
            (Wanted::Timed(one), Wanted::Timed(other)) => one.excludes(other),
            (Wanted::AnyOf(_), Wanted::Exchange(_) | Wanted::Timed(_))
            | (Wanted::Exchange(_), Wanted::AnyOf(_) | Wanted::Timed(_))
            | (Wanted::Timed(_), Wanted::AnyOf(_) | Wanted::Exchange(_)) => false,
        }
    }
}

fn equals(expected: &Scalar, seen: &Observed) -> bool {
    match (expected, seen) {
        (Scalar::Text(expected), Observed::Word(word)) => expected == word,
        (Scalar::Text(expected), Observed::Transcript(lines)) => *expected == lines.join("\n"),
        (Scalar::Text(expected), Observed::Timed(timed)) => *expected == timed.outcome,
        (Scalar::Integer(expected), Observed::Number(number)) => expected == number,
        (Scalar::Text(_), Observed::Number(_) | Observed::NotReached)
        | (
            Scalar::Integer(_),
            Observed::Word(_) | Observed::Transcript(_) | Observed::Timed(_) | Observed::NotReached,
        )
        | (Scalar::Boolean(_), _) => false,
    }
}

/// Reads the table `expect`; `None` if an expectation has a mistake.
pub(super) fn read(
    value: &Spanned<DeValue<'_>>,
    source: &Source,
    complaints: &mut Complaints,
) -> Option<Vec<Expectation>> {
    let DeValue::Table(entries) = value.get_ref() else {
        let found = value.get_ref().type_str();
        let wrong = source.wrong_type("`expect`", "a table of labels", found, value.span());
        complaints.0.push(wrong);
        return None;
    };
    if entries.is_empty() {
        complaints.0.push(source.empty("`expect`", value.span()));
    }
    let expectations: Vec<_> = entries
        .iter()
        .map(|(label, wanted)| {
            let wanted = complaints.keep(read_wanted(wanted, source))?;
            Some(Expectation {
                label: label.get_ref().to_string(),
                wanted,
                span: label.span(),
            })
        })
        .collect();
    expectations.into_iter().collect()
}

fn read_wanted<'i>(wanted: &Spanned<DeValue<'i>>, source: &Source) -> Result<Wanted, Box<Complaint>> {
    match wanted.get_ref() {
        DeValue::Array(items) if items.is_empty() => {
            Err(source.empty("the expectation", wanted.span()).into())
        }
        DeValue::Array(items) if items.iter().all(|item| item.get_ref().is_table()) => items
            .iter()
            .map(|item| read_exchange(item, source))
            .collect::<Result<_, _>>()
            .map(Wanted::Exchange),
        DeValue::Array(items) => items
            .iter()
            .map(|item| read_scalar(item, source))
            .collect::<Result<_, _>>()
            .map(Wanted::AnyOf),
        DeValue::Table(table)
            if table
                .iter()
                .any(|(key, _)| timed_expectation::KEYS.contains(&key.get_ref().as_ref())) =>
        {
            let tree = toml::de::ValueDeserializer::from(wanted.clone());
            let timed_expectation = TimedExpectation::deserialize(tree);
            let timed_expectation =
                timed_expectation.map_err(|error| source.refused(&error, wanted.span(), "expect"))?;
            Ok(Wanted::Timed(timed_expectation))
        }
        DeValue::Table(_) => Ok(Wanted::Exchange(vec![read_exchange(wanted, source)?])),
        _ => Ok(Wanted::AnyOf(vec![read_scalar(wanted, source)?])),
    }
}

fn read_exchange<'i>(item: &Spanned<DeValue<'i>>, source: &Source) -> Result<Exchange, Box<Complaint>> {
    let tree = toml::de::ValueDeserializer::from(item.clone());
    let exchange = Exchange::deserialize(tree);
    let exchange = exchange.map_err(|error| source.refused(&error, item.span(), "expect"))?;
    if exchange == Exchange::default() {
        return Err(source.empty("the expectation", item.span()).into());
    }
    Ok(exchange)
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
    fn has_requires_its_texts_in_order() {
        let lines = ["< 200 close", "< FIN"];
        assert!(holds("has = ['200', 'close', 'FIN']", &lines));
        assert!(!holds("has = ['FIN', '200']", &lines));
    }

    #[test]
    fn a_text_with_an_angle_bracket_matches_only_at_a_line_start() {
        let lines = ["> GET", "< 200 close \"< 200\"", "< FIN"];
        assert!(holds("has = ['< 200', 'close', '< FIN']", &lines));
        assert!(holds("lacks = ['GET']", &lines));
        assert!(!holds("has = ['< 200', '< 200']", &lines));
        assert!(!holds("has = ['< 200', 'close', '< 200']", &lines));
        assert!(holds("has = ['< 200', '< 204']", &["< 200", "< 204"]));
        assert!(!holds("has = ['< 100', '< 100']", &["< 200", "< 100"]));
    }

    #[test]
    fn lacks_covers_every_line_and_last_only_the_last_line() {
        let lines = ["< 200 close", "< FIN"];
        assert!(holds("lacks = ['keep-alive']\nlast = ['RST', 'FIN']", &lines));
        assert!(!holds("lacks = ['close']", &lines));
        assert!(!holds("last = ['200']", &lines));
        assert!(!holds("is = ['< 200 close']", &lines));
    }
}
