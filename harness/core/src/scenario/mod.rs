//! A checked scenario, and the way from text to it.
//!
//! [`document`] reads the file into a tree that remembers where every value stood; [`axes`], [`raw_step`]
//! and [`claim`] give its parts meaning; [`check`] holds the parts against each other; every complaint is
//! worded in [`complaint`]. A scenario that exists has been expanded once: whatever can be wrong in one of
//! its cases has been said before anything runs.

pub(crate) mod axes;
mod check;
pub(crate) mod claim;
mod complaint;
mod document;
mod expand;
pub(crate) mod expectation;
pub(crate) mod raw_step;
#[cfg(test)]
mod tests;

pub use axes::{NamedAxes, Scalar};
pub use claim::{Claim, Level, When};
pub use complaint::Complaint;
pub(crate) use complaint::Source;
pub(crate) use document::{Document, Head};
pub use expectation::{Exchange, Expectation, Wanted};

use crate::case::Case;
use crate::family::Family;
use crate::step::Subject;
use expand::expand;

/// One dimension of a scenario's matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Its name.
    pub name: String,
    /// The names of its values, in the file's order.
    pub values: Vec<String>,
}

/// One behaviour: why it matters, where the rule is written, its matrix, steps and claims.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Path below the scenarios folder without `.toml`; never written in the file itself.
    pub id: String,
    /// The family its folder names.
    pub family: Family,
    /// One sentence.
    pub title: String,
    /// Who is hurt if the behaviour is wrong.
    pub why: String,
    /// Where the rule is written.
    pub source: Vec<String>,
    /// Reports of the behaviour having been wrong, e.g. `golang/go#2830`.
    pub regression: Vec<String>,
    /// The matrix, in the file's order.
    pub axes: Vec<Axis>,
    /// The labels of its steps, in order of first appearance.
    pub labels: Vec<String>,
    /// The claims, in the file's order.
    pub claims: Vec<Claim>,
    /// Its cases, the first axis varying slowest.
    pub cases: Vec<Case>,
    /// What it asks.
    pub subject: Subject,
}

impl Scenario {
    /// Like [`Scenario::parse_with`], for a file that uses no named axis.
    ///
    /// # Errors
    /// The same as [`Scenario::parse_with`].
    pub fn parse(id: &str, file: &str, bytes: &[u8]) -> Result<Self, Vec<Complaint>> {
        Self::parse_with(id, file, bytes, &NamedAxes::default())
    }

    /// Reads and checks a scenario. `named` holds the definitions that its axes may use.
    ///
    /// `id` is its path below the scenarios folder without the extension; `file` is what complaints call it.
    ///
    /// # Errors
    /// Every complaint that can be made at once: a file that cannot be read as TOML yields one, a file whose
    /// parts disagree yields one for each disagreement.
    pub fn parse_with(
        id: &str,
        file: &str,
        bytes: &[u8],
        named: &NamedAxes<'_>,
    ) -> Result<Self, Vec<Complaint>> {
        let source = Source::read(file, bytes).map_err(|complaint| vec![*complaint])?;
        let text = source.text.clone();
        let document = Document::read(id, &source, &text, named).map_err(|complaint| vec![*complaint])?;
        let cases = expand(id, &document, &source).map_err(|complaint| vec![*complaint])?;
        let complaints = check::check(&document, &cases, &source);
        if !complaints.is_empty() {
            return Err(complaints);
        }
        Ok(Self::of(id, document, cases))
    }

    fn of(id: &str, document: Document<'_>, cases: Vec<Case>) -> Self {
        let mut labels: Vec<String> = Vec::new();
        for label in document.steps.iter().filter_map(|step| step.label.clone()) {
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        let axis = |axis: &axes::Axis<'_>| Axis {
            name: axis.name.clone(),
            values: axis.values.iter().map(|value| value.name.clone()).collect(),
        };
        let subjects = cases.iter().map(|case| case.steps.subject());
        let subject = subjects.max().unwrap_or(Subject::Kernel);
        Self {
            id: id.to_owned(),
            family: document.family,
            title: document.head.title,
            why: document.head.why,
            source: document.head.source,
            regression: document.head.regression,
            axes: document.axes.iter().map(axis).collect(),
            labels,
            claims: document.claims,
            cases,
            subject,
        }
    }
}
