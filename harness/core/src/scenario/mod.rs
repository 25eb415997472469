//! Reads scenario files: text → [`Scenario`], or complaints.
//!
//! [`document`] parses the file into a tree that keeps the position of every value. [`axes`], [`raw_step`] and [`claim`]
//! read its parts, and [`check`] compares the parts with each other. [`complaint`] has the wording of every complaint.
//! Parsing also expands the scenario into its cases, so every mistake in any case is reported before a case runs.

pub(crate) mod axes;
mod check;
pub(crate) mod claim;
mod complaint;
mod condition;
mod document;
mod expand;
pub(crate) mod expectation;
pub(crate) mod raw_step;
#[cfg(test)]
mod tests;

pub use axes::{NamedAxes, Scalar};
pub use claim::{Claim, Level};
pub use complaint::Complaint;
pub(crate) use complaint::{Complaints, Source};
pub use condition::When;
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
    /// Path below the scenarios folder without `.toml`. The file itself does not contain it.
    pub id: String,
    /// The family its folder names.
    pub family: Family,
    /// One sentence: what is done.
    pub title: String,
    /// Which users are affected if the behaviour is wrong.
    pub why: String,
    /// Where the rule is written.
    pub source: Vec<String>,
    /// Reports of bugs in this behaviour, e.g. `golang/go#2830`.
    pub regression: Vec<String>,
    /// The matrix, in the file's order.
    pub axes: Vec<Axis>,
    /// The labels of its steps, in order of first appearance.
    pub labels: Vec<String>,
    /// The claims, in the file's order.
    pub claims: Vec<Claim>,
    /// Its cases; the first axis varies slowest.
    pub cases: Vec<Case>,
    /// What it tests.
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
    /// `id` is its path below the scenarios folder without the extension; complaints name the file `file`.
    ///
    /// # Errors
    /// The complaints about all parts of the file: each key of the head, each axis, step and claim. Text that is not
    /// TOML yields one complaint.
    pub fn parse_with(
        id: &str,
        file: &str,
        bytes: &[u8],
        named: &NamedAxes<'_>,
    ) -> Result<Self, Vec<Complaint>> {
        let source = Source::read(file, bytes).map_err(|complaint| vec![*complaint])?;
        let text = source.text.clone();
        let mut complaints = Complaints::default();
        let Some(document) = Document::read(id, &source, &text, named, &mut complaints) else {
            return Err(complaints.0);
        };
        let cases = expand(id, &document, &source, &mut complaints);
        complaints.0.extend(check::check(&document, &cases, &source));
        if complaints.0.is_empty() {
            Ok(Self::of(id, document, cases))
        } else {
            complaints.0.sort_by_key(Complaint::position);
            Err(complaints.0)
        }
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
            axes: document.matrix.axes.iter().map(axis).collect(),
            labels,
            claims: document.claims,
            cases,
            subject,
        }
    }
}
