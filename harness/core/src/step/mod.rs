//! The steps that scenarios are written in: one vocabulary, an enum, for each family.
//!
//! A step is a table with one key, its keyword: `{ bind = { socket = "new", to = "…" } }`. Every step may also have
//! `label` (the name under which its result is observed), `when` (the axis values it applies to) and `on` (the systems
//! it applies to). Those three are removed before the vocabulary reads the step's own keys. A step *without* a label
//! is preparation: if it fails, the case is `broken`.
//!
//! To add a step, add a variant to its family's enum and a struct for its keys. The compiler then reports each match
//! that must handle it: [`Action::properties`] here, and the dispatch in the agent's module for the family.

#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::system::{System, SystemRange};

/// Defines the structs that hold the keys of steps. All have the same derives, kebab-case keys and public fields.
macro_rules! step {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    )* };
}

pub mod endpoint;
pub mod fastcgi;
pub mod http;
pub mod keepalive;
pub mod socket;

step! {
    /// Keys of `sysctl`, which two families have.
    Sysctl {
        /// The name of the control, with dots.
        name: String,
        /// The value.
        value: String,
    }
}

/// A step of a case, with every name of the matrix replaced by its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step<A: ?Sized> {
    /// The name under which the result is observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The systems the step applies to; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<SystemRange>,
    /// The keyword and its keys.
    pub action: A,
}

impl<A: ?Sized> Step<A> {
    /// Whether the step applies to this system.
    pub fn is_for(&self, system: &System) -> bool {
        self.on.is_empty() || self.on.iter().any(|range| range.contains(system))
    }
}

/// A step's own keys, whatever its family.
pub trait Action {
    /// What the harness must know about the step without executing it.
    fn properties(&self) -> Properties<'_>;
}

/// What the harness must know about a step without executing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties<'s> {
    /// What the step tests.
    pub subject: Subject,
    /// Handlers, roles, controls and settings that an implementation must offer, in the words of its profile.
    pub needs: Vec<&'static str>,
    /// The socket or connection that later steps cannot use if this step fails. It is then *poisoned*: later labelled
    /// steps on it are observed as not reached.
    pub poisons: Option<&'s str>,
    /// The longest time the step waits for a timer, as opposed to waiting for the machine.
    pub waits: Duration,
    /// The system controls the step sets. Controls that only other systems have may be among them.
    pub sysctls: Vec<&'s str>,
}

impl<'s> Properties<'s> {
    /// A step that tests this subject and has no other property.
    fn of(subject: Subject) -> Self {
        Self {
            subject,
            needs: Vec::new(),
            poisons: None,
            waits: Duration::ZERO,
            sysctls: Vec::new(),
        }
    }

    fn needs(self, needs: Vec<&'static str>) -> Self {
        Self { needs, ..self }
    }

    fn poisons(self, name: &'s str) -> Self {
        let poisons = Some(name);
        Self { poisons, ..self }
    }

    fn waits(self, waits: Duration) -> Self {
        Self { waits, ..self }
    }

    fn sets(self, sysctls: Vec<&'s str>) -> Self {
        Self { sysctls, ..self }
    }
}

/// What a step or a scenario tests, in order of precedence: a scenario tests the greatest subject of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The kernel, through system calls.
    Kernel,
    /// An implementation, through its own interface.
    Implementation,
    /// A web server as the client of a FastCGI application. The reference has none.
    WebServer,
}
