//! Frames that never crossed the wire: a machine that is too busy drops them on the way, between the two ends
//! (net.core.netdev_max_backlog) or before the peer's socket. Neither is the doing of whom the case watches.
//!
//! What is dropped before the device shows in no device's table, so probes are also told by TCP's own count. One such loss
//! costs a whole interval: TCP takes a probe that could not be sent for one that was (net/ipv4/tcp_timer.c,
//! `tcp_keepalive_timer`: `tcp_write_wakeup(...) <= 0`).

use std::fs;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;

/// Frames that the devices of this network namespace have dropped on receipt, by the names of the two ends.
pub(super) fn on_the_wire(ends: &[String; 2]) -> io::Result<u64> {
    // Of this thread, whose namespace may be another than that of the process's first one.
    let table = fs::read_to_string("/proc/thread-self/net/dev")?;
    Ok(dropped(&table, ends))
}

/// The fourth number of an interface's line is `drop` of what it received (proc(5), /proc/net/dev).
fn dropped(table: &str, ends: &[String; 2]) -> u64 {
    let of_end = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let own = ends.iter().any(|end| end == name.trim());
        let drop = numbers.split_whitespace().nth(3)?;
        if own { drop.parse::<u64>().ok() } else { None }
    };
    table.lines().filter_map(of_end).sum()
}

/// Keepalive probes that TCP has sent in this network namespace, by its own count; zero where it does not count them.
pub(super) fn probes_sent() -> io::Result<u64> {
    let table = fs::read_to_string("/proc/thread-self/net/netstat")?;
    Ok(counted(&table, "TCPKeepAlive").unwrap_or(0))
}

/// A counter of proc(5), /proc/net/netstat: names and numbers are in lines of their own, in the same order.
fn counted(table: &str, name: &str) -> Option<u64> {
    let mut lines = table.lines();
    while let (Some(names), Some(numbers)) = (lines.next(), lines.next()) {
        let mut pairs = names.split_whitespace().zip(numbers.split_whitespace());
        if let Some((_, number)) = pairs.find(|(each, _)| *each == name) {
            return number.parse().ok();
        }
    }
    None
}

/// Frames that had no room before the socket since this was last asked.
pub(super) fn before_the_socket(socket: &OwnedFd) -> io::Result<u64> {
    // SAFETY: all-zero bytes are a valid tpacket_stats.
    let mut statistics: libc::tpacket_stats = unsafe { mem::zeroed() };
    let mut len = mem::size_of_val(&statistics) as libc::socklen_t;
    let (level, option) = (libc::SOL_PACKET, libc::PACKET_STATISTICS);
    let room = (&raw mut statistics).cast();
    // SAFETY: the pointer and the length describe `statistics`, which outlives the call.
    Errno::result(unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, room, &raw mut len) })?;
    Ok(statistics.tp_drops.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_of_other_devices_are_not_of_the_wire() {
        let table = "Inter-|   Receive                            |  Transmit\n \
                     face |bytes    packets errs drop fifo frame compressed multicast|bytes\n    \
                     lo:       0       0    0    9    0     0          0         0        0       0\n \
                     wire0:     446       5    0    1    0     0          0         0     0       0\n \
                     peer0:     446       5    0    2    0     0          0         0     0       0\n";
        assert_eq!(dropped(table, &["wire0".to_owned(), "peer0".to_owned()]), 3);
    }

    #[test]
    fn a_counter_is_found_by_its_name_in_whatever_group_it_is() {
        let table = "TcpExt: SyncookiesSent TCPWinProbe TCPKeepAlive\nTcpExt: 7 0 5\nIpExt: InNoRoutes InOctets\nIpExt: 3 4096\n";
        assert_eq!(counted(table, "TCPKeepAlive"), Some(5));
        assert_eq!(counted(table, "InOctets"), Some(4096));
        assert_eq!(counted(table, "TCPMD5Failure"), None);
    }
}
