//! Which ids are active on one connection, and what is known about their requests.
//!
//! An id and a request are two things: the id is what the web server says, the serial is which request it
//! meant. Output is matched by serial, so what a finished or aborted handler still says can never appear
//! under the request that has its id now. That needs a second map; the alternative, one map by id, is the bug
//! this suite began with.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use reusespec_wire::fastcgi::{Pair, PairDecoder, Role};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;

use super::input::Feed;

/// How long `IdFreedLate` keeps an id.
const LATE: Duration = Duration::from_millis(50);

/// Tells requests on one connection apart for ever.
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
    /// Bytes of STDIN received.
    pub(super) stdin_len: u64,
    /// Whether STDERR has been written to.
    pub(super) stderr: bool,
    /// One of the server's `requests_max`.
    pub(super) _permit: Option<OwnedSemaphorePermit>,
}

/// How far a request has got.
#[derive(Debug)]
pub(super) enum Stage {
    /// PARAMS are arriving; there is no handler yet.
    Params {
        /// What is cut.
        decoder: PairDecoder,
        /// What is whole.
        pairs: Vec<Pair>,
    },
    /// The handler runs; a feed is gone when its stream has ended.
    Running {
        /// Stops the handler.
        task: AbortHandle,
        /// CONTENT_LENGTH, where it is a number.
        content_length: Option<u64>,
        stdin: Option<Feed>,
        data: Option<Feed>,
    },
}

impl Active {
    /// Whether nothing more has to arrive.
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
    /// Ids whose END_REQUEST is out, for the fault that keeps them a little longer.
    late: HashMap<u16, Instant>,
}

impl Table {
    /// Whether a BEGIN_REQUEST with this id would be a mistake.
    pub(super) fn is_active(&self, id: u16) -> bool {
        self.by_id.contains_key(&id) || self.late.get(&id).is_some_and(|freed| freed.elapsed() < LATE)
    }

    /// Makes an id active.
    pub(super) fn begin(&mut self, active: Active) -> Serial {
        self.serials += 1;
        let serial = Serial(self.serials);
        self.by_id.insert(active.id, serial);
        self.requests.insert(serial, active);
        serial
    }

    /// Makes an id inactive, unless it stands for another request by now. The request goes on existing until
    /// it is removed.
    pub(super) fn free_id(&mut self, id: u16, serial: Serial) {
        if self.by_id.get(&id) == Some(&serial) {
            self.by_id.remove(&id);
        }
    }

    /// Makes an id inactive later than it should be.
    pub(super) fn free_id_late(&mut self, id: u16, serial: Serial) {
        self.free_id(id, serial);
        self.late.insert(id, Instant::now());
    }

    /// Forgets a request; its id is the caller's business.
    pub(super) fn remove(&mut self, serial: Serial) -> Option<Active> {
        let active = self.requests.remove(&serial)?;
        self.params_held -= active.params_len;
        Some(active)
    }

    /// The request an id stands for.
    pub(super) fn by_id(&mut self, id: u16) -> Option<(Serial, &mut Active)> {
        let serial = *self.by_id.get(&id)?;
        // An id that a fault keeps after its end stands for no request.
        self.requests.get_mut(&serial).map(|active| (serial, active))
    }

    /// A request.
    pub(super) fn get(&mut self, serial: Serial) -> Option<&mut Active> {
        self.requests.get_mut(&serial)
    }

    /// The request whose handler this task was.
    pub(super) fn by_task(&self, id: tokio::task::Id) -> Option<Serial> {
        let runs = |active: &Active| matches!(&active.stage, Stage::Running { task, .. } if task.id() == id);
        self.requests
            .iter()
            .find(|(_, active)| runs(active))
            .map(|(serial, _)| *serial)
    }

    /// The request begun last, whatever its id.
    pub(super) fn newest_id(&self) -> Option<u16> {
        self.requests
            .iter()
            .max_by_key(|(serial, _)| serial.0)
            .map(|(_, active)| active.id)
    }

    /// Charges PARAMS bytes to a request and tells how many the connection holds now.
    pub(super) fn charge_params(&mut self, serial: Serial, len: usize) -> usize {
        if let Some(active) = self.requests.get_mut(&serial) {
            active.params_len += len;
            self.params_held += len;
        }
        self.params_held
    }

    /// Requests of which something has still to arrive.
    pub(super) fn unreceived(&self) -> Vec<Serial> {
        let unreceived = self.requests.iter().filter(|(_, active)| !active.is_received());
        unreceived.map(|(serial, _)| *serial).collect()
    }

    /// Requests not yet ended.
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }
}
