//! Automation: `cargo run -p ci -- TASK`. Workflows and `.ci/run` only call these tasks.

mod schema;

use clap::{Parser, Subcommand};

/// Automation of the repository.
#[derive(Debug, Parser)]
#[command(name = "ci")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Write the JSON Schema of scenario files anew.
    Schema,
}

fn main() -> std::io::Result<()> {
    match Arguments::parse().task {
        Task::Schema => schema::write(),
    }
}
