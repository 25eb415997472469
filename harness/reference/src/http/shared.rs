//! State that the connections of one server share: settings, the keep-alive switch and the counters.
//!
//! The switch is a watch channel, so that it wakes idle connections. A connection that writes a reply reads it, which
//! costs an uncontended lock per reply: little next to a system call.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::fault::HttpFault;
use super::hooks::Hooks;
use super::settings::Settings;

/// Limit of distinct counters; the server ignores further names.
const COUNTERS_MAX: usize = 1024;

/// The state of the keep-alive switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Connections persist.
    Persist,
    /// Every reply is the last on its connection.
    Close,
    /// As `Close`, and the server accepts no more connections. Final.
    Stopped,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) hooks: Hooks,
    mode: watch::Sender<Mode>,
    counters: Mutex<HashMap<String, u64>>,
    /// Wakes handlers that wait for a counter.
    counted: watch::Sender<()>,
}

impl Shared {
    pub(super) fn new(settings: Settings, fault: Option<HttpFault>) -> Self {
        Self {
            settings,
            hooks: Hooks(fault),
            mode: watch::Sender::new(Mode::Persist),
            counters: Mutex::default(),
            counted: watch::Sender::new(()),
        }
    }

    pub(super) fn watch_mode(&self) -> watch::Receiver<Mode> {
        self.mode.subscribe()
    }

    pub(super) fn set_keep_alives_enabled(&self, enabled: bool) {
        if !self.hooks.obeys_switch(enabled) {
            return;
        }
        let wanted = if enabled { Mode::Persist } else { Mode::Close };
        self.mode.send_if_modified(|mode| {
            let change = *mode != Mode::Stopped && *mode != wanted;
            if change {
                *mode = wanted;
            }
            change
        });
    }

    pub(super) fn stop(&self) {
        self.mode.send_replace(Mode::Stopped);
    }

    /// Adds one to a counter and returns its new value.
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

    /// Waits until the counter is at least one.
    pub(super) async fn until_counted(&self, key: &str) {
        let mut counted = self.counted.subscribe();
        while self.counted(key) == 0 {
            counted.changed().await.expect("the sender lives in self");
        }
    }
}
