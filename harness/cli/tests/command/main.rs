//! The command as its users meet it: exit statuses, reports, mistakes, deaths and interruptions.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod accept;
mod captures;
mod deaths;
mod differences;
mod doctor;
mod fixture;
mod guests;
mod hostile;
mod image;
mod input;
mod isolation;
mod own_kernel;
mod programs;
mod remote;
mod reports;
mod snapshots;
mod targets;
