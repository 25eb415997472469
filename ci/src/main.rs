//! Automation: job matrix, benchmarks, repository rules.

fn main() {}
