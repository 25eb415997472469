//! The command: plan, run, report.

fn main() {}
