//! BEGIN_REQUEST: whether a new request is had, and how it is rejected (§5.1, §5.5).
//!
//! A rejected request was never active, so whatever else arrives for it is ignored and its id is free at
//! once. Rejecting is the only way this server protects itself: nothing queues, so what it holds is what its
//! settings say.

use std::sync::Arc;

use reusespec_wire::fastcgi::{PairDecoder, ProtocolStatus, Role};
use tokio::sync::OwnedSemaphorePermit;

use super::dialogue::Dialogue;
use super::table::{Active, Stage};
use super::{FastCgiFault as Fault, Handler};

impl<H: Handler> Dialogue<H> {
    /// Begins a request, rejects it, or gives up on a web server that says an active id again.
    pub(super) fn begin(&mut self, id: u16, role: Role, keep_conn: bool) {
        let keep_conn = match self.settings.fault {
            Some(Fault::IgnoresKeepConn) => false,
            Some(Fault::NeverCloses) => true,
            _ => keep_conn,
        };
        if self.table.is_active(id) && !self.replaces(id) {
            return self.end_of_input();
        }
        let permit = match self.admit(role) {
            Ok(permit) => permit,
            Err(ProtocolStatus::UnknownRole) if self.has(Fault::UnknownRoleCloses) => return self.close(),
            Err(_) if self.has(Fault::MultiplexedRequestLost) => return,
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
            stdin_len: 0,
            stderr: false,
            _permit: permit,
        });
    }

    /// Whether a new request can be had: `None` is a permit that a fault does not need.
    fn admit(&self, role: Role) -> Result<Option<OwnedSemaphorePermit>, ProtocolStatus> {
        if !self.settings.roles.contains(&role) {
            return Err(ProtocolStatus::UnknownRole);
        }
        let one_at_a_time = !self.settings.multiplex
            || self.has(Fault::MpxsConnsLies)
            || self.has(Fault::MultiplexedRequestLost);
        if one_at_a_time && self.table.len() > 0 {
            return Err(ProtocolStatus::CantMpxConn);
        }
        if self.has(Fault::UnboundedIds) {
            return Ok(None);
        }
        if self.draining || self.table.len() >= self.settings.requests_per_connection_max {
            return Err(ProtocolStatus::Overloaded);
        }
        let permit = Arc::clone(&self.requests).try_acquire_owned();
        permit.map(Some).map_err(|_| ProtocolStatus::Overloaded)
    }

    /// The fault: an active id is silently given to the new request.
    fn replaces(&mut self, id: u16) -> bool {
        if !self.has(Fault::ActiveIdReplaced) {
            return false;
        }
        if let Some((serial, _)) = self.table.by_id(id) {
            self.drop_request(serial);
        }
        true
    }

    /// Ends a request that never became active. Without KEEP_CONN the connection closes, but not under the
    /// requests that were there first.
    fn reject(&mut self, id: u16, keep_conn: bool, status: ProtocolStatus) {
        self.append_end(id, 0, status);
        self.close_when_idle |= !keep_conn;
        self.close_if_idle();
    }
}
