//! Requests to configure the network interfaces of a Linux namespace: rtnetlink(7) messages, and the `ifreq` of ioctl(2).
//!
//! The messages are written by hand because there are only four of them, each of a fixed shape. A netlink crate would
//! add about twenty other crates to a binary that travels through serial lines. The price: the layouts of `ifinfomsg`
//! and `ifaddrmsg` are spelled out in bytes below.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt::ReceiveTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// `VETH_INFO_PEER` of linux/veth.h.
const VETH_INFO_PEER: u16 = 1;
/// The size of `struct nlmsghdr`.
const HEADER: usize = 16;

/// An `ifreq` with the name of an interface, otherwise zero.
pub(crate) fn ifreq(name: &str) -> libc::ifreq {
    // SAFETY: all-zero bytes are a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request
}

/// An rtnetlink socket, which configures the network namespace it was opened in.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
}

impl Netlink {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { socket: open()? })
    }

    /// Creates a veth pair without address resolution and sets both ends up.
    ///
    /// This takes three requests: an end that is created up would be opened before its other end exists. The end named
    /// `first` is set up last. An end that is set up while the other is down sends nothing until the kernel has
    /// processed a carrier event, which it does once a second for the whole machine.
    pub(crate) fn add_veth(&self, first: (&str, [u8; 6]), second: (&str, [u8; 6])) -> io::Result<()> {
        let peer = attribute(VETH_INFO_PEER, &interface(second));
        let mut veth = attribute(libc::IFLA_INFO_KIND, b"veth");
        veth.extend(attribute(libc::IFLA_INFO_DATA, &peer));
        let mut body = interface(first);
        body.extend(attribute(libc::IFLA_LINKINFO, &veth));
        self.create(libc::RTM_NEWLINK, &body)?;
        self.set_up(second.0)?;
        self.set_up(first.0)
    }

    fn set_up(&self, name: &str) -> io::Result<()> {
        let mut body = flags(libc::IFF_UP);
        body.extend(attribute(libc::IFLA_IFNAME, name.as_bytes()));
        self.request(libc::RTM_NEWLINK, 0, &body)
    }

    /// Adds an address to interface `index`. The kernel does not check it for duplicates, so a socket can bind it at once.
    pub(crate) fn add_address(&self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let (family, octets) = family_and_octets(address);
        let flags = u8::try_from(libc::IFA_F_NODAD).expect("the flag is one of the lowest eight");
        // struct ifaddrmsg: family, prefix length, flags, scope (universe), interface.
        let mut body = vec![family, prefix, flags, libc::RT_SCOPE_UNIVERSE];
        body.extend(index.to_ne_bytes());
        body.extend(attribute(libc::IFA_LOCAL, &octets));
        body.extend(attribute(libc::IFA_ADDRESS, &octets));
        self.create(libc::RTM_NEWADDR, &body)
    }

    /// Adds a route to `to`/`prefix` over interface `index`.
    pub(crate) fn add_route(&self, index: u32, to: IpAddr, prefix: u8) -> io::Result<()> {
        let (family, octets) = family_and_octets(to);
        // struct rtmsg: family, lengths of destination and source, type of service, table, protocol, scope, type, flags.
        let mut body = vec![
            family,
            prefix,
            0,
            0,
            libc::RT_TABLE_MAIN,
            libc::RTPROT_BOOT,
            libc::RT_SCOPE_LINK,
            libc::RTN_UNICAST,
        ];
        body.extend([0; 4]);
        body.extend(attribute(libc::RTA_DST, &octets));
        body.extend(attribute(libc::RTA_OIF, &index.to_ne_bytes()));
        self.create(libc::RTM_NEWROUTE, &body)
    }

    /// Adds an address to interface `index`, and returns when the kernel accepts packets for it.
    ///
    /// IPv4 needs no wait. A kernel worker adds the local route of an IPv6 address some time after the request, and the
    /// kernel drops what arrives before.
    ///
    /// # Errors
    /// Also fails if the route does not appear within a second.
    pub(crate) fn add_reachable_address(&self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let IpAddr::V6(v6) = address else {
            return self.add_address(index, address, prefix);
        };
        let routes = subscribe_to_ipv6_routes()?;
        self.add_address(index, address, prefix)?;
        let mut messages = [0; 4096];
        loop {
            let len = recv(routes.as_raw_fd(), &mut messages, MsgFlags::empty())?;
            if has_local_route(&messages[..len], v6) {
                return Ok(());
            }
        }
    }

    /// Requests an object that must not exist yet.
    fn create(&self, kind: u16, body: &[u8]) -> io::Result<()> {
        self.request(kind, libc::NLM_F_CREATE | libc::NLM_F_EXCL, body)
    }

    /// Sends a request and waits for its acknowledgement.
    fn request(&self, kind: u16, flags: libc::c_int, body: &[u8]) -> io::Result<()> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags;
        let flags = u16::try_from(flags).expect("nlmsghdr has 16 bits of flags");
        let len = u32::try_from(HEADER + body.len()).expect("requests are a few hundred octets");
        // struct nlmsghdr: length, type, flags, sequence number, port. The last two stay zero, because no two requests
        // are outstanding at once.
        let mut message = len.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        send(self.socket.as_raw_fd(), &message, MsgFlags::empty())?;
        let mut reply = [0; 4096];
        let len = recv(self.socket.as_raw_fd(), &mut reply, MsgFlags::empty())?;
        // struct nlmsgerr begins with the negated error number; 0 means success.
        let error = reply[..len]
            .get(HEADER..HEADER + 4)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        match i32::from_ne_bytes(error.try_into().expect("the slice has four octets")) {
            0 => Ok(()),
            negated => Err(Errno::from_raw(-negated).into()),
        }
    }
}

