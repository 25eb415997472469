//! Configures the loopback interface of a new network namespace.
//!
//! The kernel adds 127.0.0.0/8 and ::1 by itself. This module adds a second IPv6 address and the multicast routes.
//! Flags and routes are set by ioctl(2), which takes one system call each. The address is set by rtnetlink(7), because
//! only that interface can skip the check for duplicates, during which bind(2) refuses the address for some
//! milliseconds.

use std::io;
use std::net::Ipv6Addr;
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

use super::SECOND_V6;
use crate::netlink::{self, Netlink};

/// With a prefix of 8: all IPv6 multicast groups.
const MULTICAST_V6: Ipv6Addr = Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0);

nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, libc::ifreq);
nix::ioctl_read_bad!(get_index, libc::SIOCGIFINDEX, libc::ifreq);
nix::ioctl_write_ptr_bad!(add_v4_route, libc::SIOCADDRT, libc::rtentry);
nix::ioctl_write_ptr_bad!(add_v6_route, libc::SIOCADDRT, In6Rtmsg);

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

/// Sets the interface up and adds the IPv4 multicast route. With `ipv6` also adds the second address and its routes.
pub(super) fn bring_up(ipv6: bool) -> io::Result<()> {
    let v4 = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    let mut request = netlink::ifreq("lo");
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_MULTICAST) as libc::c_short;
    // SAFETY: the request is a whole `ifreq` with its flags set.
    unsafe { set_flags(v4.as_raw_fd(), &raw const request) }?;
    route_v4_multicast(&v4)?;
    if ipv6 {
        let v6 = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
        let index = index(&v4)?;
        Netlink::open()?.add_address(index.cast_unsigned(), SECOND_V6.into(), 128)?;
        // The kernel would add its own route to the new address some milliseconds later.
        deliver_v6(&v6, index, SECOND_V6, 128)?;
        deliver_v6(&v6, index, MULTICAST_V6, 8)?;
    }
    Ok(())
}

fn index(v4: &Socket) -> io::Result<i32> {
    let mut request = netlink::ifreq("lo");
    // SAFETY: the kernel writes the index into a whole `ifreq`, and only that member of the union is read.
    unsafe {
        get_index(v4.as_raw_fd(), &raw mut request)?;
        Ok(request.ifr_ifru.ifru_ifindex)
    }
}

/// Routes 224.0.0.0/4 to the loopback interface.
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
        // SAFETY: `sockaddr_in` and `sockaddr` have the same size, and the family says which one it is.
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

/// Adds a local route over the loopback interface. The kernel turns any other kind of route over it into a reject.
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
