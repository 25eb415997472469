//! The command as its users meet it: exit statuses, reports, mistakes, deaths and interruptions.

mod deaths;
mod ground;
mod input;
mod isolation;
mod reports;
mod snapshots;
