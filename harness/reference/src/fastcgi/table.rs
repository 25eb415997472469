//! The active ids of one connection and the state of their requests.
//!
//! A request has an id, which the web server chooses and reuses, and a serial, which is unique on the connection.
//! Output is matched by serial, so late output of a finished or aborted handler never appears in the request that has
//! its id now. This needs two maps; with one map by id, such output would.

use std::collections::HashMap;

use reusespec_wire::fastcgi::{Pair, PairDecoder, Role};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;

use super::input::Feed;

/// Identifies a request on its connection; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Serial(u64);

/// A request between BEGIN_REQUEST and END_REQUEST.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) id: u16,
    pub(super) role: Role,
    pub(super) keep_conn: bool,
    pub(super) stage: Stage,
    /// Bytes of PARAMS received, charged to the connection until the request ends.
    pub(super) params_len: usize,
    /// Whether STDERR has been written to.
    pub(super) stderr: bool,
    /// One of the server's `requests_max`.
    pub(super) _permit: OwnedSemaphorePermit,
}

/// How much of a request has been received.
#[derive(Debug)]
pub(super) enum Stage {
    /// PARAMS is being received; there is no handler yet.
    Params {
        /// Holds a pair that is not complete.
        decoder: PairDecoder,
        /// The complete pairs.
        pairs: Vec<Pair>,
    },
    /// The handler runs. A feed is `None` once its stream has ended.
    Running {
        /// Stops the handler.
        task: AbortHandle,
        stdin: Option<Feed>,
        data: Option<Feed>,
    },
}

impl Active {
    /// Whether the request has been received completely.
    pub(super) fn is_received(&self) -> bool {
        matches!(
            self.stage,
            Stage::Running {
                stdin: None,
                data: None,
                ..
            }
        )
    }
}

#[derive(Debug, Default)]
pub(super) struct Table {
    by_id: HashMap<u16, Serial>,
    requests: HashMap<Serial, Active>,
    serials: u64,
    params_held: usize,
}

impl Table {
    /// Whether the id is active, so that BEGIN_REQUEST must not use it.
    pub(super) fn is_active(&self, id: u16) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Makes an id active.
    pub(super) fn begin(&mut self, active: Active) -> Serial {
        self.serials += 1;
        let serial = Serial(self.serials);
        self.by_id.insert(active.id, serial);
        self.requests.insert(serial, active);
        serial
    }

    /// Makes an id inactive, unless another request has it by now. The request stays in the table until it is removed.
    pub(super) fn free_id(&mut self, id: u16, serial: Serial) {
        if self.by_id.get(&id) == Some(&serial) {
            self.by_id.remove(&id);
        }
    }

    /// Removes a request. The caller frees its id.
    pub(super) fn remove(&mut self, serial: Serial) -> Option<Active> {
        let active = self.requests.remove(&serial)?;
        self.params_held -= active.params_len;
        Some(active)
    }

    /// The request that has this id.
    pub(super) fn by_id(&mut self, id: u16) -> Option<(Serial, &mut Active)> {
        let serial = *self.by_id.get(&id)?;
        self.requests.get_mut(&serial).map(|active| (serial, active))
    }

    /// The request with this serial.
    pub(super) fn get(&mut self, serial: Serial) -> Option<&mut Active> {
        self.requests.get_mut(&serial)
    }

    /// The request whose handler is this task.
    pub(super) fn by_task(&self, id: tokio::task::Id) -> Option<Serial> {
        let runs = |active: &Active| matches!(&active.stage, Stage::Running { task, .. } if task.id() == id);
        self.requests
            .iter()
            .find(|(_, active)| runs(active))
            .map(|(serial, _)| *serial)
    }

    /// The id of the request that was begun last.
    pub(super) fn newest_id(&self) -> Option<u16> {
        self.requests
            .iter()
            .max_by_key(|(serial, _)| serial.0)
            .map(|(_, active)| active.id)
    }

    /// Charges PARAMS bytes to a request and returns how many the connection holds now.
    pub(super) fn charge_params(&mut self, serial: Serial, len: usize) -> usize {
        if let Some(active) = self.requests.get_mut(&serial) {
            active.params_len += len;
            self.params_held += len;
        }
        self.params_held
    }

    /// The requests that have not been received completely.
    pub(super) fn unreceived(&self) -> Vec<Serial> {
        let unreceived = self.requests.iter().filter(|(_, active)| !active.is_received());
        unreceived.map(|(serial, _)| *serial).collect()
    }

    /// The number of requests in the table.
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }
}
