//! Where a case runs: in namespaces of its own on Linux, on leased loopback ports where those are refused.
//!
//! Whether namespaces can be had is found by entering them once, in a process made for it; a reason given by
//! the kernel is passed on in words, because "operation not permitted" has five different cures.
//!
//! The BSDs have no namespaces, but in a guest of theirs the whole machine belongs to the run. Cases get ports of their
//! own there, and one that changes the machine runs alone and is undone afterwards: [`Isolation::controls_of`] says which.
//! The price is that what only a reboot would undo must not be in a case.

mod controls;
pub(crate) mod lateness;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod loopback;
pub(crate) mod sysctl;
mod users;

use std::net::Ipv6Addr;

use reusespec_core::step::socket::User;
use reusespec_core::{Case, Outcome};

pub(crate) use controls::Kept;
pub(crate) use users::{Users, act_as};

#[cfg(target_os = "linux")]
pub(crate) use linux::map_users;

use crate::report::Reporter;
use crate::stop::Stop;

/// The second IPv6 address of the loopback interface; IPv4 has 127.0.0.2.
pub(crate) const SECOND_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

/// Ports inside a namespace: below the ephemeral range of every system, so that nothing else takes them.
const OWN_PORTS: [u16; 2] = [4001, 4002];

/// The last octets of the addresses in 127.1.0.0/16 that a case may send from. A guest of the BSDs adds them to its
/// loopback interface; Linux delivers all of 127.0.0.0/8 without that.
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
pub(crate) const SOURCES: std::ops::RangeInclusive<u8> = 1..=64;

const BSD: bool = cfg!(any(target_os = "freebsd", target_os = "dragonfly"));

/// Where ports are leased from. Never a port that the kernel itself chooses for somebody: Linux does so from 32768 on,
/// FreeBSD from 10000, and DragonFly up to 5000 (ip_local_port_range, net.inet.ip.portrange).
const LEASED: [u16; 2] = if BSD { [5_001, 9_998] } else { [10_000, 29_998] };

/// How the cases of this agent are kept apart.
#[derive(Clone, Debug)]
pub(crate) enum Isolation {
    /// A fresh user and network namespace each.
    Namespaces(Users),
    /// A guest's loopback, with ports leased to the case.
    Guest {
        /// The case's ports.
        ports: [u16; 2],
    },
    /// The machine's loopback, with ports leased to the case.
    Shared {
        /// Why there are no namespaces.
        reason: String,
        /// The case's ports.
        ports: [u16; 2],
    },
}

/// What an isolated case stands on.
#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    /// `$port` and `$port2`.
    pub(crate) ports: [u16; 2],
    /// Who it can act as.
    pub(crate) users: Users,
    /// Why the case cannot change the system around it, where it cannot.
    pub(crate) shared: Option<String>,
}

impl Sandbox {
    /// Refuses what would leak into a machine that is not the case's own.
    pub(crate) fn must_be_own(&self, what: &str) -> Result<(), Stop> {
        let unsupported =
            |reason| Stop::Unsupported(format!("{what} needs a network namespace of its own: {reason}"));
        self.shared
            .as_ref()
            .map_or(Ok(()), |reason| Err(unsupported(reason)))
    }

    /// Refuses a user that cannot be had.
    pub(crate) fn must_have(&self, user: User) -> Result<(), Stop> {
        self.users
            .lacks(user)
            .map_or(Ok(()), |reason| Err(Stop::Unsupported(reason)))
    }
}

impl Isolation {
    /// Finds out what this machine allows.
    pub(crate) fn probe(in_guest: bool) -> Self {
        match probe_namespaces() {
            Ok(users) => Self::Namespaces(users),
            Err(_) if BSD && in_guest => Self::Guest {
                ports: [LEASED[0]; 2],
            },
            Err(reason) => Self::Shared {
                reason,
                ports: OWN_PORTS,
            },
        }
    }

