//! The BSDs' table of TCP sockets: the control `net.inet.tcp.pcblist`, as netstat(1) reads it.
//!
//! Both systems give out records that begin with their own length, and both have in them, somewhere, what in_pcb.h calls
//! `struct in_endpoints`, and the state. Where differs from version to version: FreeBSD exports structures made for it,
//! and leaves out the inner lengths where a socket is closed already, as one in TIME_WAIT is; DragonFly gives out its own
//! kernel's structures, and counts states from another number since 2010. So the places are not written down here but
//! learned: a connection of our own is brought from one state to the next, and whatever changes with it is its state.
//! The price is a connection per case that looks at the table, and that a table in which this finds no single answer
//! cannot be read at all.

#![cfg(any(target_os = "freebsd", target_os = "dragonfly", test))]

#[cfg(not(target_os = "linux"))]
mod learn;

use std::net::{IpAddr, SocketAddr};

use reusespec_core::step::socket::TcpState;

#[cfg(not(target_os = "linux"))]
pub(super) use learn::states;

/// Offsets in `struct in_endpoints`: foreign port, local port, foreign and local address, an IPv4 one in the last of four
/// words.
const LOCAL_PORT: usize = 2;
const FOREIGN_ADDRESS: usize = 4;
const LOCAL_ADDRESS: usize = 20;
const ADDRESS_BYTES: usize = 16;

/// What FreeBSD puts before and behind the records, `struct xinpgen`, is shorter than this, and no record is.
const SHORTEST_RECORD: usize = 128;

/// The order of states in tcp_fsm.h, which is 4.2BSD's; only the number of the first has changed.
const STATES: [TcpState; 10] = [
    TcpState::Listen,
    TcpState::SynSent,
    TcpState::SynRecv,
    TcpState::Established,
    TcpState::CloseWait,
    TcpState::FinWait1,
    TcpState::Closing,
    TcpState::LastAck,
    TcpState::FinWait2,
    TcpState::TimeWait,
];

/// Where in a record things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    endpoints: usize,
    state: usize,
    /// The number of [`TcpState::Listen`].
    first_state: u32,
}

/// A socket known to be in the table, by its own address and its peer's, and its state.
type Known = (SocketAddr, SocketAddr, TcpState);

/// The one layout by which each of the tables has the sockets known to have been in it.
fn learned(tables: &[(Vec<u8>, Vec<Known>)]) -> Result<Layout, String> {
    let mut candidates: Option<Vec<Layout>> = None;
    for (table, known) in tables {
        for (local, peer, state) in known {
            let fitting: Vec<_> = records(table)
                .flat_map(|record| fitting(record, *local, *peer, *state))
                .collect();
            candidates = Some(match candidates {
                None => fitting,
                Some(before) => before.into_iter().filter(|it| fitting.contains(it)).collect(),
            });
        }
    }
    match candidates.as_deref() {
        Some([layout]) => Ok(*layout),
        several => Err(format!(
            "{} places in the kernel's table of TCP sockets could hold their states",
            several.map_or(0, <[_]>::len)
        )),
    }
}

/// The layouts by which this record is of that socket, in that state.
fn fitting(record: &[u8], local: SocketAddr, peer: SocketAddr, state: TcpState) -> Vec<Layout> {
    let number = position(state);
    let places = (0..record.len()).step_by(2).filter(|at| {
        port(record, *at) == Some(peer.port())
            && is_at(record, at + LOCAL_PORT, local)
            && has_address(record, at + FOREIGN_ADDRESS, peer.ip())
    });
    let mut layouts = Vec::new();
    for endpoints in places {
        for at in (0..record.len()).step_by(4) {
            let found = word(record, at);
            layouts.extend(
                (0..=2)
                    .filter(|first| found == Some(number + first))
                    .map(|first_state| Layout {
                        endpoints,
                        state: at,
                        first_state,
                    }),
            );
        }
    }
    layouts
}

/// The states of all sockets with this local address.
fn in_table(table: &[u8], layout: Layout, local: SocketAddr) -> Vec<TcpState> {
    records(table)
        .filter(|record| is_at(record, layout.endpoints + LOCAL_PORT, local))
        .filter_map(|record| {
            let number = word(record, layout.state)?.checked_sub(layout.first_state)?;
            STATES.get(usize::try_from(number).ok()?).copied()
        })
        .collect()
}

/// Whether the local port at this place, and the address that goes with it, are these.
fn is_at(record: &[u8], at: usize, local: SocketAddr) -> bool {
    port(record, at) == Some(local.port()) && has_address(record, at - LOCAL_PORT + LOCAL_ADDRESS, local.ip())
}

/// 0.0.0.0 and :: look the same.
fn has_address(record: &[u8], at: usize, address: IpAddr) -> bool {
    let Some(found) = record.get(at..at + ADDRESS_BYTES) else {
        return false;
    };
    match address {
        IpAddr::V4(address) => found.ends_with(&address.octets()),
        IpAddr::V6(address) => found == address.octets(),
    }
}

fn records(table: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = table;
    std::iter::from_fn(move || {
        let length = usize::try_from(u64::from_le_bytes(rest.first_chunk().copied()?)).ok()?;
        if length == 0 {
            return None;
        }
        let record = rest.get(..length)?;
        rest = &rest[length..];
        Some(record)
    })
    .filter(|record| record.len() >= SHORTEST_RECORD)
}

fn position(state: TcpState) -> u32 {
    STATES
        .iter()
        .position(|each| *each == state)
        .map_or(0, |position| position as u32)
}

fn port(record: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(record.get(at..)?.first_chunk().copied()?))
}

fn word(record: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(record.get(at..)?.first_chunk().copied()?))
}

#[cfg(test)]
mod tests;
