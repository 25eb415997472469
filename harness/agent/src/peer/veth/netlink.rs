//! The requests to the kernel's routing socket that a wire needs (rtnetlink(7)).
//!
//! Written out here because they are three messages of fixed shape: a netlink crate would bring some twenty
//! others into a binary that travels through serial lines. The price is that the layout of `ifinfomsg` and
//! `ifaddrmsg` is spelled in bytes below.

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
const HEADER: usize = 16;

/// A routing socket.
#[derive(Debug)]
pub(super) struct Routes {
    socket: OwnedFd,
}

impl Routes {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        Ok(Self {
            socket: socket(
                AddressFamily::Netlink,
                SockType::Raw,
                flags,
                SockProtocol::NetlinkRoute,
            )?,
        })
    }

    /// Makes a veth pair, both ends up and without address resolution.
    ///
    /// In three requests: an end that is up from the start would be opened before it has its other end. The
    /// end named `one` is raised last. An end raised while the other is down sends nothing until the kernel
    /// has worked off a carrier event, and those it works off once a second for the whole machine.
    pub(super) fn add_veth(&self, one: (&str, [u8; 6]), other: (&str, [u8; 6])) -> io::Result<()> {
        let peer = attribute(VETH_INFO_PEER, &interface(other));
        let mut veth = attribute(libc::IFLA_INFO_KIND, b"veth");
        veth.extend(attribute(libc::IFLA_INFO_DATA, &peer));
        let mut body = interface(one);
        body.extend(attribute(libc::IFLA_LINKINFO, &veth));
        self.make(libc::RTM_NEWLINK, &body)?;
        self.raise(other.0)?;
        self.raise(one.0)
    }

    fn raise(&self, name: &str) -> io::Result<()> {
        let mut body = flags(libc::IFF_UP);
        body.extend(attribute(libc::IFLA_IFNAME, name.as_bytes()));
        self.request(libc::RTM_NEWLINK, 0, &body)
    }

    /// Gives interface `index` an address, and returns when the kernel takes what is sent to it.
    ///
    /// For IPv4 the request does it all. An IPv6 address gets its local route from a kernel worker some time
    /// later, also without a search for duplicates; what arrives before that is dropped.
    pub(super) fn add_address(&self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let IpAddr::V6(v6) = address else {
            return self.request_address(index, address, prefix);
        };
        let news = news_of_ipv6_routes()?;
        self.request_address(index, address, prefix)?;
        let mut messages = [0; 4096];
        loop {
            let len = recv(news.as_raw_fd(), &mut messages, MsgFlags::empty())?;
            if tells_of_local_route(&messages[..len], v6) {
                return Ok(());
            }
        }
    }

    fn request_address(&self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let (family, octets) = match address {
            IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec()),
            IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec()),
        };
        let family = u8::try_from(family).expect("families of addresses are small numbers");
        let flags = u8::try_from(libc::IFA_F_NODAD).expect("the flag is one of the first eight");
        // struct ifaddrmsg: family, prefix length, flags, scope (universe), interface.
        let mut body = vec![family, prefix, flags, 0];
        body.extend(index.to_ne_bytes());
        body.extend(attribute(libc::IFA_LOCAL, &octets));
        body.extend(attribute(libc::IFA_ADDRESS, &octets));
        self.make(libc::RTM_NEWADDR, &body)
    }

    /// A request for something that must not be there yet.
    fn make(&self, kind: u16, body: &[u8]) -> io::Result<()> {
        self.request(kind, libc::NLM_F_CREATE | libc::NLM_F_EXCL, body)
    }

    /// Sends a request and waits for its acknowledgement.
    fn request(&self, kind: u16, flags: libc::c_int, body: &[u8]) -> io::Result<()> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags;
        let flags = u16::try_from(flags).expect("nlmsghdr has 16 bits of flags");
        let len = u32::try_from(HEADER + body.len()).expect("requests are a few hundred octets");
        // struct nlmsghdr: length, type, flags, sequence number, port; one request is under way at a time.
        let mut message = len.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        send(self.socket.as_raw_fd(), &message, MsgFlags::empty())?;
        let mut reply = [0; 4096];
        let len = recv(self.socket.as_raw_fd(), &mut reply, MsgFlags::empty())?;
        // struct nlmsgerr begins with the negated error number; 0 is the acknowledgement.
        let error = reply[..len]
            .get(HEADER..HEADER + 4)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        match i32::from_ne_bytes(error.try_into().expect("the slice has four octets")) {
            0 => Ok(()),
            negated => Err(Errno::from_raw(-negated).into()),
        }
    }
}

/// A routing socket that hears of every change of an IPv6 route in this namespace; a second of silence is an
/// error.
fn news_of_ipv6_routes() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let news = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags,
        SockProtocol::NetlinkRoute,
    )?;
    let groups = u32::try_from(libc::RTMGRP_IPV6_ROUTE).expect("groups of the first kind are bits of a word");
    bind(news.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    setsockopt(&news, ReceiveTimeout, &TimeVal::seconds(1))?;
    Ok(news)
}

/// Whether one of the messages is the new local route to `address`.
fn tells_of_local_route(mut messages: &[u8], address: Ipv6Addr) -> bool {
    /// Where `struct rtmsg` keeps the length of the destination and the type of the route.
    const DESTINATION_LEN: usize = HEADER + 1;
    const TYPE: usize = HEADER + 7;
    while messages.len() > TYPE {
        let len = u32::from_ne_bytes(messages[..4].try_into().expect("the slice has four octets")) as usize;
        let kind = u16::from_ne_bytes([messages[4], messages[5]]);
        let (message, rest) = messages.split_at(len.next_multiple_of(4).clamp(HEADER, messages.len()));
        let local = message.get(DESTINATION_LEN) == Some(&128) && message.get(TYPE) == Some(&libc::RTN_LOCAL);
        let names_it = message.windows(16).any(|octets| octets == address.octets());
        if kind == libc::RTM_NEWROUTE && local && names_it {
            return true;
        }
        messages = rest;
    }
    false
}

/// `struct ifinfomsg` that sets `flags`: family, padding, type and index are the kernel's choice.
fn flags(flags: libc::c_int) -> Vec<u8> {
    let mut body = vec![0; 8];
    // The flags, and which of them change.
    body.extend(flags.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body
}

/// The message and the attributes that both ends of a pair have.
fn interface((name, mac): (&str, [u8; 6])) -> Vec<u8> {
    let mut body = flags(libc::IFF_NOARP);
    body.extend(attribute(libc::IFLA_IFNAME, name.as_bytes()));
    body.extend(attribute(libc::IFLA_ADDRESS, &mac));
    body
}

/// One attribute: length, type, value, padding to four octets.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + value.len()).expect("attributes are a few hundred octets");
    let mut attribute = len.to_ne_bytes().to_vec();
    attribute.extend(kind.to_ne_bytes());
    attribute.extend(value);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}
