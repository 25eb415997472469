//! Steps on the connections between the web server and the application.

use std::time::Duration;

use reusespec_core::Observed;
use reusespec_core::step::fastcgi::{Receive, Send};

use super::Probe;
use super::application::CONNECT_WITHIN;
use super::connection::Connection;
use crate::stop::{Answer, Stop};

/// `receive` waits this long before it gives the case's slot to another case.
const SOON: Duration = Duration::from_millis(10);

impl Probe<'_, '_> {
    /// Opens a connection. Starts the application with its defaults if no `serve` did.
    pub(super) fn connect(&mut self, name: &str) -> Answer {
        let place = self.application()?.place.clone();
        let connected = match place.connect(CONNECT_WITHIN) {
            Err(error) if self.is_target() => {
                // A target that is not running says nothing about the application.
                let name = crate::errno::name(&error);
                return Err(Stop::Broken(format!("{place} cannot be connected to: {name}")));
            }
            connected => connected?,
        };
        self.connections
            .insert(name.to_owned(), Connection::new(connected)?);
        Ok(Observed::ok())
    }

    /// The connection with this name. Opens it if it is not open.
    pub(super) fn connection(&mut self, name: &str) -> Result<&mut Connection, Stop> {
        if self.poisoned.iter().any(|poisoned| poisoned == name) {
            return Err(Stop::Poisoned);
        }
        if !self.connections.contains_key(name) {
            self.connect(name)?;
        }
        Ok(self.connections.get_mut(name).expect("it was opened above"))
    }

    pub(super) fn send(&mut self, step: &Send) -> Answer {
        let writes = self.writer()?.writes(step);
        let deadline = self.deadline();
        self.connection(&step.connection)?.send(writes, deadline);
        Ok(Observed::ok())
    }

    pub(super) fn half_close(&mut self, name: &str) -> Answer {
        self.connection(name)?.half_close();
        Ok(Observed::ok())
    }

    pub(super) fn close(&mut self, name: &str) -> Answer {
        self.connections.remove(name);
        Ok(Observed::ok())
    }

    pub(super) fn receive(&mut self, step: &Receive) -> Answer {
        let deadline = self.deadline();
        let is_target = self.is_target();
        self.connection(&step.connection)?;
        let connection = self
            .connections
            .get_mut(&step.connection)
            .expect("it was opened above");
        if is_target {
            // A target may serve one connection at a time, so the next case must not begin while this one waits.
            return Ok(Observed::Transcript(connection.receive(step, deadline)));
        }
        // For an answer that comes soon, giving up the slot would cost more than it gains.
        connection.peek(SOON.min(connection.budget(step)));
        let lines = self.run.reporter.waiting(|| connection.receive(step, deadline))?;
        Ok(Observed::Transcript(lines))
    }
}
