//! The step `await-state`: waits until the kernel's table of TCP sockets shows the state that a scenario needs.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use reusespec_core::Observed;
use reusespec_core::step::endpoint::Endpoint;
use reusespec_core::step::socket::TcpState;

use super::{Answer, Sockets, Stop};

/// Timeout of a change of state. States change with the next segment, which on loopback arrives at once.
const CHANGES_WITHIN: Duration = Duration::from_secs(2);
/// The same for a trial connection. It is shorter, because the last segment of a trial has been sent when it begins.
const TRIAL: Duration = Duration::from_millis(100);

impl Sockets<'_, '_> {
    pub(super) fn await_state(&mut self, local: &Endpoint, state: TcpState) -> Answer {
        let local = local.resolve(&self.run.sandbox.ports);
        let deadline = Instant::now() + CHANGES_WITHIN.min(self.run.left());
        let mut is_first = true;
        loop {
            let states = states(local).map_err(|error| Stop::Unsupported(format!("{error}")))?;
            if states.contains(&state) {
                return Ok(Observed::ok());
            }
            if std::mem::take(&mut is_first) && state == TcpState::TimeWait && !shows_time_wait()? {
                return Err(Stop::Unsupported(
                    "this kernel's table of TCP sockets does not show TIME_WAIT".to_owned(),
                ));
            }
            if Instant::now() >= deadline {
                return Err(Stop::Broken(format!(
                    "no socket on {local} became {state:?}, seen: {states:?}"
                )));
            }
            // The kernel has no event for a change of the table.
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Whether the kernel's table shows a connection in TIME_WAIT at all: gVisor's has only sockets that a process holds.
/// Tries it with a connection of its own, whose both ends close in order (RFC 9293 §3.6).
fn shows_time_wait() -> Result<bool, Stop> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let local = client.local_addr()?;
    let (mut server, _) = listener.accept()?;
    drop(client);
    // The FIN has arrived when this returns.
    server.read_to_end(&mut Vec::new())?;
    drop(server);
    let deadline = Instant::now() + TRIAL;
    loop {
        let states = states(local).map_err(|error| Stop::Unsupported(format!("{error}")))?;
        if states.contains(&TcpState::TimeWait) {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The states of all TCP sockets with this local address, from /proc/self/net/tcp (Linux kernel documentation,
/// proc_net_tcp). For an IPv4 address also those of dual-stack sockets, whose local address is IPv4-mapped.
#[cfg(target_os = "linux")]
fn states(local: SocketAddr) -> io::Result<Vec<TcpState>> {
    const IPV6_TABLE: &str = "/proc/self/net/tcp6";
    match local {
        SocketAddr::V4(v4) => {
            let mapped = SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port());
            let mut states = states_in("/proc/self/net/tcp", local)?;
            // A kernel without IPv6 has no such table.
            states.extend(states_in(IPV6_TABLE, mapped).unwrap_or_default());
            Ok(states)
        }
        SocketAddr::V6(_) => states_in(IPV6_TABLE, local),
    }
}

#[cfg(target_os = "linux")]
fn states_in(path: &str, local: SocketAddr) -> io::Result<Vec<TcpState>> {
    let table = std::fs::read_to_string(path)?;
    let wanted = in_table(local);
    let state = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (address, _, state) = (words.next()?, words.next()?, words.next()?);
        if address == wanted {
            numbered(u8::from_str_radix(state, 16).ok()?)
        } else {
            None
        }
    };
    Ok(table.lines().skip(1).filter_map(state).collect())
}

/// An address as the table has it: 32-bit words in the machine's byte order.
#[cfg(target_os = "linux")]
fn in_table(address: SocketAddr) -> String {
    let bytes = match address {
        SocketAddr::V4(v4) => v4.ip().octets().to_vec(),
        SocketAddr::V6(v6) => v6.ip().octets().to_vec(),
    };
    let words = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|word| format!("{:08X}", u32::from_ne_bytes(*word)));
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

/// The state with this number in include/net/tcp_states.h.
#[cfg(target_os = "linux")]
fn numbered(number: u8) -> Option<TcpState> {
    Some(match number {
        1 => TcpState::Established,
        2 => TcpState::SynSent,
        3 => TcpState::SynRecv,
        4 => TcpState::FinWait1,
        5 => TcpState::FinWait2,
        6 => TcpState::TimeWait,
        8 => TcpState::CloseWait,
        9 => TcpState::LastAck,
        10 => TcpState::Listen,
        11 => TcpState::Closing,
        _ => return None,
    })
}

#[cfg(not(target_os = "linux"))]
fn states(local: SocketAddr) -> io::Result<Vec<TcpState>> {
    super::pcblist::states(local)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_format_of_the_kernel_s_table() {
        let expected = if cfg!(target_endian = "little") {
            "0100007F:0FA1"
        } else {
            "7F000001:0FA1"
        };
        assert_eq!(in_table("127.0.0.1:4001".parse().unwrap()), expected);
    }

    #[test]
    fn a_listener_is_in_the_table() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(
            states(listener.local_addr().unwrap()).unwrap(),
            [TcpState::Listen]
        );
    }
}
