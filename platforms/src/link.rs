//! A running agent as two byte streams, and the trait of everything that can start agents.

use std::error::Error;
use std::io::{Read, Write};
use std::time::Duration;

/// A running agent. Dropping its [`AgentHandle`] kills the agent and every process started for it.
pub struct Link {
    /// The stream for requests to the agent.
    pub requests: Box<dyn Write + Send>,
    /// The stream of the agent's replies.
    pub replies: Box<dyn Read + Send>,
    /// Keeps the agent alive, and reports on it.
    pub handle: Box<dyn AgentHandle>,
}

/// Keeps an agent alive until it is dropped, and keeps what the agent printed outside the protocol.
pub trait AgentHandle: Send {
    /// For reports: the agent's exit status, if it has exited, and the last lines of its standard error or console.
    fn diagnostics(&mut self) -> String;
}

/// Describes the work of an agent that is about to be started, as far as it affects how it is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct LaunchRequest<'e> {
    /// The agent will receive more than about a hundred cases, or files. A faster channel is then worth a slower boot.
    pub large_payload: bool,
    /// All requests, if the platform must have them before the agent starts ([`PlatformTraits::batch_input`] and
    /// [`PlatformTraits::batch_files`]). Otherwise empty.
    pub requests: &'e [u8],
}

/// What the host must know to talk to the agents of a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformTraits {
    /// The factor by which time budgets grow, because the CPU is emulated.
    pub slower: u32,
    /// The agent receives all requests before it starts. In virtual time the clock skips idle time, so it would advance
    /// by an unknown amount while the agent waits for the host.
    pub batch_input: bool,
    /// Requests that carry programs must be given before the start ([`LaunchRequest::requests`]).
    pub batch_files: bool,
    /// Each agent runs in a virtual machine of its own. Starting one is expensive, so the cases of the kernel and of the
    /// reference share an agent.
    pub dedicated_machine: bool,
    /// The Rust target of the programs that run there, if the platform is a machine of its own.
    pub target: Option<String>,
    /// The capabilities that the agent's hello must report.
    pub capabilities: Vec<String>,
}

impl Default for PlatformTraits {
    fn default() -> Self {
        Self {
            slower: 1,
            batch_input: false,
            batch_files: false,
            dedicated_machine: false,
            target: None,
            capabilities: Vec::new(),
        }
    }
}

impl PlatformTraits {
    /// How long the host waits for the next reply of an agent whose work may take `budget` on the agent's clock.
    pub fn reply_timeout(&self, budget: Duration) -> Duration {
        /// Added to the budget on a real clock.
        const MARGIN: Duration = Duration::from_secs(10);
        /// Seconds of virtual time that pass in a real one. The slowest guest measured skips 36, and this is a third of
        /// it.
        const VIRTUAL_SPEED: u32 = 12;
        /// Added in virtual time, for the computing that cannot be skipped.
        const COMPUTING: Duration = Duration::from_secs(60);
        if self.batch_input {
            budget / VIRTUAL_SPEED + COMPUTING
        } else {
            budget * self.slower + MARGIN
        }
    }
}

/// Why an agent could not be started. The message says what to do; the sources are the causes.
pub type StartError = Box<dyn Error + Send + Sync>;

/// A platform on which any number of agents can be started.
pub trait Starter: Send + Sync {
    /// Starts an agent. `notify` receives messages for the user: a download has begun, or why the CPU is emulated.
    ///
    /// # Errors
    /// When something is missing, or when the machine or the agent does not start.
    fn start(&self, launch: &LaunchRequest<'_>, notify: &mut dyn FnMut(String)) -> Result<Link, StartError>;

    /// The properties of its agents.
    fn traits(&self) -> PlatformTraits {
        PlatformTraits::default()
    }
}
