//! Brings up the loopback interface of a fresh namespace: 127.0.0.0/8 comes by itself, a second IPv6 address
//! and the routes for multicast do not.
//!
//! ioctl(2) requests of netdevice(7) and route(4), and one rtnetlink(7) message: four structures, against a
//! netlink crate and its runtime in every agent. The address needs the message: only it can say that no
//! duplicate is to be looked for, without which binding it is refused for some milliseconds.

use std::io::{self, Read};
use std::net::Ipv6Addr;
use std::os::fd::AsRawFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::SECOND_V6;

/// All groups, with a prefix of 8.
const MULTICAST_V6: Ipv6Addr = Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0);

nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, libc::ifreq);
nix::ioctl_read_bad!(get_index, libc::SIOCGIFINDEX, libc::ifreq);
nix::ioctl_write_ptr_bad!(add_v4_route, libc::SIOCADDRT, libc::rtentry);
nix::ioctl_write_ptr_bad!(add_v6_route, libc::SIOCADDRT, In6Rtmsg);

/// RTM_NEWADDR with one attribute: `struct nlmsghdr`, `struct ifaddrmsg` and `struct rtattr` of rtnetlink(7).
#[repr(C)]
#[derive(Clone, Copy)]
struct NewAddress {
    header: libc::nlmsghdr,
    family: u8,
    prefix_length: u8,
    flags: u8,
    scope: u8,
    index: i32,
    attribute_length: u16,
    attribute: u16,
    address: [u8; 16],
}

/// `struct in6_rtmsg` of linux/ipv6_route.h.
#[repr(C)]
#[derive(Debug)]
pub(super) struct In6Rtmsg {
    destination: libc::in6_addr,
    source: libc::in6_addr,
    gateway: libc::in6_addr,
    kind: u32,
    destination_length: u16,
    source_length: u16,
    metric: u32,
    info: libc::c_ulong,
    flags: u32,
    index: i32,
}

/// Flags up, and where IPv6 is wanted and there, the second address and the multicast route.
pub(super) fn bring_up(ipv6: bool) -> io::Result<()> {
    let v4 = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    let mut request = named("lo");
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_MULTICAST) as libc::c_short;
    // SAFETY: the request is a whole `ifreq` with its flags set.
    unsafe { set_flags(v4.as_raw_fd(), &raw const request) }?;
    route_v4_multicast(&v4)?;
    if ipv6 {
        let v6 = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
        let index = index(&v4)?;
        add_second_v6(index)?;
        // The kernel's own route to the new address follows some milliseconds later.
        deliver_v6(&v6, index, SECOND_V6, 128)?;
        deliver_v6(&v6, index, MULTICAST_V6, 8)?;
    }
    Ok(())
}

fn index(v4: &Socket) -> io::Result<i32> {
    let mut request = named("lo");
    // SAFETY: the kernel fills the index of a whole `ifreq`; the union is read as what it filled.
    unsafe {
        get_index(v4.as_raw_fd(), &raw mut request)?;
        Ok(request.ifr_ifru.ifru_ifindex)
    }
}

fn named(name: &str) -> libc::ifreq {
    // SAFETY: all-zero is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request
}

/// 224.0.0.0/4 by the loopback interface.
fn route_v4_multicast(v4: &Socket) -> io::Result<()> {
    let address = |a: [u8; 4]| {
        let mut raw = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: 0,
            sin_addr: libc::in_addr {
                s_addr: u32::from_ne_bytes(a),
            },
            sin_zero: [0; 8],
        };
        // SAFETY: `sockaddr_in` and `sockaddr` have the same size, and the kernel reads it by its family.
        unsafe { std::ptr::read((&raw mut raw).cast::<libc::sockaddr>()) }
    };
    let mut name = *b"lo\0";
    // SAFETY: all-zero is a valid `rtentry`; the device name outlives the call.
    unsafe {
        let mut route: libc::rtentry = std::mem::zeroed();
        route.rt_dst = address([224, 0, 0, 0]);
        route.rt_genmask = address([240, 0, 0, 0]);
        route.rt_flags = libc::RTF_UP;
        route.rt_dev = name.as_mut_ptr().cast();
        add_v4_route(v4.as_raw_fd(), &raw const route)?;
    }
    Ok(())
}

fn add_second_v6(index: i32) -> io::Result<()> {
    let message = NewAddress {
        header: libc::nlmsghdr {
            nlmsg_len: size_of::<NewAddress>() as u32,
            nlmsg_type: libc::RTM_NEWADDR,
            nlmsg_flags: (libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE) as u16,
            nlmsg_seq: 1,
            nlmsg_pid: 0,
        },
        family: libc::AF_INET6 as u8,
        prefix_length: 128,
        flags: libc::IFA_F_NODAD as u8,
        scope: libc::RT_SCOPE_UNIVERSE,
        index,
        attribute_length: 20,
        attribute: libc::IFA_LOCAL,
        address: SECOND_V6.octets(),
    };
    // SAFETY: the structure is plain integers without padding.
    let bytes: [u8; size_of::<NewAddress>()] = unsafe { std::mem::transmute(message) };
    let netlink = Socket::new(
        Domain::from(libc::AF_NETLINK),
        Type::RAW,
        Some(Protocol::from(libc::NETLINK_ROUTE)),
    )?;
    netlink.send(&bytes)?;
    acknowledged(&netlink)
}

/// Reads the kernel's answer: `struct nlmsghdr`, then a negated error number.
fn acknowledged(netlink: &Socket) -> io::Result<()> {
    const ERROR_AT: usize = size_of::<libc::nlmsghdr>();
    let mut answer = [0; 1024];
    let length = (&*netlink).read(&mut answer)?;
    match answer[..length].get(ERROR_AT..ERROR_AT + 4) {
        Some(&[a, b, c, d]) => match i32::from_ne_bytes([a, b, c, d]) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(-error)),
        },
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// A local route over the loopback interface; the kernel turns any other kind over it into a reject.
fn deliver_v6(v6: &Socket, index: i32, to: Ipv6Addr, prefix_length: u16) -> io::Result<()> {
    let none = libc::in6_addr { s6_addr: [0; 16] };
    let route = In6Rtmsg {
        destination: libc::in6_addr { s6_addr: to.octets() },
        source: none,
        gateway: none,
        kind: u32::from(libc::RTN_LOCAL),
        destination_length: prefix_length,
        source_length: 0,
        metric: 1,
        info: 0,
        flags: u32::from(libc::RTF_UP) | libc::RTF_LOCAL,
        index,
    };
    // SAFETY: the request has the layout of `struct in6_rtmsg`.
    unsafe { add_v6_route(v6.as_raw_fd(), &raw const route) }?;
    Ok(())
}
