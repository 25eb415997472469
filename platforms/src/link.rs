//! A running agent as two streams, and whatever can start one again and again.

use std::error::Error;
use std::io::{Read, Write};
use std::time::Duration;

/// A running agent.
///
/// Dropping the [`AgentHandle`] ends the agent and everything started for it, on every path.
pub struct Link {
    /// Requests go here.
    pub requests: Box<dyn Write + Send>,
    /// Replies come from here.
    pub replies: Box<dyn Read + Send>,
    /// Keeps the agent alive.
    pub handle: Box<dyn AgentHandle>,
}

/// Keeps an agent alive until it is dropped, and remembers what it printed beside its replies.
pub trait AgentHandle: Send {
    /// The last lines of standard error or of the console, and how it ended if it has: for reports.
    fn diagnostics(&mut self) -> String;
}

/// What an agent is started for, as far as that decides how.
#[derive(Clone, Copy, Debug, Default)]
pub struct LaunchRequest<'e> {
    /// More than about a hundred cases, or files: a slow channel would take longer than a slower start.
    pub large_payload: bool,
    /// Everything the host will ever say, where the agent gets it before it starts ([`PlatformTraits::batch_input`],
    /// [`PlatformTraits::batch_files`]).
    pub requests: &'e [u8],
}

/// What whoever talks to a platform's agents has to know about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformTraits {
    /// By how much budgets are stretched, as the CPU is emulated.
    pub slower: u32,
    /// The clock skips what nobody works in. Then the agent is told everything beforehand: while it waited for a host
    /// its clock would run ahead by an unknown amount.
    pub batch_input: bool,
    /// A program's files are given before the machine starts, too ([`LaunchRequest::requests`]).
    pub batch_files: bool,
    /// How long it may take to boot: who is told beforehand is handed over before that.
    pub boot_timeout: Duration,
    /// How many cases it may be told of before it has begun them, where its channel loses what is not taken at once.
    pub max_outstanding: Option<usize>,
    /// Each agent costs a machine, so that one is shared where two could work side by side.
    pub dedicated_machine: bool,
    /// What the agent's hello must report as there.
    pub capabilities: Vec<String>,
}

impl Default for PlatformTraits {
    fn default() -> Self {
        Self {
            slower: 1,
            batch_input: false,
            batch_files: false,
            boot_timeout: Duration::ZERO,
            max_outstanding: None,
            dedicated_machine: false,
            capabilities: Vec::new(),
        }
    }
}

impl PlatformTraits {
    /// Whether a program's files can reach its agents: not through a channel that loses what is not taken at once.
    pub fn takes_files(&self) -> bool {
        self.batch_files || self.max_outstanding.is_none()
    }

    /// How long to wait for a sign of an agent that may take `budget` of its own time for what it does.
    pub fn reply_timeout(&self, budget: Duration) -> Duration {
        /// Spare time of a real clock.
        const SILENCE: Duration = Duration::from_secs(10);
        /// The slowest guest measured skips 36 s in one; a third of that, and a minute for what is computed.
        const SKIPPED: u32 = 12;
        const COMPUTED: Duration = Duration::from_secs(60);
        if self.batch_input {
            budget / SKIPPED + COMPUTED
        } else {
            budget * self.slower + SILENCE
        }
    }
}

/// Why there is no agent, with the way out; causes are kept.
pub type StartError = Box<dyn Error + Send + Sync>;

/// Something that agents can be started on, again and again.
pub trait Starter: Send + Sync {
    /// Start one. The calling thread must live as long as the link. `tell` hears what a reader should know
    /// meanwhile: a download that has begun, why the CPU is emulated.
    ///
    /// # Errors
    /// When something is missing, does not come up, or dies on the way.
    fn start(&self, launch: &LaunchRequest<'_>, notify: &mut dyn FnMut(String)) -> Result<Link, StartError>;

    /// How its agents work.
    fn traits(&self) -> PlatformTraits {
        PlatformTraits::default()
    }
}
