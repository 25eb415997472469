//! Mistakes that shipped in the setting of keepalive, each of which can be switched on again.
//!
//! The rules they break are in the parent module. Most cannot be seen in return codes, some not even in what
//! getsockopt says: only in when the probes go out.

use crate::fault::FaultNote;

/// A historical mistake in setting keepalive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepaliveFault {
    /// Milliseconds to a kernel that takes seconds.
    InMilliseconds,
    /// Periods rounded down, without a check.
    Truncates,
    /// A schedule of which only idle is set.
    SetsIdleOnly,
    /// The interval set with idle, unasked.
    SetsIntervalToo,
    /// `SO_KEEPALIVE` switched on before the rest is checked.
    OnBeforeError,
    /// Accepted connections without the listener's keepalive.
    NotInherited,
    /// Switching off does nothing.
    OffIgnored,
    /// Idle counted from when it is set, not from the last segment received.
    IdleFromConnect,
}

impl KeepaliveFault {
    /// Every fault, in the order of `reusespec faults`.
    pub const ALL: &[Self] = &[
        Self::InMilliseconds,
        Self::Truncates,
        Self::SetsIdleOnly,
        Self::SetsIntervalToo,
        Self::OnBeforeError,
        Self::NotInherited,
        Self::OffIgnored,
        Self::IdleFromConnect,
    ];

    /// The fault called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.note().name
    }

    /// The report the fault comes from.
    #[must_use]
    pub const fn reported_in(self) -> &'static str {
        self.note().reported_in
    }

    /// What goes wrong, in a sentence.
    #[must_use]
    pub const fn what(self) -> &'static str {
        self.note().what
    }

    /// Name, report and sentence together.
    #[must_use]
    pub const fn note(self) -> FaultNote {
        match self {
            Self::InMilliseconds => FaultNote {
                name: "keepalive-in-milliseconds",
                reported_in: "golang/go#65809",
                what: "the first probe comes a thousand times too late",
            },
            Self::Truncates => FaultNote {
                name: "keepalive-truncates",
                reported_in: "nodejs/node#57712",
                what: "999 ms become 0, and 1.5 s become 1 s",
            },
            Self::SetsIdleOnly => FaultNote {
                name: "keepalive-sets-idle-only",
                reported_in: "golang/go#73386",
                what: "probes are spaced and counted by the system's defaults",
            },
            Self::SetsIntervalToo => FaultNote {
                name: "keepalive-sets-interval-too",
                reported_in: "golang/go#48622",
                what: "a long idle time makes a dead peer be noticed many idle times later",
            },
            Self::OnBeforeError => FaultNote {
                name: "keepalive-on-before-error",
                reported_in: "libuv/libuv#4356",
                what: "a call that fails leaves keepalive switched on",
            },
            Self::NotInherited => FaultNote {
                name: "keepalive-not-inherited",
                reported_in: "gearman/gearmand#454",
                what: "accepted connections are not probed although the listener asked for it",
            },
            Self::OffIgnored => FaultNote {
                name: "keepalive-off-ignored",
                reported_in: "pingcap/tidb#22745",
                what: "a connection is probed after keepalive was switched off",
            },
            Self::IdleFromConnect => FaultNote {
                name: "keepalive-idle-from-connect",
                reported_in: "cesanta/mongoose#1960",
                what: "a connection is probed although the peer was heard from a moment ago",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::KeepaliveFault;

    #[test]
    fn every_fault_is_found_by_its_name_and_by_no_other() {
        for &fault in KeepaliveFault::ALL {
            assert_eq!(KeepaliveFault::named(fault.name()), Some(fault));
        }
        assert_eq!(KeepaliveFault::named("keepalive"), None);
    }
}
