//! What happened, normalised: error names, classes of counts, rounded times; never a port, pid or address.

use serde::{Deserialize, Serialize};

/// What one labelled step showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The label of the step.
    pub label: String,
    /// What was seen.
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
    /// An exchange as it went, a line a message: `< 200 HTTP/1.1 close "hello"`, `< FIN`.
    Transcript(Vec<String>),
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
            Self::NotReached => f.write_str("-"),
        }
    }
}

/// What became of a case where it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All steps were executed.
    Observed(Vec<Observation>),
    /// The platform or the implementation lacks something; the text says what and how to get it.
    Unsupported(String),
    /// We could not find out; the text says why.
    Broken(String),
}
