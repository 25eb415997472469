//! Counts frames that were lost between TCP and the peer's socket.
//!
//! A busy machine drops frames between the two ends (net.core.netdev_max_backlog) or before the peer's socket. That is
//! no behaviour of the TCP under test, so such a case is broken.
//!
//! A frame that is dropped before the device appears in no device's statistics. So the probes on the wire are also
//! compared with TCP's own counter. TCP counts a probe that could not be sent as sent, and waits a whole interval
//! before the next one (net/ipv4/tcp_timer.c, `tcp_keepalive_timer`: `tcp_write_wakeup(...) <= 0`).

use std::fs;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;

/// The number of received frames that the two named devices of this network namespace have dropped.
pub(super) fn on_the_wire(ends: &[String; 2]) -> io::Result<u64> {
    // Not /proc/self: the namespace of this thread may differ from that of the main thread.
    let table = fs::read_to_string("/proc/thread-self/net/dev")?;
    Ok(dropped(&table, ends))
}

/// The fourth number of an interface's line is `drop` of what it received (proc(5), /proc/net/dev).
fn dropped(table: &str, ends: &[String; 2]) -> u64 {
    let drops_of_end = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let own = ends.iter().any(|end| end == name.trim());
        let drop = numbers.split_whitespace().nth(3)?;
        if own { drop.parse::<u64>().ok() } else { None }
    };
    table.lines().filter_map(drops_of_end).sum()
}

/// The number of keepalive probes that TCP has counted as sent in this network namespace. Zero if it has no counter.
pub(super) fn probes_sent() -> io::Result<u64> {
    let table = fs::read_to_string("/proc/thread-self/net/netstat")?;
    Ok(counted(&table, "TCPKeepAlive").unwrap_or(0))
}

/// A counter of /proc/net/netstat (proc(5)): a line of names is followed by a line of numbers in the same order.
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

/// The number of frames that the socket's full buffer has dropped since the last call.
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
    fn drops_of_other_devices_do_not_count() {
        let table = "Inter-|   Receive                            |  Transmit\n \
                     face |bytes    packets errs drop fifo frame compressed multicast|bytes\n    \
                     lo:       0       0    0    9    0     0          0         0        0       0\n \
                     wire0:     446       5    0    1    0     0          0         0     0       0\n \
                     peer0:     446       5    0    2    0     0          0         0     0       0\n";
        assert_eq!(dropped(table, &["wire0".to_owned(), "peer0".to_owned()]), 3);
    }

    #[test]
    fn a_counter_is_found_by_name_in_any_group() {
        let table = "TcpExt: SyncookiesSent TCPWinProbe TCPKeepAlive\nTcpExt: 7 0 5\nIpExt: InNoRoutes InOctets\nIpExt: 3 4096\n";
        assert_eq!(counted(table, "TCPKeepAlive"), Some(5));
        assert_eq!(counted(table, "InOctets"), Some(4096));
        assert_eq!(counted(table, "TCPMD5Failure"), None);
    }
}
