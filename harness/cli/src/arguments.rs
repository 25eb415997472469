//! The command-line arguments and their help texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::platforms::OwnKernel;

const EXAMPLES: &str = "Examples:
  reusespec run                                    run all scenarios on this machine
  reusespec run port-reuse/restart-over            run the scenarios whose id contains this text
  reusespec run port-reuse --case old=plain        run the cases with this axis value
  reusespec run --implementation reference --fault no-reuse-addr
  reusespec run keepalive --platform linux-6.12    run in a guest with this kernel
  reusespec diff linux-5.10 linux-6.12             print the rows in which two kernels differ
  reusespec explain port-reuse/restart-over-time-wait

Exit status:
  0   everything is as expected
  1   a claim failed, a deviation is stale, or a snapshot changed
  2   wrong input: arguments, a scenario, a profile
  69  a platform or implementation was broken, and nothing failed";

const EXEC_EXAMPLES: &str = "Examples:
  reusespec exec linux-6.12 -- target/x86_64-unknown-linux-musl/debug/program --its-option
  export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER='reusespec exec linux-arm64 --'
  cargo test --target aarch64-unknown-linux-musl

Exit status: that of the program; 124 if it reached its time limit, 126 if it could not be started, 128 plus the number
of the signal that ended it, 69 if the guest was broken.";

/// Conformance and regression tests for the reuse and lifetime of network endpoints.
#[derive(Debug, Parser)]
#[command(name = "reusespec", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Arguments {
    /// The folder of scenarios; by default `scenarios` in this folder or in one above it.
    #[arg(long, global = true, value_name = "DIR", env = "REUSESPEC_SCENARIOS")]
    pub scenarios: Option<PathBuf>,
    /// The folder of implementation profiles; by default that of the checkout with the scenarios, or of the checkout
    /// from which this program was built.
    #[arg(
        id = "profiles",
        long = "implementations",
        global = true,
        value_name = "DIR",
        env = "REUSESPEC_IMPLEMENTATIONS"
    )]
    pub implementations: Option<PathBuf>,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios and compare the observations with claims and snapshots.
    Run(Box<Run>),
    /// Print scenarios, cases and claims without running anything.
    List(List),
    /// Parse and check scenario files.
    Check {
        /// Files to check; all scenarios if omitted.
        files: Vec<PathBuf>,
    },
    /// Print the steps of a family, the keys of a step, or a scenario with its sources and the command to repeat it.
    Explain {
        /// A step, a family or a scenario.
        topic: String,
    },
    /// Print the rows in which the snapshots of two kernels or implementations differ.
    Diff(Diff),
    /// Download kernels and disk images of guests into the cache.
    Fetch {
        /// The platforms, such as `freebsd-14`.
        #[arg(required = true, value_name = "P")]
        platforms: Vec<String>,
    },
    /// Write the root file system of a guest to a file, for a machine that this program does not boot.
    Image(Image),
    /// Write snapshots for review from the results of a run on another machine.
    Accept(Accept),
    /// Print the platforms and what each of them needs; with a name, start that platform and print its capabilities.
    Platforms {
        /// The platform to start.
        platform: Option<String>,
    },
    /// Print which programs for guests and implementations this machine has, and how to install the missing ones.
    Doctor,
    /// Run a program in a guest, with its output and exit status as if it ran here.
    #[command(after_help = EXEC_EXAMPLES)]
    Exec(Exec),
    /// Print the known bugs that can be switched on in the reference.
    Faults,
    /// Print the implementations that can be tested, with their versions or what is missing.
    Implementations {
        /// Print their known deviations from claims, as Markdown.
        #[arg(long)]
        deviations: bool,
    },
    /// Start an adapter and check its answers to the requests of `harness/implementations/ADAPTERS.md`.
    AdapterCheck {
        /// The command that starts the adapter.
        #[arg(
            required = true,
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "COMMAND"
        )]
        command: Vec<String>,
    },
    /// Write the scenarios and implementations that this program carries to a folder, to change them. A run in that folder
    /// uses them.
    Export {
        /// The folder, which is created.
        folder: PathBuf,
    },
    /// Print completions for a shell, e.g. `reusespec completions bash > …/bash-completion/completions/reusespec`.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page: `reusespec manual | man -l -`.
    Manual,
    /// Speak the agent's protocol on standard input and output.
    #[command(hide = true)]
    Agent,
}

/// Arguments of `image`.
#[derive(Debug, Args)]
pub struct Image {
    /// The Rust target of the agent, such as `x86_64-unknown-dragonfly`.
    pub target: String,
    /// The unpacked system with the run-time linker and libraries that the agent needs.
    #[arg(long, value_name = "DIR")]
    pub tree: PathBuf,
    /// The ISO 9660 file to write.
    pub file: PathBuf,
}

