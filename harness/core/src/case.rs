//! One scenario at one point of its matrix: everything a platform needs to execute it, and nothing else.
//!
//! There is no field for expectations: an executor that cannot see a claim cannot be tuned to one.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::step::fastcgi::FastcgiStep;
use crate::step::http::HttpStep;
use crate::step::keepalive::KeepaliveStep;
use crate::step::socket::SocketStep;
use crate::step::{Action, Step, Subject};

/// Longest time a case may take where its scenario says nothing.
pub const DEFAULT_BUDGET: Duration = Duration::from_secs(20);

/// Names a case: the scenario's id and the axis values, in the file's order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CaseKey {
    /// `port-reuse/wildcard-then-specific`.
    pub scenario: String,
    /// Axis name and value name, in the order the file writes the axes.
    pub values: Vec<(String, String)>,
}

impl CaseKey {
    /// `old=plain,new=reuse-addr`: what `--case` takes.
    pub fn point(&self) -> String {
        let parts: Vec<_> = self
            .values
            .iter()
            .map(|(axis, value)| format!("{axis}={value}"))
            .collect();
        parts.join(",")
    }

    /// The value this case has on an axis.
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

/// A closed case: no `$` of the matrix is left in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Its name.
    pub key: CaseKey,
    /// What the platform must offer; words a platform's hello lists as capabilities.
    pub requires: Vec<String>,
    /// Longest time it may take.
    pub budget_ms: u64,
    /// What to do.
    pub steps: Steps,
}

impl Case {
    /// Whether it needs this capability.
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