/// The address family as messages have it, and the address.
fn family_and_octets(address: IpAddr) -> (u8, Vec<u8>) {
    let (family, octets) = match address {
        IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec()),
    };
    let family = u8::try_from(family).expect("address families are small numbers");
    (family, octets)
}

fn open() -> io::Result<OwnedFd> {
    let (kind, flags) = (SockType::Raw, SockFlag::SOCK_CLOEXEC);
    Ok(socket(
        AddressFamily::Netlink,
        kind,
        flags,
        SockProtocol::NetlinkRoute,
    )?)
}

/// A socket that receives every change of an IPv6 route in this namespace. A read fails after a second without one.
fn subscribe_to_ipv6_routes() -> io::Result<OwnedFd> {
    let routes = open()?;
    let groups = u32::try_from(libc::RTMGRP_IPV6_ROUTE).expect("the group is a bit of a 32-bit word");
    bind(routes.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    setsockopt(&routes, ReceiveTimeout, &TimeVal::seconds(1))?;
    Ok(routes)
}

/// Whether one of the messages announces the local route to `address`.
fn has_local_route(mut messages: &[u8], address: Ipv6Addr) -> bool {
    /// The offsets of destination length and route type in `struct rtmsg`.
    const DESTINATION_LEN: usize = HEADER + 1;
    const TYPE: usize = HEADER + 7;
    while messages.len() > TYPE {
        let len = u32::from_ne_bytes(messages[..4].try_into().expect("the slice has four octets")) as usize;
        let kind = u16::from_ne_bytes([messages[4], messages[5]]);
        let (message, rest) = messages.split_at(len.next_multiple_of(4).clamp(HEADER, messages.len()));
        let local = message.get(DESTINATION_LEN) == Some(&128) && message.get(TYPE) == Some(&libc::RTN_LOCAL);
        let has_address = message.windows(16).any(|octets| octets == address.octets());
        if kind == libc::RTM_NEWROUTE && local && has_address {
            return true;
        }
        messages = rest;
    }
    false
}

/// `struct ifinfomsg` that sets `flags`. Family, padding, type and index are zero, so the kernel chooses them.
fn flags(flags: libc::c_int) -> Vec<u8> {
    let mut body = vec![0; 8];
    // The values of the flags, then the mask of the flags to change.
    body.extend(flags.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body
}

/// The `ifinfomsg` and the attributes of one end of a veth pair.
fn interface((name, mac): (&str, [u8; 6])) -> Vec<u8> {
    let mut body = flags(libc::IFF_NOARP);
    body.extend(attribute(libc::IFLA_IFNAME, name.as_bytes()));
    body.extend(attribute(libc::IFLA_ADDRESS, &mac));
    body
}

/// An attribute: length, type, value, and padding to a multiple of four octets.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + value.len()).expect("attributes are a few hundred octets");
    let mut attribute = len.to_ne_bytes().to_vec();
    attribute.extend(kind.to_ne_bytes());
    attribute.extend(value);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}
