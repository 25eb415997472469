//! Mistakes that shipped in the opening of sockets, each of which can be switched on again.
//!
//! The rules they break are in the parent module. A fault does what the historical code did on every system,
//! also where that system's kernel hides it: whether it shows is for a scenario to find out.

use crate::fault::FaultNote;

/// A historical mistake in opening sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketFault {
    /// `SO_REUSEPORT` on every socket that waits for others.
    ReusePortOnEveryListener,
    /// No `SO_REUSEADDR` on TCP listeners.
    NoReuseAddr,
    /// `SO_REUSEADDR` on plain UDP sockets.
    ReuseAddrOnUdp,
    /// `SO_REUSEADDR` on TCP listeners whose port the kernel chooses.
    ReuseAddrOnPortZero,
    /// No `SO_REUSEPORT` on multicast sockets of the BSDs.
    MulticastWithoutReusePort,
    /// `SO_REUSEPORT` instead of FreeBSD's `SO_REUSEPORT_LB` on balanced listeners.
    BalancedWithPlainReusePort,
}

impl SocketFault {
    /// Every fault, in the order of `reusespec faults`.
    pub const ALL: &[Self] = &[
        Self::ReusePortOnEveryListener,
        Self::NoReuseAddr,
        Self::ReuseAddrOnUdp,
        Self::ReuseAddrOnPortZero,
        Self::MulticastWithoutReusePort,
        Self::BalancedWithPlainReusePort,
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
            Self::ReusePortOnEveryListener => FaultNote {
                name: "reuse-port-on-every-listener",
                reported_in: "golang/go#2830",
                what: "a second process of the same user listens on a live port and takes its connections",
            },
            Self::NoReuseAddr => FaultNote {
                name: "no-reuse-addr",
                reported_in: "bytecodealliance/wasmtime#8738",
                what: "a restarted server is refused its port while old connections are in TIME_WAIT",
            },
            Self::ReuseAddrOnUdp => FaultNote {
                name: "reuse-addr-on-udp",
                reported_in: "python/cpython#81409",
                what: "on Linux another user binds the same address and receives the datagrams",
            },
            Self::ReuseAddrOnPortZero => FaultNote {
                name: "reuse-addr-on-port-zero",
                reported_in: "libuv/libuv#5256",
                what: "the kernel may choose a port that another such socket already holds",
            },
            Self::MulticastWithoutReusePort => FaultNote {
                name: "multicast-without-reuse-port",
                reported_in: "golang/go#2830",
                what: "on the BSDs the second receiver of a group is refused its port",
            },
            Self::BalancedWithPlainReusePort => FaultNote {
                name: "balanced-with-plain-reuse-port",
                reported_in: "php/php-src#20250",
                what: "on FreeBSD the newest listener gets every connection",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SocketFault;

    #[test]
    fn every_fault_is_found_by_its_name_and_by_no_other() {
        for &fault in SocketFault::ALL {
            assert_eq!(SocketFault::named(fault.name()), Some(fault));
        }
        assert_eq!(SocketFault::named("reuse-port"), None);
    }
}
