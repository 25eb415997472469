//! The command as its users meet it: exit statuses, reports, mistakes, deaths and interruptions.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod accept;
mod captures;
mod deaths;
mod differences;
mod doctor;
mod elsewhere;
mod ground;
mod guests;
mod hostile;
mod image;
mod input;
mod isolation;
mod own_kernel;
mod programs;
mod reports;
mod snapshots;
mod targets;
