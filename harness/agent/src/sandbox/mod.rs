//! The sandbox of a case: its own namespaces on Linux, or leased loopback ports where namespaces are not available.
//!
//! The agent finds out whether namespaces are available by entering them once in a child process. It explains the
//! kernel's error, because "operation not permitted" can have five causes.
//!
//! The BSDs have no namespaces, but a BSD guest belongs to the run. There, cases get ports of their own. A case that
//! changes system controls ([`Isolation::controls_of`]) runs alone, and the agent restores the controls afterwards.
//! Therefore a case must not change anything that only a reboot restores.

mod controls;
pub(crate) mod lateness;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod loopback;
pub(crate) mod sysctl;
mod users;

use std::io;
use std::net::Ipv6Addr;

use reusespec_core::step::Sysctl;
use reusespec_core::step::socket::User;
use reusespec_core::{Case, Observed, Outcome};

pub(crate) use controls::Kept;
pub(crate) use users::{Users, act_as};

#[cfg(target_os = "linux")]
pub(crate) use linux::map_users;
#[cfg(target_os = "linux")]
use linux::{is_of_namespace, lock_controls};

use crate::report::Reporter;
use crate::stop::{Answer, Stop};

/// A second IPv6 address of the loopback interface. For IPv4 there is 127.0.0.2.
pub(crate) const SECOND_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

/// `$port` and `$port2` inside a namespace. They are below the ephemeral range, so that the kernel does not choose
/// them.
const OWN_PORTS: [u16; 2] = [4001, 4002];

/// The last octets of the addresses in 127.1.0.0/16 that a case may send from. A guest of the BSDs adds them to its
/// loopback interface; Linux delivers all of 127.0.0.0/8 without that.
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
pub(crate) const SOURCES: std::ops::RangeInclusive<u8> = 1..=64;

const BSD: bool = cfg!(any(target_os = "freebsd", target_os = "dragonfly"));

/// The range from which ports are leased. It excludes the ephemeral ports, which start at 32768 on Linux and at 10000
/// on FreeBSD, and end at 5000 on DragonFly (ip_local_port_range, net.inet.ip.portrange).
const LEASED: [u16; 2] = if BSD { [5_001, 9_998] } else { [10_000, 29_998] };

/// How the cases of this agent are isolated from each other.
#[derive(Clone, Debug)]
pub(crate) enum Isolation {
    /// Each case has a fresh user and network namespace.
    Namespaces(Users),
    /// Cases share a guest's loopback interface. Each has leased ports.
    Guest {
        /// The case's ports.
        ports: [u16; 2],
    },
    /// Cases share the machine's loopback interface. Each has leased ports.
    Shared {
        /// Why namespaces are not available.
        reason: String,
        /// The case's ports.
        ports: [u16; 2],
    },
}

/// What an isolated case has.
#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    /// `$port` and `$port2`.
    pub(crate) ports: [u16; 2],
    /// The users it can act as.
    pub(crate) users: Users,
    /// Why the case must not change the system, if it shares the system with others.
    pub(crate) shared: Option<String>,
    /// Whether the case has a network namespace.
    has_namespace: bool,
    /// Why the case cannot send to multicast groups, if it cannot.
    pub(crate) without_groups: Option<String>,
}

impl Sandbox {
    /// Fails if the case shares the system, which `what` would change.
    pub(crate) fn must_be_own(&self, what: &str) -> Result<(), Stop> {
        let unsupported =
            |reason| Stop::Unsupported(format!("{what} needs a network namespace of its own: {reason}"));
        self.shared
            .as_ref()
            .map_or(Ok(()), |reason| Err(unsupported(reason)))
    }

    /// Fails if the case cannot use multicast groups.
    pub(crate) fn must_have_groups(&self) -> Result<(), Stop> {
        self.must_be_own("a multicast group")?;
        let unsupported = |reason: &String| Err(Stop::Unsupported(reason.clone()));
        self.without_groups.as_ref().map_or(Ok(()), unsupported)
    }

    /// Executes the step `sysctl`: sets a system control of the case's own network namespace or guest.
    pub(crate) fn set_sysctl(&self, step: &Sysctl) -> Answer {
        self.must_be_own("a system control")?;
        self.set_control(&step.name, &step.value)?;
        Ok(Observed::ok())
    }

