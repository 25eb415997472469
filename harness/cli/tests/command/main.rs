//! Tests of the command: exit statuses, reports, wrong input, killed processes and interruptions.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod accept;
mod adapters;
mod captures;
mod deaths;
mod differences;
mod doctor;
mod examples;
mod explain;
mod fixture;
mod guests;
mod hostile;
mod image;
mod implementations;
mod input;
mod isolation;
mod late;
mod own_kernel;
mod programs;
mod remote;
mod reports;
mod snapshots;
mod targets;
