//! BEGIN_REQUEST: whether a new request is admitted, and how it is rejected (§5.1, §5.5).
//!
//! A rejected request was never active, so its id is free at once and its later records are ignored. The server rejects
//! requests instead of queueing them, so its settings limit the memory it uses.

use std::sync::Arc;

use reusespec_wire::fastcgi::{PairDecoder, ProtocolStatus, Role};
use tokio::sync::OwnedSemaphorePermit;

use super::Handler;
use super::dialogue::Dialogue;
use super::table::{Active, Stage};

impl<H: Handler> Dialogue<H> {
    /// Begins a request or rejects it. Stops reading from a web server that begins an id which is active.
    pub(super) fn begin(&mut self, id: u16, role: Role, keep_conn: bool) {
        if self.table.is_active(id) {
            return self.end_of_input();
        }
        let permit = match self.admit(role) {
            Ok(permit) => permit,
            Err(status) => return self.reject(id, keep_conn, status),
        };
        let stage = Stage::Params {
            decoder: PairDecoder::new(self.settings.params_len_max),
            pairs: Vec::new(),
        };
        self.table.begin(Active {
            id,
            role,
            keep_conn,
            stage,
            params_len: 0,
            stderr: false,
            _permit: permit,
        });
    }

    /// Takes a permit for a new request, or returns the status with which the request is rejected.
    fn admit(&self, role: Role) -> Result<OwnedSemaphorePermit, ProtocolStatus> {
        if !self.settings.roles.contains(&role) {
            return Err(ProtocolStatus::UnknownRole);
        }
        if !self.settings.multiplex && self.table.len() > 0 {
            return Err(ProtocolStatus::CantMpxConn);
        }
        if self.draining || self.table.len() >= self.settings.requests_per_connection_max {
            return Err(ProtocolStatus::Overloaded);
        }
        let permit = Arc::clone(&self.requests).try_acquire_owned();
        permit.map_err(|_| ProtocolStatus::Overloaded)
    }

    /// Ends a request that never became active. Without KEEP_CONN the connection closes once the active requests have
    /// ended.
    pub(super) fn reject(&mut self, id: u16, keep_conn: bool, status: ProtocolStatus) {
        self.append_end(id, 0, status);
        self.close_when_idle |= !keep_conn;
        self.close_if_idle();
    }
}
