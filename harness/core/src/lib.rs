//! Scenarios, cases, claims, verdicts and snapshots: text → [`Scenario`] → [`Case`]; observations × claims →
//! [`Verdict`].
//!
//! ```text
//! *.toml ─parse→ Scenario ─expand→ [Case] ┄execute (agent)┄→ [Observation] ─judge→ Verdict ─→ Table
//! ```
//! | module | owns |
//! |---|---|
//! | [`scenario`] | the grammar of scenario files, and all complaints about them |
//! | [`step`] | the vocabularies: the steps that an agent can execute |
//! | [`case`] | one scenario at one point of its matrix; the data that crosses to an agent |
//! | [`observation`] | what a case observed, in a normal form |
//! | [`judge`] | claims against observations, known deviations, stale deviations |
//! | [`table`] | the table of a snapshot: one row for each case |
//! | [`snapshot`] | the names of snapshots and the order in which they are looked up |
//! | [`results`] | the lines of `run --format json` |
//! | [`timing`] | schedules, observations over time, and tolerances |
//! | [`handshake`] | the lines that a guest's agent and the host exchange before the protocol |
//! | [`protocol`] | the lines that host and agent exchange |
//! | [`profile`] | the profile of an implementation under test |
//! | [`adapter`] | the lines that an adapter and the agent exchange |
//! | [`schema`] | the JSON Schemas of scenario files and of results |
//!
//! No module opens a file or a socket, or reads a clock. The host passes in text, the agent passes in observations.
//! Therefore paths and time stamps are parameters, and judging can be tested from text to text.

pub mod adapter;
pub mod case;
pub mod deviation;
mod duration;

pub mod family;
pub mod handshake;
pub mod judge;
pub mod observation;
pub mod profile;
pub mod protocol;
pub mod results;
pub mod scenario;
pub mod schema;
pub mod snapshot;
pub mod step;
pub mod system;
pub mod table;
pub mod timing;

pub use case::{Case, CaseKey, Steps};
pub use deviation::Deviation;
pub use family::Family;
pub use judge::{ClaimResult, Judgement, Verdict};
pub use observation::{Observation, Observed, Outcome};
pub use scenario::{Claim, Complaint, Level, NamedAxes, Scenario};
pub use snapshot::{KernelName, Provenance, SnapshotKey};
pub use step::Subject;
pub use system::{System, SystemRange};
pub use timing::{Timed, Timing};
