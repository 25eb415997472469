//! Known disagreements between a claim and a system or implementation: data with a reason and a link.
//!
//! A deviation lives in the profile of what deviates, never in the scenario. One that no longer occurs
//! turns into a failure, so that the list cannot outlive the bugs it names.

use serde::{Deserialize, Serialize};

use crate::system::SystemRange;

/// One recorded disagreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Deviation {
    /// Id of the scenario, e.g. `fastcgi/id-reuse/after-end`.
    pub scenario: String,
    /// Id of the claim that does not hold.
    pub claim: String,
    /// Why, in one sentence that could be shown to the maintainers.
    pub reason: String,
    /// Where it is reported or written: an issue, a source line, a commit.
    pub link: String,
    /// When the line can go: a version or an event.
    #[serde(default)]
    pub until: Option<String>,
    /// The systems it is known on; empty means all.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub on: Vec<SystemRange>,
}
