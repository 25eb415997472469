//! Sets TCP keepalive: rounds periods up, checks everything first and switches keepalive on last.
//!
//! `limits` holds the units and ranges of every system and is pure. `kernel` finds out which kernel runs and makes the
//! calls. [`fault`] lists the historical bugs that can be switched on; `hooks` is where they act.
//!
//! The same range applies everywhere: the values that Linux and DragonFly accept. FreeBSD accepts larger ones, but the
//! product of interval and count then overflows and the kernel drops a live connection without a probe. So a period
//! above nine hours is refused on FreeBSD too.

pub mod fault;
mod hooks;
mod kernel;
mod limits;

use std::io;
use std::time::Duration;

use socket2::{SockAddr, Socket};

pub use fault::KeepaliveFault;
pub use limits::{Kernel, Limits, Unit};

/// A keepalive schedule: when probes start, their interval and how many unanswered ones drop the connection.
///
/// `None` leaves an option unchanged. A connection whose peer is silent is dropped `idle + count * interval` after the
/// last segment that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeepaliveConfig {
    /// Time without a segment before the first probe (`TCP_KEEPIDLE`).
    pub idle: Option<Duration>,
    /// Time between probes (`TCP_KEEPINTVL`).
    pub interval: Option<Duration>,
    /// Unanswered probes before the connection is dropped (`TCP_KEEPCNT`).
    pub count: Option<u32>,
}

/// Why keepalive was not set. `SO_KEEPALIVE` is then unchanged.
#[derive(Debug, thiserror::Error)]
pub enum KeepaliveError {
    /// The running kernel does not accept the period.
    #[error("{what} of {asked:?} is outside {least:?} to {most:?}")]
    Period {
        /// `idle` or `interval`.
        what: &'static str,
        /// The requested value.
        asked: Duration,
        /// The shortest period that the kernel accepts.
        least: Duration,
        /// The longest period that the kernel accepts.
        most: Duration,
    },
    /// The running kernel does not accept the count.
    #[error("count of {asked} is outside 1 to {most}")]
    Count {
        /// The requested value.
        asked: u32,
        /// The largest count that the kernel accepts.
        most: u32,
    },
    /// A system call failed.
    #[error("{call} failed")]
    Kernel {
        /// The option or system call, as its manual page names it.
        call: &'static str,
        /// The kernel's error.
        source: io::Error,
    },
}

/// Sets keepalive by the rules of the reference implementation, or with one known bug.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keepalive {
    /// The bug to switch on; `None` obeys every rule.
    pub fault: Option<KeepaliveFault>,
}

/// The option values, in the unit of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settings {
    idle: Option<i32>,
    interval: Option<i32>,
    count: Option<i32>,
}

impl Keepalive {
    /// Switches keepalive on with an idle time of `period`; interval and count stay unchanged.
    ///
    /// # Errors
    /// [`KeepaliveError::Period`] for a period that the kernel does not accept after rounding up. 0 is refused
    /// everywhere, because FreeBSD interprets it as its default.
    pub fn set_keepalive(self, socket: &Socket, period: Duration) -> Result<(), KeepaliveError> {
        let config = KeepaliveConfig {
            idle: Some(period),
            interval: None,
            count: None,
        };
        self.set(socket, self.config_of_period(period, config))
    }

    /// Switches keepalive on with the given schedule.
    ///
    /// Periods are rounded up to the unit of the running kernel: whole seconds, or milliseconds on DragonFly before
    /// `__DragonFly_version` 500702 (golang/go#65809). All values are checked before the first is set, and
    /// `SO_KEEPALIVE` is set last, so that an error never leaves a partly configured connection that sends probes.
    ///
    /// # Errors
    /// As [`Keepalive::set_keepalive`], and [`KeepaliveError::Count`].
    pub fn set_keepalive_config(
        self,
        socket: &Socket,
        config: KeepaliveConfig,
    ) -> Result<(), KeepaliveError> {
        self.set(socket, self.config(config))
    }

    /// Switches keepalive off. A BSD with `net.inet.tcp.always_keepalive` set still sends probes.
    ///
    /// # Errors
    /// [`KeepaliveError::Kernel`].
    pub fn clear_keepalive(self, socket: &Socket) -> Result<(), KeepaliveError> {
        if !self.clears() {
            return Ok(());
        }
        during("SO_KEEPALIVE", socket.set_keepalive(false))
    }

    /// Accepts a connection. On all three systems it inherits `SO_KEEPALIVE`, idle, interval and count as the listener
    /// had them when the handshake was completed.
    ///
    /// # Errors
    /// [`KeepaliveError::Kernel`].
    pub fn accept(self, listener: &Socket) -> Result<(Socket, SockAddr), KeepaliveError> {
        let (socket, from) = during("accept", listener.accept())?;
        self.after_accept(&socket)?;
        Ok((socket, from))
    }

    fn set(self, socket: &Socket, config: KeepaliveConfig) -> Result<(), KeepaliveError> {
        self.before_check(socket)?;
        let limits = during("sysctl", kernel::running())?.limits();
        let settings = self.settings(config, &limits)?;
        kernel::set(socket, settings)?;
        during("SO_KEEPALIVE", socket.set_keepalive(true))?;
        self.after_set(socket, config)
    }

    fn settings(self, config: KeepaliveConfig, limits: &Limits) -> Result<Settings, KeepaliveError> {
        let period = |what, asked: Option<Duration>| {
            asked
                .map(|asked| self.period(limits, asked, limits.period(what, asked)))
                .transpose()
        };
        Ok(Settings {
            idle: period("idle", config.idle)?,
            interval: period("interval", config.interval)?,
            count: config.count.map(|asked| limits.count(asked)).transpose()?,
        })
    }
}

fn during<T>(call: &'static str, result: io::Result<T>) -> Result<T, KeepaliveError> {
    result.map_err(|source| KeepaliveError::Kernel { call, source })
}

#[cfg(test)]
mod tests;
