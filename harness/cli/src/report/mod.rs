//! Reporters: each receives every event of a run and writes a report in its own format.

pub mod html;
pub mod json;
pub mod junit;
mod matrix;
pub mod terminal;

use std::io;

use crate::event::Event;

/// Writes the report of a run.
pub trait Reporter {
    /// Handles one event.
    ///
    /// # Errors
    /// The report cannot be written.
    fn on_event(&mut self, event: &Event<'_>) -> io::Result<()>;
}
