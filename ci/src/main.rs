//! Automation: `cargo run -p ci --release -- TASK`. Workflows and `.ci/run` only call these tasks.

mod agents;
mod bench;
mod flakes;
mod schema;
mod suite;

use std::io;
use std::process::ExitCode;

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
    /// Build the agent for other machines, into target/agents.
    Agents {
        /// Rust targets; all that can be built here if left out.
        targets: Vec<String>,
    },
    /// Measure, and print ratios. Needs `cargo build --release` first.
    Bench {
        /// What to measure; everything if left out.
        figures: Vec<bench::Figure>,
    },
    /// Run scenarios again and again and show every answer that flips.
    Flakes {
        /// Scenarios whose id contains one of these; all if left out.
        filters: Vec<String>,
        /// How many times.
        #[arg(long, default_value_t = 10)]
        runs: usize,
        /// How many of them, the last ones, beside busy processes.
        #[arg(long, default_value_t = 2)]
        loaded: usize,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Schema => schema::write().map(|()| true),
        Task::Agents { targets } => agents::build(&targets),
        Task::Bench { figures } => bench::measure(&figures).map(|()| true),
        Task::Flakes {
            filters,
            runs,
            loaded,
        } => flakes::hunt(&filters, runs, loaded),
    };
    if done.unwrap_or_else(fail) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn fail(error: io::Error) -> bool {
    eprintln!("error: {error}");
    false
}
