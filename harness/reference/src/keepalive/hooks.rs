//! Where the faults act on the setting of keepalive, so that the parent module contains only the rules.
//!
//! A hook takes the decision of the rules and returns the decision to act on.

use std::thread;
use std::time::Duration;

use socket2::Socket;

use super::limits::saturated;
use super::{Keepalive, KeepaliveConfig, KeepaliveError, KeepaliveFault, Limits, Settings, during, kernel};

impl Keepalive {
    fn has(self, fault: KeepaliveFault) -> bool {
        self.fault == Some(fault)
    }

    /// What [`Keepalive::set_keepalive`] sets for one period.
    pub(super) fn config_of_period(self, period: Duration, decided: KeepaliveConfig) -> KeepaliveConfig {
        let interval = self.has(KeepaliveFault::SetsIntervalToo).then_some(period);
        KeepaliveConfig {
            interval: decided.interval.or(interval),
            ..decided
        }
    }

    /// What [`Keepalive::set_keepalive_config`] sets.
    pub(super) fn config(self, decided: KeepaliveConfig) -> KeepaliveConfig {
        if self.has(KeepaliveFault::SetsIdleOnly) {
            KeepaliveConfig {
                idle: decided.idle,
                ..KeepaliveConfig::default()
            }
        } else {
            decided
        }
    }

    /// Whether switching keepalive off does anything.
    pub(super) fn clears(self) -> bool {
        !self.has(KeepaliveFault::OffIgnored)
    }

    /// Runs on an accepted connection.
    pub(super) fn after_accept(self, socket: &Socket) -> Result<(), KeepaliveError> {
        if self.has(KeepaliveFault::NotInherited) {
            during("SO_KEEPALIVE", socket.set_keepalive(false))?;
        }
        Ok(())
    }

    /// Runs before a schedule is checked.
    pub(super) fn before_check(self, socket: &Socket) -> Result<(), KeepaliveError> {
        if self.has(KeepaliveFault::OnBeforeError) {
            during("SO_KEEPALIVE", socket.set_keepalive(true))?;
        }
        Ok(())
    }

    /// The option value for a period.
    pub(super) fn period(
        self,
        limits: &Limits,
        asked: Duration,
        decided: Result<i32, KeepaliveError>,
    ) -> Result<i32, KeepaliveError> {
        if self.has(KeepaliveFault::InMilliseconds) {
            Ok(saturated(asked.as_millis()))
        } else if self.has(KeepaliveFault::Truncates) {
            Ok(saturated(limits.unit.round_down(asked)))
        } else {
            decided
        }
    }

    /// Runs when keepalive has been switched on.
    pub(super) fn after_set(self, socket: &Socket, config: KeepaliveConfig) -> Result<(), KeepaliveError> {
        match config.idle {
            Some(idle) if self.has(KeepaliveFault::IdleFromConnect) => probe_after(socket, idle),
            Some(_) | None => Ok(()),
        }
    }
}

/// Sends one probe `idle` from now, whatever has arrived meanwhile.
///
/// No kernel does this by itself, but Linux sends a probe at once when idle is lowered below the time since the last
/// segment. So a thread lowers idle to its minimum at that moment, on a duplicate of the socket's descriptor.
fn probe_after(socket: &Socket, idle: Duration) -> Result<(), KeepaliveError> {
    let socket = during("dup", socket.try_clone())?;
    let lowered = Settings {
        idle: Some(1),
        interval: None,
        count: None,
    };
    thread::spawn(move || {
        thread::sleep(idle);
        // A connection that is gone by then cannot show the fault.
        let _ = kernel::set(&socket, lowered);
    });
    Ok(())
}
