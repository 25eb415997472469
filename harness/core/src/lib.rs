//! The pure heart of the harness: text → [`Scenario`] → [`Case`]; observations × claims → [`Verdict`].
//!
//! ```text
//! *.toml ─parse→ Scenario ─expand→ [Case] ┄execute (elsewhere)┄→ [Observation] ─judge→ Verdict ─→ Table
//! ```
//! | module | owns |
//! |---|---|
//! | [`scenario`] | what a file may say, and every complaint about one that says it wrongly |
//! | [`step`] | the vocabularies: what an executor can be asked to do |
//! | [`case`] | one scenario at one point of its matrix; what crosses into a platform |
//! | [`observation`] | what came back, normalised |
//! | [`judge`] | claims against observations, deviations, stale deviations |
//! | [`table`] | the reviewed snapshot: one row a case |
//! | [`timing`] | schedules, what was seen over time, and how exactly that can be told |
//! | [`handshake`] | the lines a guest's agent and the host exchange before the protocol |
//! | [`protocol`] | the lines host and agent exchange |
//! | [`profile`] | what is known of an implementation under test |
//! | [`adapter`] | the lines an adapter and the agent exchange |
//! | [`schema`] | the JSON Schema that editors use |
//!
//! Nothing here opens a file or a socket or reads a clock: whoever runs on the host hands in text, whoever
//! runs on the platform hands back observations. The price is that paths and time stamps are parameters
//! everywhere; the gain is that the whole of judging is tested from text to text.

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
pub mod scenario;
pub mod schema;
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
pub use step::Subject;
pub use system::{System, SystemRange};
pub use timing::{Timed, Timing};
