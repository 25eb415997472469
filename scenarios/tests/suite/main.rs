//! Runs every scenario on this machine, through the same code as the command.
//!
//! All tests are one binary, which is linked once. `conformance` compares the reference and the kernel with claims and
//! snapshots, `external` does so for the implementations under test, `faults` proves that the claims can fail, and
//! `guests` runs some scenarios in guests.

mod conformance;
mod external;
mod faults;
mod fixture;
mod guests;
