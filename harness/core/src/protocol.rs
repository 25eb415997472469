//! What host and agent say to each other: one JSON object a line, host first.
//!
//! ```text
//! host  > {"start":{"protocol":1,"jobs":2}}          agent < {"hello":{"protocol":1,"system":{…},…}}
//! host  > {"run":{"key":{…},"steps":…}}              agent < {"started":{…}}
//! host  > "finish"                                   agent < {"finished":{"key":{…},"outcome":{…}}} … {"done":{"count":1500}}
//! ```
//! Only data crosses: cases in, observations out. A line that is not a message is counted and shown, never
//! obeyed: on a serial line the guest's kernel may print between ours. An agent that ends without `done` has
//! not told everything, and its missing cases are `broken`.

use serde::{Deserialize, Serialize};

use crate::case::{Case, CaseKey};
use crate::observation::Outcome;
use crate::system::System;

/// Changes whenever a message changes its meaning.
pub const PROTOCOL: u32 = 1;
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
    /// What scenarios may require.
    pub capabilities: Vec<Capability>,
    /// Settings of the system that decide rows, for the record.
    pub settings: Vec<(String, String)>,
}

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
}
