//! The command `reusespec`: plan, run, report.
//!
//! ```text
//! arguments ─→ plan ─→ run ─┬─ session (one agent: cases out, outcomes in)
//!                           └─ Event ─→ reporters: terminal · json · junit · html
//! ```
//! | module | owns |
//! |---|---|
//! | [`arguments`] | what can be typed |
//! | [`library`] | scenario files and snapshots on disk |
//! | [`implementations`] | profiles, and what has to be found or built for them |
//! | [`platforms`] | where cases can run, by name |
//! | [`plan`] | which cases run where |
//! | [`session`] | one agent's work, and what becomes of its cases when it dies |
//! | [`run`] | sessions → verdicts → events |
//! | [`event`] | the only thing reporters see |
//! | [`report`] | events → text |
//! | [`results`] | text → cases, of a run made elsewhere |
//!
//! A library so that `cargo test` runs scenarios by the same path as the command: one judge, one comparison.

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
