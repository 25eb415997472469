//! Executes the vocabularies: a module for each family, and in it a file for each group of steps.
//!
//! To add a step, add its execution to the family's [`Executor`](crate::execute::Executor). What a family checks before
//! its first step, it checks in the constructor.

#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

mod fastcgi;
mod http;
pub(crate) mod keepalive;
mod socket;

use reusespec_core::{Outcome, Steps};

use crate::case_run::CaseRun;
use crate::execute;

/// Executes the steps of a case.
pub(crate) fn execute(steps: &Steps, run: &mut CaseRun<'_>) -> Outcome {
    match steps {
        Steps::PortReuse(steps) => execute::execute(steps, Ok(socket::Sockets::new(run))),
        Steps::Fastcgi(steps) => execute::execute(steps, fastcgi::Probe::new(steps, run)),
        Steps::Http(steps) => execute::execute(steps, http::Client::new(steps, run)),
        Steps::Keepalive(steps) => execute::execute(steps, Ok(keepalive::Connections::new(steps, run))),
    }
}
