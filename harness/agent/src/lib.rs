//! Executes cases where they run and streams observations back.

pub mod peer;
