//! The two streams to an agent, and whatever keeps it alive.

use std::io::{Read, Write};

/// A running agent.
///
/// Dropping the [`Keeper`] ends the agent and everything started for it, on every path.
pub struct Link {
    /// Requests go here.
    pub requests: Box<dyn Write + Send>,
    /// Replies come from here.
    pub replies: Box<dyn Read + Send>,
    /// Keeps the agent alive.
    pub keeper: Box<dyn Keeper>,
}

/// Keeps an agent alive until it is dropped, and remembers what it printed beside its replies.
pub trait Keeper: Send {
    /// The last lines of standard error or of the console, and how it ended if it has: for reports.
    fn last_words(&mut self) -> String;
}
