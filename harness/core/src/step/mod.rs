//! The vocabularies: what an executor can be asked to do, one enum per family.
//!
//! A step is written as a table with one key, its keyword: `{ bind = { socket = "new", to = "…" } }`.
//! Three keys belong to every step and are taken off before its own keys are read: `label` (under which
//! its result is observed), `when` (axis values it is for) and `on` (systems it is for). A step *without* a
//! label is preparation: if it fails, the case is `broken`, because nothing was found out.

pub mod endpoint;
pub mod socket;

use serde::{Deserialize, Serialize};

use crate::system::SystemRange;

/// A step of a case: closed, typed, ready to be executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step<A> {
    /// Under which name the result is observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The systems the step is for; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<SystemRange>,
    /// What to do.
    pub action: A,
}

/// What a family's vocabulary tells about its steps.
pub trait Vocabulary: Serialize + serde::de::DeserializeOwned + schemars::JsonSchema {
    /// Whether the step goes through an implementation's own interface, not through raw system calls.
    fn needs_implementation(&self) -> bool;
}
