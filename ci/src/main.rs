//! Automation: `cargo run -p ci --release -- TASK`. Workflows and `.ci/run` only call these tasks.

mod agents;
mod bench;
mod dist;
mod flakes;
mod matrix;
mod merge;
mod nightly;
mod packages;
mod propose;
mod reports;
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
    /// Generate the JSON Schemas of scenario files and results.
    Schema,
    /// Build the agent for other machines into target/agents.
    Agents {
        /// Rust targets. Without any: every target that this machine can build.
        targets: Vec<String>,
        /// Install what is missing first. Without it the commands are only printed.
        #[arg(long)]
        install: bool,
    },
    /// Build the binary of a crate for a target of `agents`, as they are built.
    Program {
        /// The Rust target.
        target: String,
        /// The manifest of the crate.
        manifest: PathBuf,
        /// The name of the binary.
        name: String,
        /// The file to write.
        file: PathBuf,
    },
    /// Make the program that works outside a checkout: target/dist/TARGET/reusespec, with scenarios, implementations and
    /// its agent inside.
    Dist {
        /// The Rust target, whose agent `agents` has built.
        #[arg(default_value = "x86_64-unknown-linux-musl")]
        target: String,
        /// Use this program instead of building a static one.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Print the jobs of the nightly workflow: every platform with every shard.
    Matrix,
    /// Print the Debian packages that tests and nightly jobs use, one per line.
    Packages,
    /// Run one job of the matrix, or with --local every job that this machine can run. Results go to
    /// target/nightly.
    Nightly {
        /// Run every job that this machine can run, and print one table.
        #[arg(long, conflicts_with_all = ["platform", "shard"])]
        local: bool,
        /// With --local, boot this kernel for a platform: `freebsd-14=KERNEL:TREE`. Also for platforms whose kernels
        /// cannot be downloaded.
        #[arg(long = "kernel", value_name = "P=KERNEL[:TREE]", requires = "local")]
        kernels: Vec<nightly::OwnKernel>,
        /// The platform of the job.
        #[arg(long, required_unless_present = "local", requires = "shard")]
        platform: Option<String>,
        /// The shard of the job.
        #[arg(long, requires = "platform")]
        shard: Option<String>,
    },
    /// Print the results of many runs as one table in Markdown.
    Merge {
        /// Files written by `run --format json`, or folders of them.
        #[arg(required = true)]
        results: Vec<PathBuf>,
    },
    /// Open a pull request with the snapshots that the results propose.
    Propose {
        /// Files written by `run --format json`, or folders of them.
        #[arg(required = true)]
        results: Vec<PathBuf>,
    },
    /// Compile the program of each report in platforms/reports, run it on the platform that the report names, and check
    /// what it prints.
    Reports(reports::Options),
    /// Measure, and print ratios. Needs `cargo build --release` first.
    Bench {
        /// What to measure. Without any: everything.
        figures: Vec<bench::Figure>,
    },
    /// Serve one of the servers that `bench` measures, until standard input ends.
    #[command(hide = true)]
    Serve {
        /// Which server.
        what: bench::serve::Served,
    },
    /// Run scenarios repeatedly and print every answer that flips.
    Flakes {
        /// Scenarios whose id contains one of these words. Without any: all.
        filters: Vec<String>,
        /// Run against this implementation instead of each scenario's default.
        #[arg(long)]
        implementation: Option<String>,
        /// How many times.
        #[arg(long, default_value_t = 10)]
        runs: usize,
        /// How many of the runs, the last ones, share the machine with busy processes.
        #[arg(long, default_value_t = 2)]
        loaded: usize,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Schema => schema::write().map(|()| true),
        Task::Agents { targets, install } => agents::build(&targets, install),
        Task::Dist { target, program } => dist::build(&target, program.as_deref()),
        Task::Program {
            target,
            manifest,
            name,
            file,
        } => agents::build_program(&target, &manifest, &name, &file),
        Task::Matrix => print(&matrix::as_json(&matrix::jobs())).map(|()| true),
        Task::Packages => packages::all()
            .and_then(|packages| packages.iter().try_for_each(|package| print(package)))
            .map(|()| true),
        Task::Nightly {
            platform: Some(platform),
            shard: Some(shard),
            ..
        } => nightly::one(&platform, &shard),
        Task::Nightly { kernels, .. } => nightly::local(&kernels),
        Task::Propose { results } => propose::open(&results),
        Task::Merge { results } => {
            let (text, good) = merge::table(&merge::rows(&results), &[]);
            print(&text).map(|()| good)
        }
        Task::Reports(options) => reports::check(&options),
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
