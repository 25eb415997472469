//! The command `reusespec`: it plans, runs and reports.
//!
//! ```text
//! arguments ─→ plan ─→ run ─┬─ session (one agent: sends cases, receives outcomes)
//!                           └─ Event ─→ reporters: terminal · json · junit · html
//! ```
//! | module | owns |
//! |---|---|
//! | [`arguments`] | the command line |
//! | [`library`] | scenario files and snapshots on disk |
//! | [`implementations`] | profiles on disk; finds and builds the programs they need |
//! | [`platforms`] | the platforms by name |
//! | [`plan`] | which cases are executed for which implementation |
//! | [`session`] | the work of one agent, and the cases of an agent that ends too early |
//! | [`run`] | sessions → verdicts → events |
//! | [`event`] | the events that reporters receive |
//! | [`report`] | events → text |
//! | [`results`] | reads the JSON lines of a run |
//!
//! This is a library, so that `cargo test` runs scenarios through the same code as the command.

pub mod arguments;
pub mod capture;
pub mod command;
pub mod event;
pub mod exit;
pub mod faults;
pub mod implementations;
pub mod library;
pub mod plan;
pub mod platforms;
pub mod report;
pub mod results;
pub mod run;
pub mod session;
