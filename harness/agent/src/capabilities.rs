//! Finds the capabilities that scenarios may require.
//!
//! Each capability is tried. A list of systems would be wrong for machines on which an administrator switched it off.

use reusespec_core::protocol::{Capability, VIRTUAL_TIME};
use reusespec_core::step::socket::User;
use socket2::{Domain, Socket, Type};

use crate::sandbox::{Isolation, Users};

/// A program cannot see whether its clock skips idle time. So the agent reports `virtual-time` as missing, and the host
/// overrides that for platforms that it starts in virtual time.
const CLOCK_IS_REAL: &str = "the clock runs in real time; a guest in virtual time skips idle time";

/// Tries each capability once. `missing` of the result says why the platform lacks it.
pub(crate) fn probe(isolation: &Isolation) -> Vec<Capability> {
    let shared = isolation.shared_because();
    let own = shared.map(|reason| format!("needs a network namespace of its own: {reason}"));
    let users = match isolation {
        Isolation::Namespaces(users) => users.clone(),
        Isolation::Guest { .. } | Isolation::Shared { .. } => Users::of_this_process(),
    };
    let missing = [
        ("ipv4", loopback(Domain::IPV4, "127.0.0.1:0")),
        ("ipv6", ipv6()),
        ("dual-stack", dual_stack()),
        ("two-users", users.lacks(User::Bob)),
        ("own-network", own),
        (VIRTUAL_TIME, Some(CLOCK_IS_REAL.to_owned())),
    ];
    missing
        .into_iter()
        .map(|(name, missing)| Capability {
            name: name.to_owned(),
            missing,
        })
        .collect()
}

fn loopback(domain: Domain, address: &str) -> Option<String> {
    let address: std::net::SocketAddr = address.parse().expect("the address is a literal of this file");
    let tried = Socket::new(domain, Type::DGRAM, None).and_then(|socket| socket.bind(&address.into()));
    tried
        .err()
        .map(|error| format!("binding {} failed: {}", address.ip(), crate::errno::name(&error)))
}

/// A new network namespace inherits `default.disable_ipv6` from the machine, so the machine's value counts.
fn ipv6() -> Option<String> {
    let disabled =
        crate::sandbox::sysctl::get("net.ipv6.conf.default.disable_ipv6").is_ok_and(|value| value == "1");
    if disabled {
        return Some("IPv6 is disabled: net.ipv6.conf.default.disable_ipv6 is 1".to_owned());
    }
    let tried = Socket::new(Domain::IPV6, Type::DGRAM, None);
    tried
        .err()
        .map(|error| format!("the system has no IPv6 sockets: {}", crate::errno::name(&error)))
}

/// Whether one IPv6 socket can serve both families. On DragonFly it cannot (ip6(4)).
fn dual_stack() -> Option<String> {
    let tried = Socket::new(Domain::IPV6, Type::DGRAM, None).and_then(|socket| socket.set_only_v6(false));
    tried
        .err()
        .map(|error| format!("IPV6_V6ONLY cannot be cleared: {}", crate::errno::name(&error)))
}
