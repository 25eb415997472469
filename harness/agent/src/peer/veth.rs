//! The wire on Linux: a veth pair. The peer reads and writes its end through a packet socket.
//!
//! Both ends have the flag `NOARP`, so the kernel neither resolves link addresses nor checks for duplicate addresses.
//! The link address of its frames does not matter to the peer. The price: the wire does not exercise neighbour
//! discovery.
//!
//! A packet socket needs only the case's own namespace. `/dev/net/tun` can often be opened by root alone.
//!
//! The kernel stamps frames in both directions. It stamps a received frame on arrival. The device stamps a sent frame,
//! and the stamp is read from the socket's error queue (Documentation/networking/timestamping.rst). A clock read before
//! the send would be too early whenever the peer loses the processor in between, and later times are measured from it.

mod losses;

use std::io::{self, IoSliceMut};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, TimestampingFlag, recvmsg, send,
    setsockopt, socket,
    sockopt::{ReceiveTimestampns, Timestamping},
};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use super::{Addresses, PeerError, during, now};
use crate::netlink::{Netlink, ifreq};

/// The limit of wires in one namespace.
const NUMBERS: u8 = 64;
/// Locally administered addresses, so that they collide with no network card.
const KERNEL_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 1];
const PEER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 2];
const ETHERNET_HEADER: usize = 14;
/// The size of the longest frame.
const FRAME: usize = ETHERNET_HEADER + 65_535;
/// The size of a `sock_extended_err` and the address behind it, which come with each stamp of a sent frame.
const EXTENDED_ERROR: usize = 64;

/// The peer's end of the pair.
#[derive(Debug)]
pub(super) struct Link {
    socket: OwnedFd,
    /// The interface names of the kernel's end and the peer's end.
    ends: [String; 2],
    /// The number of frames the ends had dropped before the first segment.
    dropped_before: u64,
    /// The number of probes the kernel had counted by then.
    probes_before: u64,
}

impl Link {
    /// Creates the pair and adds the addresses of the kernel's end.
    pub(super) fn open(ipv6: bool) -> Result<(Self, Addresses), PeerError> {
        let netlink = Netlink::open().map_err(during("open a netlink socket"))?;
        let number = make_pair(&netlink).map_err(during("make a veth pair"))?;
        let addresses = Addresses::of_wire(number);
        let ends = names(number);
        let [kernel_end, peer_end] = &ends;
        let index = if_nametoindex(kernel_end.as_str())
            .map_err(|errno| during("find the veth pair")(errno.into()))?;
        // First what a kernel may lack: gVisor has no time stamps on packet sockets.
        let link = packet_socket(peer_end).map_err(|errno| during("open a packet socket")(errno.into()))?;
        let v4 = addresses.host(false, 1);
        netlink
            .add_reachable_address(index, v4, 24)
            .map_err(during("add the IPv4 address of the wire"))?;
        if ipv6 {
            let v6 = addresses.host(true, 1);
            netlink
                .add_reachable_address(index, v6, 64)
                .map_err(during("add the IPv6 address of the wire"))?;
        }
        disable_checksum_offload(&link, kernel_end)
            .map_err(|errno| during("switch checksum offload off")(errno.into()))?;
        let dropped_before = losses::on_the_wire(&ends).map_err(during("read what the wire dropped"))?;
        let probes_before = losses::probes_sent().map_err(during("read how many probes were sent"))?;
        let link = Self {
            socket: link,
            ends,
            dropped_before,
            probes_before,
        };
        Ok((link, addresses))
    }

    /// The number of frames that were lost on the wire, in both directions.
    pub(super) fn lost(&self) -> io::Result<u64> {
        let dropped = losses::on_the_wire(&self.ends)?.saturating_sub(self.dropped_before);
        Ok(dropped + losses::before_the_socket(&self.socket)?)
    }

    /// The number of keepalive probes that the kernel has counted since the wire exists. All of them must have crossed
    /// it, because the case's namespace has no other wire.
    pub(super) fn probes_sent(&self) -> io::Result<u64> {
        Ok(losses::probes_sent()?.saturating_sub(self.probes_before))
    }

