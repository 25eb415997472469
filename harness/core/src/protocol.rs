//! The protocol between host and agent: each line is one JSON value, and the host begins.
//!
//! ```text
//! host  > {"start":{"protocol":4,"jobs":2}}          agent < {"hello":{"protocol":4,"system":{…},…}}
//! host  > {"run":{"key":{…},"steps":…}}              agent < {"started":{…}}
//! host  > "finish"                                   agent < {"finished":{"key":{…},"outcome":{…}}} …
//! {"done":{"count":1500}}
//! ```
//! Only data crosses: cases to the agent, observations to the host. The host prints a line that is not a message as a
//! note and ignores it, because a guest's kernel may write to the same serial line. If an agent ends without `done`,
//! the cases that it has not finished are `broken`.

use serde::{Deserialize, Serialize};

use crate::case::{Case, CaseKey};
use crate::observation::Outcome;
use crate::profile::External;
use crate::system::System;
use crate::timing::Timing;

/// The version of the protocol. It changes whenever the meaning of a message changes.
pub const PROTOCOL: u32 = 4;
/// The length limit of a line. Both sides refuse longer lines, which cannot be messages.
pub const LONGEST_LINE_BYTES: usize = 4 * 1024 * 1024;

/// A line of the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// The settings; the first line.
    Start(Start),
    /// A piece of the program under test, for the agent of a guest, which appends it to the file. All pieces come before
    /// the first case.
    Program {
        /// The path of the file.
        path: String,
        /// The bytes in lower-case hexadecimal.
        hexadecimal: String,
    },
    /// A case to execute.
    Run(Case),
    /// There are no more cases. The agent finishes the running ones, sends `done` and ends.
    Finish,
    /// Instead of `Start`: a program to run. The bytes of its files follow the line, one file after the other.
    Exec(Exec),
    /// A piece of the standard input of the program, after its files.
    Stdin {
        /// The bytes in lower-case hexadecimal. Without bytes, the end of the input.
        hexadecimal: String,
    },
}

/// A program to run in a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exec {
    /// The path of the program in the guest.
    pub program: String,
    /// The arguments.
    pub arguments: Vec<String>,
    /// All environment variables.
    pub environment: Vec<(String, String)>,
    /// The working directory.
    pub folder: String,
    /// The timeout in milliseconds.
    pub limit_ms: u64,
    /// The files to create before the program starts, in the order of their bytes.
    pub files: Vec<Placed>,
}

/// A file to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Placed {
    /// The path. Missing folders are created.
    pub path: String,
    /// The content.
    pub content: Content,
}

/// The content of a file to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// A symbolic link to this path.
    Link(String),
    /// The next bytes of the stream.
    Bytes {
        /// The number of bytes.
        count: u64,
        /// The permissions, as chmod(2) takes them.
        mode: u32,
    },
}

/// The settings of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Start {
    /// [`PROTOCOL`] of the host.
    pub protocol: u32,
    /// The number of cases that may use a processor at once. Waiting cases do not count.
    pub jobs: usize,
    /// The implementation under test.
    pub implementation: Implementation,
    /// Whether cases with a wire send a recording of it.
    #[serde(default)]
    pub capture: bool,
    /// Whether the guest runs in virtual time, where the clock skips idle time. An agent cannot find that out. In
    /// virtual time waiting is free, and each case begins at a time that does not depend on the cases before it.
    #[serde(default)]
    pub virtual_time: bool,
}

/// The implementation under test, as the agent needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Implementation {
    /// The kernel itself, tested by system calls.
    Kernel,
    /// The reference implementation.
    Reference {
        /// The fault to switch on.
        fault: Option<String>,
    },
    /// A program with a profile. The agent starts it for every case.
    External(Box<External>),
    /// An application that is running already.
    Target(Target),
}

/// A running application, given by `--target`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Target {
    /// The address: `127.0.0.1:9000`, or `unix:` and a path.
    pub at: String,
    /// The value of SCRIPT_FILENAME in every request, if the application needs one.
    pub script_filename: Option<String>,
}

/// A line of the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The first line.
    Hello(Hello),
    /// A case has begun.
    Started(CaseKey),
    /// A case has ended.
    Finished(Finished),
    /// The last line, after `Finish`.
    Done {
        /// The number of finished cases.
        count: usize,
    },
    /// Output of a program, while it runs.
    Output {
        /// The stream of the program.
        stream: Stream,
        /// The bytes in lower-case hexadecimal: a line of JSON cannot hold arbitrary bytes.
        hexadecimal: String,
    },
    /// How a program ended; the last line.
    Ended(Ended),
}

/// A stream of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It exited with this status.
    Exited(i32),
    /// This signal ended it.
    Signalled(i32),
    /// It was killed at its timeout.
    TooLate,
    /// Its files could not be created, or it could not be started; the text says why.
    NotStarted(String),
}

/// What the agent has found out about itself and its machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hello {
    /// [`PROTOCOL`] of the agent.
    pub protocol: u32,
    /// The running kernel.
    pub system: System,
    /// `x86_64`, as uname(1) says.
    pub machine: String,
    /// The number of processors the agent may use.
    pub processors: usize,
    /// The calibration of its clocks.
    pub timing: Timing,
    /// The capabilities that scenarios may require.
    pub capabilities: Vec<Capability>,
    /// Settings of the system that influence rows: name and value.
    pub settings: Vec<(String, String)>,
}

/// The capability of a guest in virtual time. Only the platform knows it; the guest's kernel does not.
pub const VIRTUAL_TIME: &str = "virtual-time";

/// A capability that a scenario can require.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Capability {
    /// The name in scenarios.
    pub name: String,
    /// Why the agent lacks it and how to get it; `None` if the agent has it.
    pub missing: Option<String>,
}

impl Hello {
    /// Why the agent lacks a capability; `None` if it has it. An agent lacks every capability that it does not know.
    pub fn lacks(&self, name: &str) -> Option<String> {
        match self
            .capabilities
            .iter()
            .find(|capability| capability.name == name)
        {
            Some(capability) => capability.missing.clone(),
            None => Some(format!("this agent does not know the capability `{name}`")),
        }
    }
}

/// The result of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finished {
    /// The name of the case.
    pub key: CaseKey,
    /// How its execution ended.
    pub outcome: Outcome,
    /// Wall time in microseconds, preparation of the sandbox included.
    pub elapsed_us: u64,
    /// The recording of the case's wire, a pcapng file in lower-case hexadecimal, if [`Start::capture`] is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<String>,
}
