//! Configures the loopback interface of a new network namespace.
//!
//! The kernel adds 127.0.0.0/8 and ::1 by itself. This module adds a second IPv6 address and the multicast routes.
//! Flags and routes are set by ioctl(2), which takes one system call each. The address is set by rtnetlink(7), because
//! only that interface can skip the check for duplicates, during which bind(2) refuses the address for some
//! milliseconds.
//!
//! gVisor has none of these requests of ioctl(2), but its interface is up from the start, and its rtnetlink(7) sets
//! routes. So a refused request is no error if the state that it asks for exists. If a route to multicast groups cannot
//! be had, only the cases that send to groups are affected.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

use super::SECOND_V6;
use crate::netlink::{self, Netlink};

/// With a prefix of 8: all IPv6 multicast groups.
const MULTICAST_V6: Ipv6Addr = Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0);
/// With a prefix of 4: all IPv4 multicast groups.
const MULTICAST_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 0);
/// A group of each family with the scope of a site, and the discard port.
const GROUP_V4: (Ipv4Addr, u16) = (Ipv4Addr::new(239, 255, 0, 1), 9);
const GROUP_V6: (Ipv6Addr, u16) = (Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 1), 9);

nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, libc::ifreq);
nix::ioctl_read_bad!(get_flags, libc::SIOCGIFFLAGS, libc::ifreq);
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
/// Returns why groups cannot be sent to, if they cannot.
pub(super) fn bring_up(ipv6: bool) -> io::Result<Option<String>> {
    let v4 = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    let mut request = netlink::ifreq("lo");
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_MULTICAST) as libc::c_short;
    // SAFETY: the request is a whole `ifreq` with its flags set.
    if let Err(refused) = unsafe { set_flags(v4.as_raw_fd(), &raw const request) }
        && !is_up(&v4)?
    {
        return Err(refused.into());
    }
    let index = index(&v4)?;
    let route = Netlink::open()?;
    let to_groups = |set: io::Result<()>, to: std::net::IpAddr, prefix, group: SocketAddr| {
        let set = set.or_else(|refused| {
            let by_message = route.add_route(index.cast_unsigned(), to, prefix);
            by_message.map_err(|_| refused)
        });
        let refused = set.err()?;
        let reason = || {
            format!(
                "no route to multicast groups can be set: {}",
                crate::errno::name(&refused)
            )
        };
        (!has_route(group)).then(reason)
    };
    let without_v4 = to_groups(route_v4_multicast(&v4), MULTICAST_V4.into(), 4, GROUP_V4.into());
    if !ipv6 {
        return Ok(without_v4);
    }
    let v6 = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
    route.add_address(index.cast_unsigned(), SECOND_V6.into(), 128)?;
    // Linux would add its own route to the new address some milliseconds later.
    if let Err(refused) = deliver_v6(&v6, index, SECOND_V6, 128)
        && !has_route((SECOND_V6, GROUP_V6.1).into())
    {
        return Err(refused);
    }
    let without_v6 = to_groups(
        deliver_v6(&v6, index, MULTICAST_V6, 8),
        MULTICAST_V6.into(),
        8,
        GROUP_V6.into(),
    );
    Ok(without_v4.or(without_v6))
}

fn is_up(v4: &Socket) -> io::Result<bool> {
    let mut request = netlink::ifreq("lo");
    // SAFETY: the kernel writes the flags into a whole `ifreq`, and only that member of the union is read.
    unsafe {
        get_flags(v4.as_raw_fd(), &raw mut request)?;
        Ok(libc::c_int::from(request.ifr_ifru.ifru_flags) & libc::IFF_UP != 0)
    }
}

/// Whether a datagram can be sent to this address: connect(2) of a datagram socket looks up the route. For groups the
/// interface is given, as cases give it.
fn has_route(to: SocketAddr) -> bool {
    let domain = if to.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
    let connected = Socket::new(domain, Type::DGRAM, None).and_then(|socket| {
        if to.ip().is_multicast() && to.is_ipv4() {
            socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST)?;
        }
        socket.connect(&to.into())
    });
    connected.is_ok()
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
        route.rt_dst = address(MULTICAST_V4.octets());
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
