//! The BSDs' table of TCP sockets: the system control `net.inet.tcp.pcblist`, which netstat(1) reads.
//!
//! On both systems the table is a sequence of records that begin with their own length. Each record contains
//! `struct in_endpoints` of in_pcb.h and the state. Their offsets differ between versions. FreeBSD exports structures
//! made for this purpose, and omits the inner lengths of a socket that is already closed, such as one in TIME_WAIT.
//! DragonFly exports its kernel's own structures, and since 2010 numbers the states differently.
//!
//! Therefore this module does not define the offsets but learns them: it brings a connection of its own from one state
//! to the next and looks for the field that changes accordingly. That costs a connection in each case that reads the
//! table. A table in which several offsets, or none, fit cannot be read.

#![cfg(any(target_os = "freebsd", target_os = "dragonfly", test))]

#[cfg(not(target_os = "linux"))]
mod learn;

use std::net::{IpAddr, SocketAddr};

use reusespec_core::step::socket::TcpState;

#[cfg(not(target_os = "linux"))]
pub(super) use learn::states;

/// Offsets in `struct in_endpoints`: foreign port, local port, foreign and local address, an IPv4 one in the last of
/// four words.
const LOCAL_PORT: usize = 2;
const FOREIGN_ADDRESS: usize = 4;
const LOCAL_ADDRESS: usize = 20;
const ADDRESS_BYTES: usize = 16;

/// FreeBSD puts a `struct xinpgen` before and after the records. It is shorter than this; no record is.
const SHORTEST_RECORD: usize = 128;

/// The states in the order of tcp_fsm.h, which is that of 4.2BSD. Only the number of the first differs between
/// versions.
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

/// The offsets of fields in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    endpoints: usize,
    state: usize,
    /// The number of [`TcpState::Listen`].
    first_state: u32,
}

/// A socket that is known to be in the table: its local address, its remote address and its state.
type Known = (SocketAddr, SocketAddr, TcpState);

/// The one layout with which each table contains the sockets that are known to be in it.
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

/// The layouts with which this record describes that socket in that state.
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

/// Whether the local port at this offset, and the address that belongs to it, are these.
fn is_at(record: &[u8], at: usize, local: SocketAddr) -> bool {
    port(record, at) == Some(local.port()) && has_address(record, at - LOCAL_PORT + LOCAL_ADDRESS, local.ip())
}

/// 0.0.0.0 and :: have the same bytes.
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
