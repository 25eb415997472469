//! Where the faults act on the FastCGI application, so that the other modules contain only the protocol.
//!
//! Most faults concern whole records. [`ConnectionHooks`] sees each record of a connection twice: `incoming` before and
//! after the dialogue takes it, `outgoing` when the dialogue has appended it to the output. The other faults lie in the
//! settings, the accepting of connections, their bytes and the handlers' output; there the protocol asks [`Hooks`].
//! Such a hook takes the decision of the protocol and returns the decision to act on; without its fault it returns its
//! argument.

mod incoming;
mod outgoing;

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use reusespec_wire::fastcgi::Decoder;
use tokio::sync::Semaphore;

use super::{At, FastCgiFault, Settings};

pub(super) use incoming::take;

/// The fault that a server was started with, if any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hooks(pub(super) Option<FastCgiFault>);

/// A fault and what it has to remember about one connection.
#[derive(Debug)]
pub(super) struct ConnectionHooks {
    hooks: Hooks,
    /// The next bytes are not at the start of a record.
    lost_place: bool,
    /// Records are no longer taken.
    stopped: bool,
    /// When END_REQUEST last ended a request with this id.
    ended: HashMap<u16, Instant>,
    /// Ids whose STDIN has not ended.
    unreceived: HashSet<u16>,
    /// Ids whose response has begun.
    responded: HashSet<u16>,
    /// CONTENT_LENGTH, and bytes of STDIN received, by id.
    stdin: HashMap<u16, (Option<u64>, u64)>,
}

impl ConnectionHooks {
    pub(super) fn new(hooks: Hooks) -> Self {
        Self {
            hooks,
            lost_place: false,
            stopped: false,
            ended: HashMap::new(),
            unreceived: HashSet::new(),
            responded: HashSet::new(),
            stdin: HashMap::new(),
        }
    }
}

impl Hooks {
    fn has(self, fault: FastCgiFault) -> bool {
        self.0 == Some(fault)
    }

    /// The settings, except those that GET_VALUES_RESULT reports.
    pub(super) fn settings(self, decided: Settings) -> Settings {
        match self.0 {
            Some(FastCgiFault::StdinBlocksConnection) => Settings {
                input_held_max: 0,
                ..decided
            },
            Some(FastCgiFault::WebServerAddrsIgnored) => Settings {
                web_server_addrs: None,
                ..decided
            },
            Some(FastCgiFault::UnboundedIds) => Settings {
                requests_per_connection_max: usize::MAX,
                ..decided
            },
            _ => decided,
        }
    }

    /// How many connections are served at once.
    pub(super) fn connections_max(self, decided: usize) -> usize {
        if self.has(FastCgiFault::OneConnection) {
            1
        } else {
            decided
        }
    }

    /// How many requests may be active at once.
    pub(super) fn requests_max(self, decided: usize) -> usize {
        if self.has(FastCgiFault::UnboundedIds) {
            Semaphore::MAX_PERMITS
        } else {
            decided
        }
    }

    /// Whether a program that is started with `at` serves FastCGI.
    pub(super) fn serves(self, at: &At) -> bool {
        !(self.has(FastCgiFault::TakenForCgi) && matches!(at, At::Inherited(_)))
    }

    /// Whether a record's version is supported.
    pub(super) fn supports_version(self, decided: bool) -> bool {
        decided || self.has(FastCgiFault::VersionIgnored)
    }

    /// Runs when the whole records of one read have been taken.
    pub(super) fn after_read(self, decoder: &mut Decoder) {
        if self.has(FastCgiFault::ShortReadIsRecord) {
            *decoder = Decoder::new();
        }
    }

    /// Whether the connection is read on after the last byte was sent, so that the close is no reset.
    pub(super) fn lingers(self) -> bool {
        !self.has(FastCgiFault::ResetOnClose)
    }

    /// How much content one record of a handler's output can carry.
    pub(super) fn record_content_max(self, decided: usize) -> usize {
        if self.has(FastCgiFault::ResponseLengthTruncated) {
            usize::MAX
        } else {
            decided
        }
    }

    /// Whether a flush appends an empty STDOUT record.
    pub(super) fn flushes_empty_record(self) -> bool {
        self.has(FastCgiFault::EmptyRecordInStream)
    }
}
