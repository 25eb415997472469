//! What a case observed, in a normal form: names of errors, classes of counts, rounded times. A port, a process id or
//! an address never appears, so that two runs of one system give equal observations.

use serde::{Deserialize, Serialize};

use crate::timing::Timed;

/// The observation of one labelled step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The label of the step.
    pub label: String,
    /// What the step showed.
    pub seen: Observed,
}

/// A normalised value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observed {
    /// `ok`, the name of an error (`EADDRINUSE`), or a class (`spread`).
    Word(String),
    /// A number the system reported, such as the value of a socket option.
    Number(i64),
    /// The messages of an exchange, one line each: `< 200 HTTP/1.1 close "hello"`, `< FIN`.
    Transcript(Vec<String>),
    /// How a connection behaved over time.
    Timed(Timed),
    /// The step was not reached, because an earlier labelled step on the same socket failed.
    NotReached,
}

impl Observed {
    /// The word `ok`.
    pub fn ok() -> Self {
        Self::Word("ok".to_owned())
    }
}

impl std::fmt::Display for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Number(number) => write!(f, "{number}"),
            Self::Transcript(lines) => f.write_str(&lines.join("\n")),
            Self::Timed(timed) => f.write_str(&timed.cell),
            Self::NotReached => f.write_str("-"),
        }
    }
}

/// How the execution of a case ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All steps were executed.
    Observed(Vec<Observation>),
    /// The platform or the implementation lacks a capability; the text says which, and how to get it.
    Unsupported(String),
    /// The harness could not find out; the text says why.
    Broken(String),
}
