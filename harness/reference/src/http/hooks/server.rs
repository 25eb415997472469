//! Faults in accepting connections, and in in switching keep-alives.

use super::super::shared::Mode;
use super::{Hooks, HttpFault};

impl Hooks {
    /// Whether the server accepts connections.
    pub(in crate::http) fn accepts(self, decided: bool) -> bool {
        decided || self.has(HttpFault::StopKeepsListening)
    }

    /// Whether a shutdown waits for requests that a handler has.
    pub(in crate::http) fn drains(self) -> bool {
        !self.has(HttpFault::StopDropsInFlight)
    }

    /// Whether an accepted connection is served.
    pub(in crate::http) fn serves_new(self, mode: Mode) -> bool {
        mode == Mode::Persist || !self.has(HttpFault::DisableRefusesNew)
    }

    /// Whether the server obeys a call that switches keep-alives off or on.
    pub(in crate::http) fn obeys_switch(self, enabled: bool) -> bool {
        !self.has(if enabled {
            HttpFault::EnableIgnored
        } else {
            HttpFault::DisableIgnored
        })
    }
}