    /// Why cases share the machine's loopback, if they do.
    pub(crate) fn shared_because(&self) -> Option<&str> {
        match self {
            Self::Namespaces(_) | Self::Guest { .. } => None,
            Self::Shared { reason, .. } => Some(reason),
        }
    }

    /// The system controls that a case changes for all others, so that it has to run alone.
    pub(crate) fn controls_of(&self, case: &Case) -> Vec<String> {
        match self {
            Self::Guest { .. } => controls::changed_by(case),
            Self::Namespaces(_) | Self::Shared { .. } => Vec::new(),
        }
    }

    /// The isolation of the next case: on a shared loopback it gets ports of its own.
    pub(crate) fn for_next_case(&mut self) -> Self {
        if let Self::Shared { ports, .. } | Self::Guest { ports } = self {
            *ports = lease_after(ports[1]);
        }
        self.clone()
    }

    /// The same without namespaces, for a case about something that runs outside of them.
    pub(crate) fn none(self) -> Self {
        match self {
            Self::Namespaces(_) => Self::Shared {
                reason: "what is tested runs in this network".to_owned(),
                ports: OWN_PORTS,
            },
            other @ (Self::Shared { .. } | Self::Guest { .. }) => other,
        }
    }

    /// Enters it; the process is the case's own from here on.
    pub(crate) fn enter(self, reporter: &mut Reporter, requires: &[String]) -> Result<Sandbox, Outcome> {
        match self {
            Self::Namespaces(users) => enter_namespaces(users, reporter, requires),
            Self::Guest { ports } => Ok(Sandbox {
                ports,
                users: Users::of_this_process(),
                shared: None,
            }),
            Self::Shared { reason, ports } => Ok(Sandbox {
                ports,
                users: Users::of_this_process(),
                shared: Some(reason),
            }),
        }
    }
}

#[cfg(target_os = "linux")]
fn probe_namespaces() -> Result<Users, String> {
    linux::probe()
}

#[cfg(not(target_os = "linux"))]
fn probe_namespaces() -> Result<Users, String> {
    Err("this system has no network namespaces".to_owned())
}

#[cfg(target_os = "linux")]
fn enter_namespaces(users: Users, reporter: &mut Reporter, requires: &[String]) -> Result<Sandbox, Outcome> {
    let broken = |error: std::io::Error| Outcome::Broken(format!("entering a namespace failed: {error}"));
    linux::enter(&users, reporter).map_err(broken)?;
    let ipv6 = requires.iter().any(|word| word == "ipv6");
    loopback::bring_up(ipv6)
        .map_err(|error| Outcome::Broken(format!("bringing the loopback interface up failed: {error}")))?;
    Ok(Sandbox {
        ports: OWN_PORTS,
        users,
        shared: None,
    })
}

#[cfg(not(target_os = "linux"))]
fn enter_namespaces(_: Users, _: &mut Reporter, _: &[String]) -> Result<Sandbox, Outcome> {
    Err(Outcome::Broken(
        "this system has no network namespaces".to_owned(),
    ))
}

/// The next two ports that nobody on this machine uses, TCP or UDP. They are not used twice in a run before all are
/// used up, because a connection of the case before may still be in TIME_WAIT.
fn lease_after(last: u16) -> [u16; 2] {
    let [first, end] = LEASED;
    let mut candidates = (last.max(first - 1) + 1..=end)
        .chain(first..=end)
        .filter(|port| is_free(*port));
    let one = candidates.next().unwrap_or(first);
    let other = candidates.next().unwrap_or(first + 1);
    [one, other]
}

fn is_free(port: u16) -> bool {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
    let v4 = (Ipv4Addr::UNSPECIFIED, port);
    let v6 = (Ipv6Addr::UNSPECIFIED, port);
    TcpListener::bind(v4).is_ok()
        && UdpSocket::bind(v4).is_ok()
        && TcpListener::bind(v6).is_ok_and(|_| true)
        && UdpSocket::bind(v6).is_ok()
}
