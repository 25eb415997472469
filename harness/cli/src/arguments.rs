//! What can be typed. `--help` is written here and nowhere else.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "Examples:
  reusespec run                                    everything, on this machine
  reusespec run port-reuse/time-wait               scenarios whose id contains this
  reusespec run port-reuse --case old=plain        only cases with this axis value
  reusespec run --implementation reference --fault no-reuse-addr
  reusespec explain port-reuse/time-wait           a scenario, its sources, how to repeat it

Exit status:
  0   everything is as expected
  1   a claim failed, a deviation is stale, or a snapshot changed
  2   wrong input: arguments, a scenario, a profile
  69  a platform or implementation was broken, and nothing failed";

/// Conformance and regression tests for the reuse and lifetime of network endpoints.
#[derive(Debug, Parser)]
#[command(name = "reusespec", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Arguments {
    /// The folder of scenarios; `scenarios` here or in a folder above if left out.
    #[arg(long, global = true, value_name = "DIR", env = "REUSESPEC_SCENARIOS")]
    pub scenarios: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios and compare what is seen with claims and snapshots.
    Run(Run),
    /// Print scenarios, cases and claims without running anything.
    List(List),
    /// Parse and check scenario files.
    Check {
        /// Files to check; every scenario if left out.
        files: Vec<PathBuf>,
    },
    /// Print the vocabulary of a step or family, or a scenario with its sources and how to repeat it.
    Explain {
        /// A step, a family or a scenario.
        topic: String,
    },
    /// Print the platforms and what they can do.
    Platforms,
    /// Print the known bugs that the reference can be started with.
    Faults,
    /// Print the implementations that can be tested, and what is missing.
    Implementations {
        /// Print where they are known to differ from a claim, as a page.
        #[arg(long)]
        deviations: bool,
    },
    /// Speak the agent's protocol on standard input and output.
    #[command(hide = true)]
    Agent,
}

/// What `run` takes.
#[derive(Debug, Args)]
pub struct Run {
    /// Scenarios whose id contains one of these; all if left out.
    pub filters: Vec<String>,
    /// Where to run.
    #[arg(long = "platform", value_name = "P", default_value = "host")]
    pub platforms: Vec<String>,
    /// What to test: `kernel`, `reference`, `go`, …; each scenario's own if left out.
    #[arg(long = "implementation", value_name = "I")]
    pub implementations: Vec<String>,
    /// Only cases with these axis values, e.g. `old=plain,new=reuse-addr`.
    #[arg(long = "case", value_name = "K=V,…", value_delimiter = ',', value_parser = axis_value)]
    pub points: Vec<(String, String)>,
    /// How many cases may be busy at once; the number of processors if left out.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub jobs: usize,
    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    pub format: Format,
    /// Also write a JUnit report.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Test a FastCGI application or HTTP server that runs already: `127.0.0.1:9000` or `unix:/run/app.sock`.
    #[arg(long, value_name = "HOST:PORT|unix:PATH", conflicts_with_all = ["implementations", "fault"])]
    pub target: Option<String>,
    /// SCRIPT_FILENAME of every request to the target.
    #[arg(long, value_name = "PATH", requires = "target")]
    pub script_filename: Option<String>,
    /// Keep what was on the wire of each case, a pcapng file a case.
    #[arg(long, value_name = "DIR")]
    pub capture: Option<PathBuf>,
    /// Start the reference with a known bug; see `reusespec faults`.
    #[arg(long, value_name = "NAME")]
    pub fault: Option<String>,
}

/// What `list` takes.
#[derive(Debug, Args)]
pub struct List {
    /// Scenarios whose id contains one of these; all if left out.
    pub filters: Vec<String>,
    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    pub format: Format,
}

/// Formats of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Terminal,
    /// One JSON object a line.
    Json,
}

fn axis_value(text: &str) -> Result<(String, String), String> {
    let (axis, value) = text.split_once('=').ok_or("expected AXIS=VALUE")?;
    Ok((axis.trim().to_owned(), value.trim().to_owned()))
}
