//! What host and agent say to each other: one JSON object a line, host first.
//!
//! ```text
//! host  > {"start":{"protocol":2,"jobs":2}}          agent < {"hello":{"protocol":2,"system":{…},…}}
//! host  > {"run":{"key":{…},"steps":…}}              agent < {"started":{…}}
//! host  > "finish"                                   agent < {"finished":{"key":{…},"outcome":{…}}} … {"done":{"count":1500}}
//! ```
//! Only data crosses: cases in, observations out. A line that is not a message is counted and shown, never
//! obeyed: on a serial line the guest's kernel may print between ours. An agent that ends without `done` has
//! not told everything, and its missing cases are `broken`.

use serde::{Deserialize, Serialize};

use crate::case::{Case, CaseKey};
use crate::observation::Outcome;
use crate::profile::External;
use crate::system::System;
use crate::timing::Timing;

/// Changes whenever a message changes its meaning.
pub const PROTOCOL: u32 = 2;
/// A longer line is refused by either side: something else is talking.
pub const LONGEST_LINE_BYTES: usize = 4 * 1024 * 1024;

/// A line from the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// The first line.
    Start(Start),
    /// A case to execute.
    Run(Case),
    /// No more cases: finish what is running, say `done` and end.
    Finish,
    /// Instead of a start: run a program. The bytes of its files follow the line, one file after the other.
    Exec(Exec),
}

/// A program to run in a machine of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exec {
    /// Path of the program there.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// Its working directory.
    pub folder: String,
    /// How long it may take.
    pub limit_ms: u64,
    /// What to place before it starts, in the order of the bytes.
    pub files: Vec<Placed>,
}

/// A file to place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Placed {
    /// Where; folders are made.
    pub path: String,
    /// What.
    pub content: Content,
}

/// What a placed file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// A symbolic link to this.
    Link(String),
    /// The next bytes of the stream.
    Bytes {
        /// How many.
        count: u64,
        /// Permissions, as chmod(2) takes them.
        mode: u32,
    },
}

/// How to work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Start {
    /// [`PROTOCOL`] of the host.
    pub protocol: u32,
    /// How many cases may be busy at once; waiting ones are not counted.
    pub jobs: usize,
    /// Which implementation answers the implementation's steps.
    pub implementation: Implementation,
    /// Whether cases with a wire send back what was on it.
    #[serde(default)]
    pub capture: bool,
    /// Whether the clock skips what nobody works in. No agent can find that out; waiting then costs nothing, and cases
    /// begin at moments that do not depend on what came before them.
    #[serde(default)]
    pub virtual_time: bool,
}

/// What is tested, as far as the agent has to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Implementation {
    /// Raw system calls.
    Kernel,
    /// Our own, possibly with a known historical bug switched on.
    Reference {
        /// Name of the fault.
        fault: Option<String>,
    },
    /// Somebody's, started for every case.
    External(Box<External>),
    /// One that runs already, somewhere.
    Target(Target),
}

/// An application that somebody else has started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Target {
    /// `127.0.0.1:9000`, or `unix:` and a path.
    pub at: String,
    /// SCRIPT_FILENAME of every request, where it needs one.
    pub script_filename: Option<String>,
}

/// A line from the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The first line.
    Hello(Hello),
    /// A case has begun.
    Started(CaseKey),
    /// A case has ended.
    Finished(Finished),
    /// The last line.
    Done {
        /// How many cases were finished.
        count: usize,
    },
    /// What a program has printed, as it prints it.
    Output {
        /// Where to.
        stream: Stream,
        /// The bytes.
        hexadecimal: String,
    },
    /// How a program ended: the last line.
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
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It was killed when its time was over.
    TooLate,
    /// It could not be placed or started; the text says why.
    NotStarted(String),
}

/// Bytes as pairs of hexadecimal digits: what crosses is lines, and twice the size is little for what is sent.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes again; `None` where it is not pairs of hexadecimal digits.
pub fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.as_bytes().chunks(2).map(byte).collect()
}

/// Who the agent is and what it can do there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hello {
    /// [`PROTOCOL`] of the agent.
    pub protocol: u32,
    /// The running kernel.
    pub system: System,
    /// `x86_64`, as uname(1) says.
    pub machine: String,
    /// Processors the agent may use.
    pub processors: usize,
    /// What it found out about its clocks.
    pub timing: Timing,
    /// What scenarios may require.
    pub capabilities: Vec<Capability>,
    /// Settings of the system that decide rows, for the record.
    pub settings: Vec<(String, String)>,
}

/// The capability that no kernel can tell its programs of: the platform says it.
pub const VIRTUAL_TIME: &str = "virtual-time";

/// Something a scenario can require, and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Capability {
    /// The word scenarios use.
    pub name: String,
    /// Why it is missing and how to get it; `None` if it is there.
    pub missing: Option<String>,
}

impl Hello {
    /// Why a capability is missing, if it is. A word nobody knows is missing too.
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

/// What a case came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finished {
    /// Which case.
    pub key: CaseKey,
    /// What was seen, or why not.
    pub outcome: Outcome,
    /// Wall time, preparation of its namespace included.
    pub elapsed_us: u64,
    /// What was on the case's wire as a pcapng file in hexadecimal, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_bytes_again() {
        assert_eq!(
            from_hexadecimal(&hexadecimal(&[10, 13, 255])),
            Some(vec![10, 13, 255])
        );
        assert_eq!(from_hexadecimal("0x"), None);
    }
}
