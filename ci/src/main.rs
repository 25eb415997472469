//! Automation: `cargo run -p ci --release -- TASK`. Workflows and `.ci/run` only call these tasks.

mod agents;
mod bench;
mod flakes;
mod matrix;
mod merge;
mod nightly;
mod propose;
mod schema;
mod suite;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
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
        /// Get what is missing first, by the commands that are otherwise only printed.
        #[arg(long)]
        install: bool,
    },
    /// Print the jobs of a night: every platform by every shard.
    Matrix,
    /// Print Debian's packages that the jobs of a night need, a line each.
    Packages,
    /// Run one job of the matrix, or with --local all this machine has everything for, and leave results in
    /// target/nightly.
    Nightly {
        /// Every job that can be done here, and one table.
        #[arg(long, conflicts_with_all = ["platform", "shard"])]
        local: bool,
        /// The job's platform.
        #[arg(long, required_unless_present = "local", requires = "shard")]
        platform: Option<String>,
        /// The job's shard.
        #[arg(long, requires = "platform")]
        shard: Option<String>,
    },
    /// Print the results of many runs as one table in Markdown.
    Merge {
        /// Files of `run --format json`, or folders with them.
        #[arg(required = true)]
        results: Vec<PathBuf>,
    },
    /// Open a change with the snapshots that results give.
    Propose {
        /// Files of `run --format json`, or folders with them.
        #[arg(required = true)]
        results: Vec<PathBuf>,
    },
    /// Measure, and print ratios. Needs `cargo build --release` first.
    Bench {
        /// What to measure; everything if left out.
        figures: Vec<bench::Figure>,
    },
    /// Serve what `bench` measures, until standard input ends.
    #[command(hide = true)]
    Serve {
        /// Which.
        what: bench::serve::Served,
    },
    /// Run scenarios again and again and show every answer that flips.
    Flakes {
        /// Scenarios whose id contains one of these; all if left out.
        filters: Vec<String>,
        /// Only this implementation; each scenario's own if left out.
        #[arg(long)]
        implementation: Option<String>,
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
        Task::Agents { targets, install } => agents::build(&targets, install),
        Task::Matrix => print(&matrix::as_json(&matrix::jobs())).map(|()| true),
        Task::Packages => matrix::packages()
            .iter()
            .try_for_each(|package| print(package))
            .map(|()| true),
        Task::Nightly {
            platform: Some(platform),
            shard: Some(shard),
            ..
        } => nightly::one(&platform, &shard),
        Task::Nightly { .. } => nightly::local(),
        Task::Propose { results } => propose::open(&results),
        Task::Merge { results } => {
            let (text, good) = merge::table(&merge::rows(&results), &[]);
            print(&text).map(|()| good)
        }
        Task::Bench { figures } => bench::measure(&figures).map(|()| true),
        Task::Serve { what } => bench::serve::serve(what).map(|()| true),
        Task::Flakes {
            filters,
            implementation,
            runs,
            loaded,
        } => flakes::hunt(&filters, implementation.as_deref(), runs, loaded),
    };
    if done.unwrap_or_else(fail) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print(text: &dyn Display) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

fn fail(error: io::Error) -> bool {
    eprintln!("error: {error}");
    false
}
