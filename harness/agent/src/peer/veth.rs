//! The wire on Linux: a veth pair, the peer's end read and written through a packet socket.
//!
//! `netlink` makes the pair. Both ends are set `NOARP`: the kernel then asks nobody for a link address, looks
//! for no duplicate addresses, and its frames carry its own address, which does not matter at the other end.
//! The price is that nothing here exercises neighbour discovery.
//!
//! A packet socket and not `/dev/net/tun`: the device file is often only root's, while a packet socket needs
//! no more than the case's own namespace.
//!
//! Both directions carry the kernel's time stamps: what is received is stamped on arrival, and what is sent is
//! stamped by the device and read back from the socket's error queue (Documentation/networking/timestamping.rst).
//! A peer that is not let run between a look at the clock and its send would otherwise move the origin of every
//! time.

mod losses;
mod netlink;

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

/// Wires that can exist beside each other in one namespace.
const NUMBERS: u8 = 64;
/// Locally administered, so that they collide with no card's.
const KERNEL_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 1];
const PEER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 2];
const ETHERNET_HEADER: usize = 14;
/// The longest frame: the kernel segments nothing itself once check sums are its own business.
const FRAME: usize = ETHERNET_HEADER + 65_535;
/// Room for a `sock_extended_err` and the address behind it, which come with each stamp of a sent frame.
const EXTENDED_ERROR: usize = 64;

/// The peer's end of the pair.
#[derive(Debug)]
pub(super) struct Link {
    socket: OwnedFd,
    /// The names of the kernel's end and the peer's.
    ends: [String; 2],
    /// What the ends had dropped before the first segment.
    dropped_before: u64,
    /// What the kernel had counted of probes by then.
    probes_before: u64,
}

impl Link {
    /// Makes the pair and gives the kernel's end its addresses.
    pub(super) fn open(ipv6: bool) -> Result<(Self, Addresses), PeerError> {
        let routes = netlink::Routes::open().map_err(during("open a netlink socket"))?;
        let number = make_pair(&routes).map_err(during("make a veth pair"))?;
        let addresses = Addresses::of_wire(number);
        let ends = names(number);
        let [kernel_end, peer_end] = &ends;
        let index = if_nametoindex(kernel_end.as_str())
            .map_err(|errno| during("find the veth pair")(errno.into()))?;
        let v4 = addresses.host(false, 1);
        routes
            .add_address(index, v4, 24)
            .map_err(during("give the wire an IPv4 address"))?;
        if ipv6 {
            let v6 = addresses.host(true, 1);
            routes
                .add_address(index, v6, 64)
                .map_err(during("give the wire an IPv6 address"))?;
        }
        let link = packet_socket(peer_end).map_err(|errno| during("open a packet socket")(errno.into()))?;
        sum_in_software(&link, kernel_end)
            .map_err(|errno| during("switch check sum offload off")(errno.into()))?;
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

    /// How many frames got lost on the way, in either direction.
    pub(super) fn lost(&self) -> io::Result<u64> {
        let dropped = losses::on_the_wire(&self.ends)?.saturating_sub(self.dropped_before);
        Ok(dropped + losses::before_the_socket(&self.socket)?)
    }

    /// How many keepalive probes must have crossed the wire: the case's namespace has no other.
    pub(super) fn probes_sent(&self) -> io::Result<u64> {
        Ok(losses::probes_sent()?.saturating_sub(self.probes_before))
    }

    /// The next datagram the kernel sent, with the time the kernel stamped on it; `None` if none waits.
    pub(super) fn receive(&self) -> io::Result<Option<(Duration, Vec<u8>)>> {
        let mut frame = vec![0; FRAME];
        // Both kinds of stamp come with a segment once the stamps of sent ones are asked for. On 32-bit machines musl
        // adds the first one again, with 64 bits, and takes it for truncated where there is no room for that
        // (src/network/recvmsg.c, `__convert_scm_timestamps`).
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
        let stamped = received.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(at) => Some(by_real_time(at.into(), monotonic(), now())),
            _ => None,
        });
        let len = received.bytes;
        frame.truncate(len);
        frame.drain(..ETHERNET_HEADER.min(len));
        Ok(Some((stamped.unwrap_or_else(now), frame)))
    }

    /// Sends one IP datagram to the kernel and gives the time the device stamped on it.
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

    /// The stamp of what was sent last. The device queues it before the send returns.
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
                    return last.ok_or_else(|| io::Error::other("the device did not stamp what was sent"));
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

/// A stamp by the clock it is nearer to. Up to Linux 5.17 a frame between two devices of one namespace keeps the time
/// at which TCP sent it, which is monotonic, and a packet socket passes it on as if it were the time of day
/// (net/core/skbuff.c: `skb_scrub_packet` forgets it between namespaces only; `mono_delivery_time` of 5.18 ends it).
fn by_real_time(stamp: Duration, monotonic: Duration, real: Duration) -> Duration {
    if stamp.abs_diff(monotonic) < stamp.abs_diff(real) {
        stamp + real.saturating_sub(monotonic)
    } else {
        stamp
    }
}

/// The kernel's end and the peer's.
fn names(number: u8) -> [String; 2] {
    [format!("wire{number}"), format!("peer{number}")]
}

/// Makes a pair with the first free number.
fn make_pair(routes: &netlink::Routes) -> io::Result<u8> {
    for number in 0..NUMBERS {
        let [kernel_end, peer_end] = names(number);
        match routes.add_veth((&kernel_end, KERNEL_MAC), (&peer_end, PEER_MAC)) {
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
    // Protocol 0 receives nothing until the socket is bound to the one interface.
    let link = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
    setsockopt(&link, ReceiveTimestampns, &true)?;
    let of_sent = TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
    setsockopt(&link, Timestamping, &of_sent)?;
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

/// Makes what is sent reach the other end although this end was raised first (`Routes::add_veth`): it goes past
/// the queue that is not open yet (packet(7)).
fn bypass_queue(link: &OwnedFd) -> nix::Result<()> {
    let on: libc::c_int = 1;
    let len = mem::size_of_val(&on) as libc::socklen_t;
    let (level, option) = (libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS);
    // SAFETY: the pointer and the length describe `on`, which outlives the call.
    Errno::result(unsafe { libc::setsockopt(link.as_raw_fd(), level, option, (&raw const on).cast(), len) })?;
    Ok(())
}

/// Makes the kernel write whole check sums and segments of at most one frame, as a card would on the wire.
fn sum_in_software(any_socket: &OwnedFd, kernel_end: &str) -> nix::Result<()> {
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
    // SAFETY: all-zero bytes are a valid ifreq.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(kernel_end.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut off).cast();
    // SAFETY: SIOCETHTOOL reads an ifreq whose data points to the value of the command; both outlive the call.
    Errno::result(unsafe { libc::ioctl(any_socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_of_the_monotonic_clock_is_told_from_one_of_the_time_of_day() {
        let (monotonic, real) = (Duration::from_secs(100), Duration::from_secs(1_900_000_000));
        let earlier = Duration::from_millis(30);
        assert_eq!(by_real_time(monotonic - earlier, monotonic, real), real - earlier);
        assert_eq!(by_real_time(real - earlier, monotonic, real), real - earlier);
    }
}
