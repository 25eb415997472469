//! The command `reusespec`: it plans, runs and reports.
//!
//! ```text
//! arguments ─→ plan ─→ run ─┬─ session (one agent: sends cases, receives outcomes)
//!                           └─ Event ─→ reporters: terminal · json · junit · html
//! ```
//! | module | owns |
//! |---|---|
//! | [`arguments`] | command-line arguments and help texts |
//! | [`library`] | scenario files and snapshots on disk |
//! | [`implementations`] | profiles of implementations, and their builds |
//! | [`platforms`] | platforms by name |
//! | [`plan`] | which cases run on which implementation |
//! | [`session`] | the cases of one agent, also when the agent dies |
//! | [`run`] | sessions → verdicts → events |
//! | [`event`] | the input of all reporters |
//! | [`report`] | events → text |
//! | [`results`] | text → cases, of a run on another machine |
//!
//! It is a library so that `cargo test` judges and compares scenarios with the same code as the command.

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
