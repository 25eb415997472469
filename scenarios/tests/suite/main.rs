//! Runs every scenario on this machine, by the same path as the command.
//!
//! One binary, so that it is linked once. `conformance` holds the scenarios against claims and snapshots;
//! `faults` proves that the claims can fail; `guests` runs some in guests.

mod conformance;
mod faults;
mod ground;
mod guests;
