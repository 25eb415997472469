//! What can be typed. `--help` is written here and nowhere else.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::platforms::OwnKernel;

const EXAMPLES: &str = "Examples:
  reusespec run                                    everything, on this machine
  reusespec run port-reuse/time-wait               scenarios whose id contains this
  reusespec run port-reuse --case old=plain        only cases with this axis value
  reusespec run --implementation reference --fault no-reuse-addr
  reusespec run keepalive --platform linux-6.12    in a guest with this kernel
  reusespec diff linux-5.10 linux-6.12             where two kernels differ, and why
  reusespec explain port-reuse/time-wait           a scenario, its sources, how to repeat it

Exit status:
  0   everything is as expected
  1   a claim failed, a deviation is stale, or a snapshot changed
  2   wrong input: arguments, a scenario, a profile
  69  a platform or implementation was broken, and nothing failed";

const EXEC_EXAMPLES: &str = "Examples:
  reusespec exec linux-6.12 -- target/x86_64-unknown-linux-musl/debug/program --its-option
  export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER='reusespec exec linux-arm64 --'
  cargo test --target aarch64-unknown-linux-musl

Exit status: the program's own; 124 at its time limit, 126 if it cannot be started, 128 and the number of the signal
that ended it; 69 if the guest was broken.";

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
    Run(Box<Run>),
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
    /// Print where two kernels or implementations differ, by their reviewed tables, row by row.
    Diff(Diff),
    /// Download what guests are booted from, into the cache.
    Fetch {
        /// The platforms, such as `freebsd-14`.
        #[arg(required = true, value_name = "P")]
        platforms: Vec<String>,
    },
    /// Write the root file system of a guest to a file, for a machine that is booted by somebody else.
    Image(Image),
    /// Write snapshots from a run made elsewhere, for review.
    Accept(Accept),
    /// Print the platforms and what is missing for them; with a name, start it and print what it can do.
    Platforms {
        /// The platform to start.
        platform: Option<String>,
    },
    /// Print what this machine has for guests and implementations, and how to get the rest.
    Doctor,
    /// Run a program in a guest: what it prints appears here, and this command ends as the program did.
    #[command(after_help = EXEC_EXAMPLES)]
    Exec(Exec),
    /// Print the known bugs that the reference can be started with.
    Faults,
    /// Print the implementations that can be tested, and what is missing.
    Implementations {
        /// Print where they are known to differ from a claim, as a page.
        #[arg(long)]
        deviations: bool,
    },
    /// Print completions for a shell, e.g. `reusespec completions bash > …/bash-completion/completions/reusespec`.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page: `reusespec manual | man -l -`.
    Manual,
    /// Speak the agent's protocol on standard input and output.
    #[command(hide = true)]
    Agent,
}

/// What `image` takes.
#[derive(Debug, Args)]
pub struct Image {
    /// The Rust target of the agent, such as `x86_64-unknown-dragonfly`.
    pub target: String,
    /// The unpacked system whose run-time linker and libraries the agent needs.
    #[arg(long, value_name = "DIR")]
    pub tree: PathBuf,
    /// The ISO 9660 file to write.
    pub file: PathBuf,
}

/// What `accept` takes.
#[derive(Debug, Args)]
pub struct Accept {
    /// What `run --format json` printed there.
    #[arg(required = true, value_name = "RESULTS")]
    pub results: Vec<PathBuf>,
    /// Write the snapshots themselves: they have been reviewed.
    #[arg(long)]
    pub yes: bool,
}

/// What `run` takes.
#[derive(Debug, Args)]
pub struct Run {
    /// Scenarios whose id contains one of these; all if left out.
    pub filters: Vec<String>,
    /// Where to run: `host`, a guest such as `linux-6.12`, or the path of a platform's .toml file.
    #[arg(long = "platform", value_name = "P", default_value = "host")]
    pub platforms: Vec<String>,
    /// A kernel of one's own.
    #[command(flatten)]
    pub own: OwnKernel,
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
    /// Also write pages for a browser.
    #[arg(long, value_name = "DIR")]
    pub html: Option<PathBuf>,
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

/// What `diff` takes.
#[derive(Debug, Args)]
pub struct Diff {
    /// A platform or kernel (`linux-6.12`, `linux-6.1-s390x`), an implementation, or both (`host+go`).
    pub a: String,
    /// The other.
    pub b: String,
    /// Scenarios whose id contains one of these; all if left out.
    pub filters: Vec<String>,
}

/// What `exec` takes.
#[derive(Debug, Args)]
pub struct Exec {
    /// The guest.
    pub platform: String,
    /// The program, static or with --sysroot.
    pub program: PathBuf,
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
    /// Pass this variable on, or set it; what begins with RUST_ is passed on by itself.
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    pub environment: Vec<(String, Option<String>)>,
    /// Copy a file or folder into the guest: beside the program, or to TO.
    #[arg(long = "copy", value_name = "FROM[:TO]", value_parser = copy)]
    pub copies: Vec<Copy>,
    /// Copy everything in this folder to the guest's root: the libraries of a dynamic program.
    #[arg(long, value_name = "DIR")]
    pub sysroot: Option<PathBuf>,
    /// Kill the program after this many seconds.
    #[arg(long = "limit", value_name = "SECS", default_value_t = 600)]
    pub limit_secs: u64,
    /// A kernel of one's own.
    #[command(flatten)]
    pub own: OwnKernel,
}

/// A file or folder to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Here.
    pub from: PathBuf,
    /// In the guest; beside the program if left out.
    pub to: Option<String>,
}

impl Copy {
    /// Where it goes, if the program goes into `folder`.
    pub fn to(&self, folder: &str) -> String {
        let name = self.from.file_name().unwrap_or_default().to_string_lossy();
        match &self.to {
            Some(to) if to.starts_with('/') => to.clone(),
            Some(to) => format!("{folder}/{to}"),
            None => format!("{folder}/{name}"),
        }
    }
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

fn variable(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    if name.is_empty() {
        return Err("expected NAME or NAME=VALUE".to_owned());
    }
    Ok((name.to_owned(), value))
}

fn copy(text: &str) -> Result<Copy, String> {
    let (from, to) = match text.split_once(':') {
        Some((from, to)) => (from, Some(to.to_owned())),
        None => (text, None),
    };
    if from.is_empty() || to.as_ref().is_some_and(String::is_empty) {
        return Err("expected FROM or FROM:TO".to_owned());
    }
    Ok(Copy {
        from: from.into(),
        to,
    })
}
