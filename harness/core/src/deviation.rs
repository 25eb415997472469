//! A known deviation: a claim that does not hold on a system or for an implementation, with a reason and a link.
//!
//! A deviation stands in the profile of the platform or implementation that deviates, never in the scenario. A run
//! reports a deviation that no longer occurs as a failure, so that the list cannot outlive the bugs it names.

use serde::{Deserialize, Serialize};

use crate::system::SystemRange;

/// One known deviation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Deviation {
    /// Id of the scenario, e.g. `fastcgi/id-reuse/after-end`.
    pub scenario: String,
    /// Id of the claim that does not hold.
    pub claim: String,
    /// Why the claim does not hold, in one sentence that the maintainers could be shown.
    pub reason: String,
    /// Where the deviation is reported or documented: an issue, a source line, a commit.
    pub link: String,
    /// When the deviation can be removed: a version or an event.
    #[serde(default)]
    pub until: Option<String>,
    /// The systems on which it occurs; empty means all.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub on: Vec<SystemRange>,
}