    /// The next datagram from the kernel and its time stamp. `None` if no datagram waits.
    pub(super) fn receive(&self) -> io::Result<Option<(Duration, Vec<u8>)>> {
        let mut frame = vec![0; FRAME];
        // With stamps for sent frames enabled, a received frame has both kinds of stamp. On 32-bit machines musl adds
        // the first one again in 64 bits, and reports truncation if there is no room for it (src/network/recvmsg.c,
        // `__convert_scm_timestamps`).
        let mut control = nix::cmsg_space!(TimeSpec, [TimeSpec; 3], [i64; 2]);
        let mut parts = [IoSliceMut::new(&mut frame)];
        let received = recvmsg::<()>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::empty(),
        );
        let received = match received {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let stamp = received.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(at) => Some(to_real_time(at.into(), monotonic(), now())),
            _ => None,
        });
        let len = received.bytes;
        frame.truncate(len);
        frame.drain(..ETHERNET_HEADER.min(len));
        Ok(Some((stamp.unwrap_or_else(now), frame)))
    }

    /// Sends an IP datagram to the kernel and returns the time stamp of the device.
    pub(super) fn send(&self, datagram: &[u8]) -> io::Result<Duration> {
        let ethertype = if datagram[0] >> 4 == 6 {
            libc::ETH_P_IPV6
        } else {
            libc::ETH_P_IP
        };
        let ethertype = u16::try_from(ethertype).expect("EtherTypes have 16 bits");
        let mut frame = Vec::with_capacity(ETHERNET_HEADER + datagram.len());
        frame.extend(KERNEL_MAC);
        frame.extend(PEER_MAC);
        frame.extend(ethertype.to_be_bytes());
        frame.extend(datagram);
        send(self.socket.as_raw_fd(), &frame, MsgFlags::empty())?;
        self.sent_at()
    }

    /// The time stamp of the last sent frame. The device queues it before the send returns.
    fn sent_at(&self) -> io::Result<Duration> {
        let mut control = nix::cmsg_space!([TimeSpec; 3], [u8; EXTENDED_ERROR]);
        let mut last = None;
        loop {
            let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
            match recvmsg::<()>(self.socket.as_raw_fd(), &mut [], Some(&mut control), flags) {
                Ok(stamp) => {
                    let stamps = stamp.cmsgs()?.find_map(|message| match message {
                        ControlMessageOwned::ScmTimestampsns(stamps) => Some(Duration::from(stamps.system)),
                        _ => None,
                    });
                    last = stamps.or(last);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    return last.ok_or_else(|| io::Error::other("the device did not stamp the sent frame"));
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every system has a monotonic clock");
    Duration::from(now)
}

/// Converts a stamp to real time, if it is a time of the monotonic clock.
///
/// Up to Linux 5.17 a frame between two devices of one namespace keeps the monotonic time at which TCP sent it, and a
/// packet socket returns that as if it were real time (net/core/skbuff.c: `skb_scrub_packet` clears it between
/// namespaces only; 5.18 has `mono_delivery_time` instead). The clocks differ by decades, so the nearer one is the
/// stamp's.
fn to_real_time(stamp: Duration, monotonic: Duration, real: Duration) -> Duration {
    if stamp.abs_diff(monotonic) < stamp.abs_diff(real) {
        stamp + real.saturating_sub(monotonic)
    } else {
        stamp
    }
}

/// The interface names of the kernel's end and the peer's end.
fn names(number: u8) -> [String; 2] {
    [format!("wire{number}"), format!("peer{number}")]
}

/// Creates a pair with the first free number, and returns the number.
fn make_pair(netlink: &Netlink) -> io::Result<u8> {
    for number in 0..NUMBERS {
        let [kernel_end, peer_end] = names(number);
        match netlink.add_veth((&kernel_end, KERNEL_MAC), (&peer_end, PEER_MAC)) {
            Ok(()) => return Ok(number),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A packet socket on the peer's end, non-blocking, with kernel time stamps.
fn packet_socket(peer_end: &str) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    // With protocol 0 the socket receives nothing until it is bound to its interface.
    let link = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
    setsockopt(&link, ReceiveTimestampns, &true)?;
    let sent_stamps = TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
    setsockopt(&link, Timestamping, &sent_stamps)?;
    bypass_queue(&link)?;
    let index = if_nametoindex(peer_end)?;
    // SAFETY: all-zero bytes are a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index.cast_signed();
    let len = mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: the pointer and the length describe `address`, which outlives the call.
    Errno::result(unsafe { libc::bind(link.as_raw_fd(), (&raw const address).cast(), len) })?;
    Ok(link)
}

/// Makes frames bypass the queue of this end (packet(7)). The queue may still be closed, because this end was set up
/// first (see [`Netlink::add_veth`]).
fn bypass_queue(link: &OwnedFd) -> nix::Result<()> {
    let on: libc::c_int = 1;
    let len = mem::size_of_val(&on) as libc::socklen_t;
    let (level, option) = (libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS);
    // SAFETY: the pointer and the length describe `on`, which outlives the call.
    Errno::result(unsafe { libc::setsockopt(link.as_raw_fd(), level, option, (&raw const on).cast(), len) })?;
    Ok(())
}

/// Switches off checksum offload, so that frames carry complete checksums and one segment each, as on a real wire.
fn disable_checksum_offload(any_socket: &OwnedFd, kernel_end: &str) -> nix::Result<()> {
    /// `ETHTOOL_STXCSUM` of linux/ethtool.h.
    const SET_TX_CHECKSUM: u32 = 0x17;
    #[repr(C)]
    struct EthtoolValue {
        command: u32,
        data: u32,
    }
    let mut off = EthtoolValue {
        command: SET_TX_CHECKSUM,
        data: 0,
    };
    let mut request = ifreq(kernel_end);
    request.ifr_ifru.ifru_data = (&raw mut off).cast();
    // SAFETY: SIOCETHTOOL reads an ifreq whose data points to the value of the command; both outlive the call.
    Errno::result(unsafe { libc::ioctl(any_socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monotonic_stamp_becomes_a_real_time() {
        let (monotonic, real) = (Duration::from_secs(100), Duration::from_secs(1_900_000_000));
        let earlier = Duration::from_millis(30);
        assert_eq!(to_real_time(monotonic - earlier, monotonic, real), real - earlier);
        assert_eq!(to_real_time(real - earlier, monotonic, real), real - earlier);
    }
}