    /// Sets a system control. Fails with [`Stop::Unsupported`] if the kernel has one value for all network namespaces.
    pub(crate) fn set_control(&self, name: &str, value: &str) -> Result<(), Stop> {
        // Another case that sets a shared control meanwhile would hide that it is shared.
        let _alone = lock_controls();
        if let Err(error) = sysctl::set(name, value) {
            return Err(self.why_not_set(name, error));
        }
        if !self.has_namespace || is_of_namespace(name)? {
            return Ok(());
        }
        let reason = format!("{name} of this kernel is shared by all network namespaces");
        Err(Stop::Unsupported(reason))
    }

    /// What it means that a control cannot be set. The case is root in its own namespace, so only a control that does not
    /// exist, or that is read-only for everybody, is refused; gVisor answers EPERM or EIO for those.
    fn why_not_set(&self, name: &str, error: io::Error) -> Stop {
        let is_read_only =
            error.kind() == io::ErrorKind::PermissionDenied || error.raw_os_error() == Some(libc::EIO);
        if error.kind() == io::ErrorKind::NotFound {
            Stop::Unsupported(format!("this kernel has no {name}"))
        } else if self.has_namespace && is_read_only {
            let error = crate::errno::name(&error);
            Stop::Unsupported(format!("this kernel does not let {name} be set: {error}"))
        } else {
            error.into()
        }
    }

    /// Fails if the case cannot act as this user.
    pub(crate) fn must_have(&self, user: User) -> Result<(), Stop> {
        self.users
            .lacks(user)
            .map_or(Ok(()), |reason| Err(Stop::Unsupported(reason)))
    }
}

impl Isolation {
    /// Finds out which isolation this machine allows. `in_guest` says that the machine belongs to this run.
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

    /// Why cases share the machine's loopback interface, if they do.
    pub(crate) fn shared_because(&self) -> Option<&str> {
        match self {
            Self::Namespaces(_) | Self::Guest { .. } => None,
            Self::Shared { reason, .. } => Some(reason),
        }
    }

    /// The system controls that a case changes for the other cases too. If there are any, the case must run alone.
    pub(crate) fn controls_of(&self, case: &Case) -> Vec<String> {
        match self {
            Self::Guest { .. } => controls::changed_by(case),
            Self::Namespaces(_) | Self::Shared { .. } => Vec::new(),
        }
    }

    /// The isolation of the next case. On a shared loopback interface it has newly leased ports.
    pub(crate) fn for_next_case(&mut self) -> Self {
        if let Self::Shared { ports, .. } | Self::Guest { ports } = self {
            *ports = lease_after(ports[1]);
        }
        self.clone()
    }

    /// The same without namespaces, for a case that tests a program outside of them.
    pub(crate) fn none(self) -> Self {
        match self {
            Self::Namespaces(_) => Self::Shared {
                reason: "what is tested runs in this network".to_owned(),
                ports: OWN_PORTS,
            },
            other @ (Self::Shared { .. } | Self::Guest { .. }) => other,
        }
    }

    /// Enters the sandbox. This process then belongs to the case.
    pub(crate) fn enter(self, reporter: &mut Reporter, requires: &[String]) -> Result<Sandbox, Outcome> {
        match self {
            Self::Namespaces(users) => enter_namespaces(users, reporter, requires),
            Self::Guest { ports } => Ok(Sandbox {
                ports,
                users: Users::of_this_process(),
                shared: None,
                has_namespace: false,
                without_groups: None,
            }),
            Self::Shared { reason, ports } => Ok(Sandbox {
                ports,
                users: Users::of_this_process(),
                shared: Some(reason),
                has_namespace: false,
                without_groups: None,
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
    let without_groups = loopback::bring_up(ipv6)
        .map_err(|error| Outcome::Broken(format!("bringing the loopback interface up failed: {error}")))?;
    Ok(Sandbox {
        ports: OWN_PORTS,
        users,
        shared: None,
        has_namespace: true,
        without_groups,
    })
}

/// Each case that sets controls runs alone on this system.
#[cfg(not(target_os = "linux"))]
fn lock_controls() -> Option<std::fs::File> {
    None
}

/// Only a case with a namespace calls this, and this system has none.
#[cfg(not(target_os = "linux"))]
fn is_of_namespace(_: &str) -> io::Result<bool> {
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
fn enter_namespaces(_: Users, _: &mut Reporter, _: &[String]) -> Result<Sandbox, Outcome> {
    Err(Outcome::Broken(
        "this system has no network namespaces".to_owned(),
    ))
}

/// The next two ports after `last` that are free for TCP and UDP. Ports are reused only after all were leased, because
/// a connection of an earlier case may still be in TIME_WAIT.
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
