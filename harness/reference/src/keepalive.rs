//! TCP keepalive set as the suite says it should be: rounded up, checked first, switched on last.
//!
//! `limits` knows units and ranges of every system and is pure; `kernel` finds out which of them runs and makes
//! the calls; [`fault`] lists the historical mistakes.
//!
//! One range holds everywhere: what Linux and DragonFly take. FreeBSD takes more, but there the product of
//! interval and count wraps, and a live connection is dropped without a probe. The price is that a period of
//! more than nine hours is refused on FreeBSD too.

pub mod fault;
mod kernel;
mod limits;

use std::io;
use std::thread;
use std::time::Duration;

use socket2::{SockAddr, Socket};

pub use fault::KeepaliveFault;
pub use limits::{Kernel, Limits, Unit};

/// When probes start, how they are spaced and how many go unanswered before the connection is dropped.
///
/// What is `None` is left as it is. A connection whose peer is silent is dropped `idle + count * interval`
/// after the last segment that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeepaliveConfig {
    /// Quiet time before the first probe (`TCP_KEEPIDLE`).
    pub idle: Option<Duration>,
    /// Time between probes (`TCP_KEEPINTVL`).
    pub interval: Option<Duration>,
    /// Unanswered probes before the connection is dropped (`TCP_KEEPCNT`).
    pub count: Option<u32>,
}

/// Why keepalive was not set. `SO_KEEPALIVE` is then as it was before.
#[derive(Debug, thiserror::Error)]
pub enum KeepaliveError {
    /// The running kernel takes no such period.
    #[error("{what} of {asked:?} is outside {least:?} to {most:?}")]
    Period {
        /// `idle` or `interval`.
        what: &'static str,
        /// What was asked for.
        asked: Duration,
        /// The shortest period the kernel takes.
        least: Duration,
        /// The longest period the kernel takes.
        most: Duration,
    },
    /// The running kernel takes no such count.
    #[error("count of {asked} is outside 1 to {most}")]
    Count {
        /// What was asked for.
        asked: u32,
        /// The largest count the kernel takes.
        most: u32,
    },
    /// The kernel could not be asked or told.
    #[error("{call} failed")]
    Kernel {
        /// The option or system call, as its manual page names it.
        call: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// Sets keepalive by the rules of the reference implementation, or with one of them broken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keepalive {
    /// The mistake to make; `None` obeys every rule.
    pub fault: Option<KeepaliveFault>,
}

/// The numbers the kernel is given, in its own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settings {
    idle: Option<i32>,
    interval: Option<i32>,
    count: Option<i32>,
}

impl Keepalive {
    /// Switches keepalive on with `period` of quiet before the first probe; interval and count stay as they are.
    ///
    /// # Errors
    /// [`KeepaliveError::Period`] for a period that rounds up to nothing the kernel takes; 0 is refused
    /// everywhere, because FreeBSD would take it for its default.
    pub fn set_keepalive(self, socket: &Socket, period: Duration) -> Result<(), KeepaliveError> {
        let interval = self.has(KeepaliveFault::SetsIntervalToo).then_some(period);
        self.set(
            socket,
            KeepaliveConfig {
                idle: Some(period),
                interval,
                count: None,
            },
        )
    }

    /// Switches keepalive on with the given schedule.
    ///
    /// Periods are rounded up to the unit of the running kernel: whole seconds, or milliseconds on DragonFly
    /// before `__DragonFly_version` 500702 (golang/go#65809). Everything is checked before anything is set,
    /// and `SO_KEEPALIVE` is set last, so that an error never leaves a connection half configured but probing.
    ///
    /// # Errors
    /// As [`Keepalive::set_keepalive`], and [`KeepaliveError::Count`].
    pub fn set_keepalive_config(
        self,
        socket: &Socket,
        config: KeepaliveConfig,
    ) -> Result<(), KeepaliveError> {
        let config = if self.has(KeepaliveFault::SetsIdleOnly) {
            KeepaliveConfig {
                interval: None,
                count: None,
                ..config
            }
        } else {
            config
        };
        self.set(socket, config)
    }

    /// Switches keepalive off. A BSD with `net.inet.tcp.always_keepalive` set probes nevertheless.
    ///
    /// # Errors
    /// [`KeepaliveError::Kernel`].
    pub fn clear_keepalive(self, socket: &Socket) -> Result<(), KeepaliveError> {
        if self.has(KeepaliveFault::OffIgnored) {
            return Ok(());
        }
        during("SO_KEEPALIVE", socket.set_keepalive(false))
    }

    /// Accepts a connection. It inherits switch, idle, interval and count as the listener had them when the
    /// handshake was completed, on all three systems.
    ///
    /// # Errors
    /// [`KeepaliveError::Kernel`].
    pub fn accept(self, listener: &Socket) -> Result<(Socket, SockAddr), KeepaliveError> {
        let (socket, from) = during("accept", listener.accept())?;
        if self.has(KeepaliveFault::NotInherited) {
            during("SO_KEEPALIVE", socket.set_keepalive(false))?;
        }
        Ok((socket, from))
    }

    fn set(self, socket: &Socket, config: KeepaliveConfig) -> Result<(), KeepaliveError> {
        if self.has(KeepaliveFault::OnBeforeError) {
            during("SO_KEEPALIVE", socket.set_keepalive(true))?;
        }
        let limits = during("sysctl", kernel::running())?.limits();
        let settings = self.settings(config, &limits)?;
        kernel::set(socket, settings)?;
        during("SO_KEEPALIVE", socket.set_keepalive(true))?;
        match config.idle {
            Some(idle) if self.has(KeepaliveFault::IdleFromConnect) => probe_after(socket, idle),
            _ => Ok(()),
        }
    }

    fn settings(self, config: KeepaliveConfig, limits: &Limits) -> Result<Settings, KeepaliveError> {
        let period = |what, asked: Option<Duration>| {
            let Some(asked) = asked else { return Ok(None) };
            match self.fault {
                Some(KeepaliveFault::InMilliseconds) => Ok(limits::saturated(asked.as_millis())),
                Some(KeepaliveFault::Truncates) => Ok(limits::saturated(limits.unit.round_down(asked))),
                _ => limits.period(what, asked),
            }
            .map(Some)
        };
        Ok(Settings {
            idle: period("idle", config.idle)?,
            interval: period("interval", config.interval)?,
            count: config.count.map(|asked| limits.count(asked)).transpose()?,
        })
    }

    fn has(self, fault: KeepaliveFault) -> bool {
        self.fault == Some(fault)
    }
}

/// The fault `keepalive-idle-from-connect`: one probe `idle` from now, whatever came in meanwhile.
///
/// A kernel does not do this by itself, but Linux probes at once when idle is lowered below the time already
/// quiet. So idle is lowered to its least at that moment, on a second descriptor of the socket.
fn probe_after(socket: &Socket, idle: Duration) -> Result<(), KeepaliveError> {
    let socket = during("dup", socket.try_clone())?;
    let lowered = Settings {
        idle: Some(1),
        interval: None,
        count: None,
    };
    thread::spawn(move || {
        thread::sleep(idle);
        // A connection that is gone by now cannot show the fault any more.
        let _ = kernel::set(&socket, lowered);
    });
    Ok(())
}

fn during<T>(call: &'static str, result: io::Result<T>) -> Result<T, KeepaliveError> {
    result.map_err(|source| KeepaliveError::Kernel { call, source })
}

#[cfg(test)]
mod tests;
