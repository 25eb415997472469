//! Events → text. A reporter hears every event and writes what its readers need.

pub mod html;
pub mod json;
pub mod junit;
mod matrix;
pub mod terminal;

use std::io;

use crate::event::Event;

/// Writes a run down.
pub trait Reporter {
    /// Takes one event.
    ///
    /// # Errors
    /// When the report cannot be written.
    fn on_event(&mut self, event: &Event<'_>) -> io::Result<()>;
}