/// Arguments of `accept`.
#[derive(Debug, Args)]
pub struct Accept {
    /// Output of `run --format json` on the other machine.
    #[arg(required = true, value_name = "RESULTS")]
    pub results: Vec<PathBuf>,
    /// Overwrite the snapshots instead of writing `.snap.new` files for review.
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Select the scenarios whose id contains one of these texts; all if omitted.
    pub filters: Vec<String>,
    /// Run on these platforms: `host`, a guest such as `linux-6.12`, or the path of a platform's .toml file.
    #[arg(
        long = "platform",
        value_name = "P,…",
        default_value = "host",
        value_delimiter = ','
    )]
    pub platforms: Vec<String>,
    /// The kernel to boot instead of the platform's.
    #[command(flatten)]
    pub own: OwnKernel,
    /// Test these implementations: `kernel`, `reference`, `go`, …; by default the one each scenario is written for.
    #[arg(long = "implementation", value_name = "I,…", value_delimiter = ',')]
    pub implementations: Vec<String>,
    /// Select the cases with these axis values, e.g. `old=plain,new=reuse-addr`.
    #[arg(long = "case", value_name = "K=V,…", value_delimiter = ',', value_parser = axis_value)]
    pub points: Vec<(String, String)>,
    /// Maximum number of cases that use a processor at the same time; the number of processors if omitted.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub jobs: usize,
    /// The format of standard output.
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    pub format: Format,
    /// Also write a JUnit report to this file.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Also write HTML pages to this folder.
    #[arg(long, value_name = "DIR")]
    pub html: Option<PathBuf>,
    /// Test a running FastCGI application or HTTP server: `127.0.0.1:9000` or `unix:/run/app.sock`.
    #[arg(long, value_name = "HOST:PORT|unix:PATH", conflicts_with_all = ["implementations", "fault"])]
    pub target: Option<String>,
    /// SCRIPT_FILENAME of every request to the target.
    #[arg(long, value_name = "PATH", requires = "target")]
    pub script_filename: Option<String>,
    /// Write a pcapng file with the packets of each case to this folder.
    #[arg(long, value_name = "DIR")]
    pub capture: Option<PathBuf>,
    /// Switch on a known bug in the reference; see `reusespec faults`.
    #[arg(long, value_name = "NAME")]
    pub fault: Option<String>,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// A platform or kernel (`linux-6.12`, `linux-6.1-s390x`), an implementation, or both (`host+go`).
    pub a: String,
    /// What to compare it with, in the same form.
    pub b: String,
    /// Select the scenarios whose id contains one of these texts; all if omitted.
    pub filters: Vec<String>,
}

/// Arguments of `exec`.
#[derive(Debug, Args)]
pub struct Exec {
    /// The guest.
    pub platform: String,
    /// The program; a dynamically linked one needs --sysroot.
    pub program: PathBuf,
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
    /// Pass on this variable, or set it. Variables whose names begin with RUST_ are always passed on.
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    pub environment: Vec<(String, Option<String>)>,
    /// Copy a file or folder into the guest: into the program's folder, or to TO.
    #[arg(long = "copy", value_name = "FROM[:TO]", value_parser = copy)]
    pub copies: Vec<Copy>,
    /// Copy the content of this folder, such as the libraries of a dynamically linked program, to the guest's root.
    #[arg(long, value_name = "DIR")]
    pub sysroot: Option<PathBuf>,
    /// Kill the program after this many seconds.
    #[arg(long = "limit", value_name = "SECS", default_value_t = 600)]
    pub limit_secs: u64,
    /// The kernel to boot instead of the platform's.
    #[command(flatten)]
    pub own: OwnKernel,
}

/// A file or folder to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Path on this machine.
    pub from: PathBuf,
    /// Path in the guest, or a name in the program's folder; the name of `from` if omitted.
    pub to: Option<String>,
}

impl Copy {
    /// The path in the guest, if the program's folder is `folder`.
    pub fn to(&self, folder: &str) -> String {
        let name = self.from.file_name().unwrap_or_default().to_string_lossy();
        match &self.to {
            Some(to) if to.starts_with('/') => to.clone(),
            Some(to) => format!("{folder}/{to}"),
            None => format!("{folder}/{name}"),
        }
    }
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Select the scenarios whose id contains one of these texts; all if omitted.
    pub filters: Vec<String>,
    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    pub format: Format,
}

/// Formats of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables, and messages about failures.
    Terminal,
    /// One JSON object per line.
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
