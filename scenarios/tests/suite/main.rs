//! Runs every scenario on this machine, by the same path as the command.
//!
//! One binary, so that it is linked once. `conformance` holds the scenarios against claims and snapshots,
//! `external` does so with other people's implementations, `guests` in guests; `faults` proves that the claims can
//! fail.

mod conformance;
mod external;
mod faults;
mod ground;
mod guests;
