//! What the connections of one server have in common: settings, the switch, the counters.
//!
//! The switch is a watch channel: a connection in the middle of a reply reads it, an idle one is woken by
//! it. Reading costs an uncontended lock per reply, which does not show beside a system call.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::fault::HttpFault;
use super::settings::Settings;

/// Distinct counters a server keeps; a peer that invents more finds them ignored.
const COUNTERS_MAX: usize = 1024;

/// What the server has been told about its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Connections persist.
    Persist,
    /// Every reply is the last on its connection.
    Close,
    /// The same, and nothing is accepted any more. There is no way back.
    ReadError,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    fault: Option<HttpFault>,
    mode: watch::Sender<Mode>,
    counters: Mutex<HashMap<String, u64>>,
    /// Wakes handlers that wait for a counter.
    counted: watch::Sender<()>,
}

impl Shared {
    pub(super) fn new(settings: Settings, fault: Option<HttpFault>) -> Self {
        Self {
            settings,
            fault,
            mode: watch::Sender::new(Mode::Persist),
            counters: Mutex::default(),
            counted: watch::Sender::new(()),
        }
    }

    /// Whether the server has been started with that fault.
    pub(super) fn has(&self, fault: HttpFault) -> bool {
        self.fault == Some(fault)
    }

    pub(super) fn watch_mode(&self) -> watch::Receiver<Mode> {
        self.mode.subscribe()
    }

    pub(super) fn set_keep_alives_enabled(&self, enabled: bool) {
        let ignored = if enabled {
            HttpFault::EnableIgnored
        } else {
            HttpFault::DisableIgnored
        };
        if self.has(ignored) {
            return;
        }
        let wanted = if enabled { Mode::Persist } else { Mode::Close };
        self.mode.send_if_modified(|mode| {
            let change = *mode != Mode::ReadError && *mode != wanted;
            if change {
                *mode = wanted;
            }
            change
        });
    }

    pub(super) fn stop(&self) {
        self.mode.send_replace(Mode::ReadError);
    }

    /// Adds one and returns the new value.
    pub(super) fn count(&self, key: &str) -> u64 {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.len() >= COUNTERS_MAX && !counters.contains_key(key) {
            return 0;
        }
        let counter = counters.entry(key.to_owned()).or_default();
        *counter += 1;
        let value = *counter;
        drop(counters);
        self.counted.send_replace(());
        value
    }

    pub(super) fn counted(&self, key: &str) -> u64 {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.get(key).copied().unwrap_or(0)
    }

    /// Returns once that counter is at least one.
    pub(super) async fn until_counted(&self, key: &str) {
        let mut counted = self.counted.subscribe();
        while self.counted(key) == 0 {
            counted.changed().await.expect("the sender lives in self");
        }
    }
}
