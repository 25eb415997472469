//! Runs every scenario on this machine, by the same path as the command.
//!
//! One binary, so that it is linked once. `conformance` holds the scenarios against claims and snapshots,
//! `external` does so with other people's implementations, `faults` proves that the claims can fail, `guests` runs
//! some in guests.

mod conformance;
mod external;
mod faults;
mod fixture;
mod guests;
