//! A case: a scenario with one value of each axis, and what an agent needs to execute it.
//!
//! It has no field for expectations, so that no executor can depend on a claim.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::step::fastcgi::FastcgiStep;
use crate::step::http::HttpStep;
use crate::step::keepalive::KeepaliveStep;
use crate::step::socket::SocketStep;
use crate::step::{Action, Step, Subject};

/// The longest time a case may take, if its scenario does not set a budget.
pub const DEFAULT_BUDGET: Duration = Duration::from_secs(20);

/// Identifies a case by the scenario's id and the axis values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CaseKey {
    /// `port-reuse/wildcard-then-specific`.
    pub scenario: String,
    /// The name of each axis and of its value, in the file's order of axes.
    pub values: Vec<(String, String)>,
}

impl CaseKey {
    /// The values in the format of the option `--case`: `old=plain,new=reuse-addr`.
    pub fn point(&self) -> String {
        let parts: Vec<_> = self
            .values
            .iter()
            .map(|(axis, value)| format!("{axis}={value}"))
            .collect();
        parts.join(",")
    }

    /// The name of the value on this axis.
    pub fn value(&self, axis: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(name, _)| name == axis)
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for CaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scenario)?;
        if !self.values.is_empty() {
            write!(f, " [{}]", self.point())?;
        }
        Ok(())
    }
}

/// The steps of a case, in its family's vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Steps {
    /// Port reuse.
    PortReuse(Vec<Step<SocketStep>>),
    /// FastCGI.
    Fastcgi(Vec<Step<FastcgiStep>>),
    /// HTTP.
    Http(Vec<Step<HttpStep>>),
    /// Keepalive.
    Keepalive(Vec<Step<KeepaliveStep>>),
}

/// A case in which every name of the matrix is replaced by its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Identifies the case.
    pub key: CaseKey,
    /// The capabilities that the platform must have, in the words of its hello.
    pub requires: Vec<String>,
    /// The longest time the case may take, in milliseconds.
    pub budget_ms: u64,
    /// The steps.
    pub steps: Steps,
}

impl Case {
    /// Whether the platform must have this capability.
    pub fn requires(&self, capability: &str) -> bool {
        self.requires.iter().any(|word| word == capability)
    }
}

impl Steps {
    /// The steps, without the type of their family's vocabulary.
    pub fn iter(&self) -> Box<dyn Iterator<Item = &Step<dyn Action>> + '_> {
        fn erased<A: Action + 'static>(step: &Step<A>) -> &Step<dyn Action> {
            step
        }
        match self {
            Self::PortReuse(steps) => Box::new(steps.iter().map(erased)),
            Self::Fastcgi(steps) => Box::new(steps.iter().map(erased)),
            Self::Http(steps) => Box::new(steps.iter().map(erased)),
            Self::Keepalive(steps) => Box::new(steps.iter().map(erased)),
        }
    }

    /// The greatest subject of the steps.
    pub fn subject(&self) -> Subject {
        let subjects = self.iter().map(|step| step.action.properties().subject);
        subjects.max().unwrap_or(Subject::Kernel)
    }

    /// The longest time that the steps wait for timers, in total.
    pub fn waits(&self) -> Duration {
        self.iter().map(|step| step.action.properties().waits).sum()
    }
}
