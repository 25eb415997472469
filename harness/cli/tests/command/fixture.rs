//! A temporary folder of scenarios, and the command run in it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use serde_json::Value;
use tempfile::TempDir;

/// Two sockets on one address: `EADDRINUSE` unless both have an option that allows it.
pub(crate) const SHARING: &str = r#"
title = "Two sockets on one address"
why = "a test"
source = ["posix: bind"]
matrix.new = ["plain", "reuse-port"]
steps = [
  { open = { socket = "old", kind = "udp4" } },
  { bind = { socket = "old", to = "127.0.0.1:$port" } },
  { open = { socket = "new", kind = "udp4", options = "$new" } },
  { bind = { socket = "new", to = "127.0.0.1:$port", label = "rebind" } },
]
[[claim]]
id = "refused"
level = "must"
expect = { rebind = "EADDRINUSE" }
"#;

/// Two cases; the first waits for a connection that never comes, until its budget ends.
pub(crate) const WAITING: &str = r#"
title = "Wait for a connection that does not come"
why = "a test"
source = ["posix: accept"]
budget = "30s"
matrix.kind = ["tcp4", "udp4"]
steps = [
  { open = { socket = "a", kind = "$kind" } },
  { bind = { socket = "a", to = "127.0.0.1:$port", label = "bound" } },
  { listen = { socket = "a", when = { kind = "tcp4" } } },
  { accept = { socket = "a", into = "b", when = { kind = "tcp4" } } },
]
"#;

/// A FastCGI request, with the claim that it is answered.
pub(crate) const REQUEST: &str = r#"
title = "A request"
why = "a test"
source = ["FastCGI 1.0 §5.5"]
budget = "8s"
matrix.id = [1, 2]
steps = [
  { send = { records = [{ request = { id = "$id" } }] } },
  { receive = { until = "END", label = "reply" } },
]
[[claim]]
id = "is-answered"
level = "must"
expect = { reply = { has = ['END id='] } }
"#;

/// Prints what a test leaves out, and why. Writes to standard error directly, because the test runner captures `eprintln!`.
pub(crate) fn left_out(what: &str, why: &str) {
    let line = format!("left out: {what}: {why}\n");
    // If standard error is closed, the line has no reader.
    let _ = io::stderr().write_all(line.as_bytes());
}

pub(crate) struct Fixture {
    folder: TempDir,
}

impl Fixture {
    /// Makes a folder with scenarios, each given by its name in `port-reuse` and its text.
    pub(crate) fn with(scenarios: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fixture = Self { folder };
        fs::create_dir_all(fixture.family()).unwrap();
        for (name, text) in scenarios {
            fixture.write(name, text);
        }
        fixture
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn family(&self) -> PathBuf {
        self.path().join("port-reuse")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.family().join(format!("{name}.toml")), text).unwrap();
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reusespec"));
        command
            .env("REUSESPEC_SCENARIOS", self.path())
            .env("NO_COLOR", "1")
            .current_dir(self.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Output::of(self.command().args(arguments).output().unwrap())
    }
}

/// The output and exit status of the command.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    pub(crate) fn of(output: process::Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The lines of `--format json`: cases by scenario and axis values, and the summary last. They are written as cases
    /// finish.
    pub(crate) fn json(&self) -> Vec<Value> {
        let lines = self
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let mut lines: Vec<Value> = lines.collect();
        lines.sort_by_key(|line| {
            (
                line.get("summary").is_some(),
                format!("{}{}", line["scenario"], line["case"]),
            )
        });
        lines
    }

    /// The summary, the last line of `--format json`.
    pub(crate) fn summary(&self) -> Value {
        self.json().pop().unwrap()["summary"].clone()
    }
}
