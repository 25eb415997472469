//! FreeBSD's table of TCP sockets: the control `net.inet.tcp.pcblist`, as netstat(1) reads it.
//!
//! A record is a `struct xtcpcb`, made for export since version 12: each of the structures in it begins with its own
//! length, so what stands behind them is found without knowing which version runs (netinet/tcp_var.h,
//! netinet/in_pcb.h, sys/socketvar.h). The last 160 bytes before the state are names and spare words of a fixed size.

#![cfg(any(target_os = "freebsd", test))]

#[cfg(target_os = "freebsd")]
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use reusespec_core::step::socket::TcpState;

/// `xt_stack`, `xt_logid`, then `xt_cc` and `spare64`, which share 64 bytes.
const NAMES: usize = 32 + 64 + 64;

/// `INC_ISIPV6` in `inc_flags`.
const IS_IPV6: u8 = 1;

/// States of all TCP sockets with this local address.
#[cfg(target_os = "freebsd")]
pub(super) fn states(local: SocketAddr) -> io::Result<Vec<TcpState>> {
    let name = c"net.inet.tcp.pcblist";
    let mut length = 0;
    // SAFETY: without a place for the value the kernel writes only its length.
    nix::Error::result(unsafe {
        libc::sysctlbyname(
            name.as_ptr(),
            std::ptr::null_mut(),
            &raw mut length,
            std::ptr::null(),
            0,
        )
    })?;
    let mut table = vec![0u8; length];
    // SAFETY: the kernel writes at most `length` bytes, which is the room there is. It announces more than there are.
    nix::Error::result(unsafe {
        libc::sysctlbyname(
            name.as_ptr(),
            table.as_mut_ptr().cast(),
            &raw mut length,
            std::ptr::null(),
            0,
        )
    })?;
    table.truncate(length);
    Ok(in_table(&table, local))
}

/// The table begins and ends with a `struct xinpgen`; each record begins with its length.
fn in_table(table: &[u8], local: SocketAddr) -> Vec<TcpState> {
    let header = long(table, 0).unwrap_or(0);
    let (mut at, mut found) = (header, Vec::new());
    while let Some(length) = long(table, at).filter(|length| *length > header) {
        let Some(record) = table.get(at..at + length) else {
            break;
        };
        if let Some((address, state)) = of_record(record)
            && address == local
        {
            found.extend(numbered(state));
        }
        at += length;
    }
    found
}

fn of_record(record: &[u8]) -> Option<(SocketAddr, u32)> {
    let inpcb = 8;
    let socket = inpcb + 8;
    let connection = socket + long(record, socket)?;
    let port = u16::from_be_bytes(record.get(connection + 6..)?.first_chunk().copied()?);
    let address: [u8; 16] = record.get(connection + 24..)?.first_chunk().copied()?;
    let address = if record.get(connection)? & IS_IPV6 != 0 {
        IpAddr::V6(Ipv6Addr::from(address))
    } else {
        let last: [u8; 4] = address.last_chunk().copied()?;
        IpAddr::from(last)
    };
    let state = inpcb + long(record, inpcb)? + NAMES;
    let state = u32::from_le_bytes(record.get(state..)?.first_chunk().copied()?);
    Some((SocketAddr::new(address, port), state))
}

/// A length, as this system's own machines have it.
fn long(bytes: &[u8], at: usize) -> Option<usize> {
    let number = u64::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?);
    usize::try_from(number).ok().filter(|number| *number > 0)
}

/// The numbers of netinet/tcp_fsm.h.
fn numbered(number: u32) -> Option<TcpState> {
    Some(match number {
        1 => TcpState::Listen,
        2 => TcpState::SynSent,
        3 => TcpState::SynRecv,
        4 => TcpState::Established,
        5 => TcpState::CloseWait,
        6 => TcpState::FinWait1,
        7 => TcpState::Closing,
        8 => TcpState::LastAck,
        9 => TcpState::FinWait2,
        10 => TcpState::TimeWait,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as a kernel writes it, with structures of these lengths.
    fn record(socket: usize, inpcb: usize, local: SocketAddr, state: u32) -> Vec<u8> {
        let total = 8 + inpcb + NAMES + 200;
        let mut bytes = vec![0xee; total];
        let mut put = |at: usize, content: &[u8]| bytes[at..at + content.len()].copy_from_slice(content);
        put(0, &(total as u64).to_le_bytes());
        put(8, &(inpcb as u64).to_le_bytes());
        put(16, &(socket as u64).to_le_bytes());
        let connection = 16 + socket;
        put(connection, &[u8::from(local.is_ipv6())]);
        put(connection + 6, &local.port().to_be_bytes());
        match local.ip() {
            IpAddr::V4(address) => put(connection + 36, &address.octets()),
            IpAddr::V6(address) => put(connection + 24, &address.octets()),
        }
        put(8 + inpcb + NAMES, &state.to_le_bytes());
        bytes
    }

    #[test]
    fn a_state_is_found_by_the_lengths_in_the_record_whatever_the_version() {
        let generation = [&64u64.to_le_bytes()[..], &[0; 56]].concat();
        let (v4, v6) = ("127.0.0.1:4001".parse().unwrap(), "[::1]:4001".parse().unwrap());
        for (socket, inpcb) in [(200, 400), (280, 512)] {
            let table = [
                generation.clone(),
                record(socket, inpcb, v4, 10),
                record(socket, inpcb, v6, 1),
                record(socket, inpcb, v4, 4),
                record(socket, inpcb, "127.0.0.1:4002".parse().unwrap(), 1),
                generation.clone(),
            ]
            .concat();
            assert_eq!(in_table(&table, v4), [TcpState::TimeWait, TcpState::Established]);
            assert_eq!(in_table(&table, v6), [TcpState::Listen]);
        }
    }

    #[test]
    fn a_table_that_is_cut_short_ends_there() {
        let local = "127.0.0.1:4001".parse().unwrap();
        let generation = [&64u64.to_le_bytes()[..], &[0; 56]].concat();
        let table = [generation, record(200, 400, local, 10)].concat();
        assert_eq!(in_table(&table[..table.len() - 1], local), []);
        assert_eq!(in_table(&[], local), []);
    }
}
