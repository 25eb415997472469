//! Configures network interfaces on FreeBSD and DragonFly: addresses by ioctl(2), routes by a message to route(4).
//!
//! A guest that contains only the agent has neither ifconfig(8) nor route(8). The structures are those of net/if.h,
//! netinet/in_var.h and netinet6/in6_var.h. Since version 10 FreeBSD's structures end with a CARP group and its
//! requests have other numbers. The two systems do not differ otherwise.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

/// `IFNAMSIZ`: the size of an interface name with its zero.
const NAME: usize = 16;

/// `struct in_aliasreq`.
#[repr(C)]
struct Alias4 {
    name: [libc::c_char; NAME],
    address: libc::sockaddr_in,
    /// The other end of a point-to-point interface.
    other: libc::sockaddr_in,
    mask: libc::sockaddr_in,
    #[cfg(target_os = "freebsd")]
    carp_group: libc::c_int,
}

/// `struct in6_aliasreq`.
#[repr(C)]
struct Alias6 {
    name: [libc::c_char; NAME],
    address: libc::sockaddr_in6,
    other: libc::sockaddr_in6,
    mask: libc::sockaddr_in6,
    flags: libc::c_int,
    lifetime: Lifetime,
    #[cfg(target_os = "freebsd")]
    carp_group: libc::c_int,
}

/// `struct in6_addrlifetime`.
#[repr(C)]
struct Lifetime {
    expire: libc::time_t,
    preferred: libc::time_t,
    valid_secs: u32,
    preferred_secs: u32,
}

/// The kernel does not check the address for duplicates.
const IN6_IFF_NODAD: libc::c_int = 0x20;
/// The address never expires.
const INFINITE: u32 = u32::MAX;

#[cfg(target_os = "freebsd")]
nix::ioctl_write_ptr!(add_address_4, b'i', 43, Alias4);
#[cfg(target_os = "freebsd")]
nix::ioctl_write_ptr!(add_address_6, b'i', 27, Alias6);
#[cfg(target_os = "dragonfly")]
nix::ioctl_write_ptr!(add_address_4, b'i', 26, Alias4);
#[cfg(target_os = "dragonfly")]
nix::ioctl_write_ptr!(add_address_6, b'i', 26, Alias6);
nix::ioctl_readwrite!(get_flags, b'i', 17, Flags);
nix::ioctl_write_ptr!(set_flags, b'i', 16, Flags);

/// `struct ifreq` with the member for flags.
#[repr(C)]
struct Flags {
    name: [libc::c_char; NAME],
    flags: libc::c_short,
    high: libc::c_short,
    rest: [u8; 12],
}

/// Adds an address to interface `name`. `other` is the address of the other end of a point-to-point interface. It is no
/// error if the interface has the address: an interface that is kept across cases has it from an earlier one.
pub(crate) fn add_address(name: &str, address: IpAddr, other: Option<IpAddr>, prefix: u32) -> io::Result<()> {
    let socket = any_socket(address.is_ipv6())?;
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0).to_be();
            let request = Alias4 {
                name: padded(name),
                address: sockaddr_4(u32::from(address).to_be()),
                other: match other {
                    Some(IpAddr::V4(other)) => sockaddr_4(u32::from(other).to_be()),
                    _ => zeroed_4(),
                },
                mask: sockaddr_4(mask),
                #[cfg(target_os = "freebsd")]
                carp_group: 0,
            };
            // SAFETY: the kernel reads one structure, whose size is part of the request's number.
            unsafe { add_address_4(socket.as_raw_fd(), &raw const request) }?;
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0).to_be_bytes();
            let request = Alias6 {
                name: padded(name),
                address: sockaddr_6(address.octets()),
                other: match other {
                    Some(IpAddr::V6(other)) => sockaddr_6(other.octets()),
                    _ => zeroed_6(),
                },
                mask: sockaddr_6(mask),
                flags: IN6_IFF_NODAD,
                lifetime: Lifetime {
                    expire: 0,
                    preferred: 0,
                    valid_secs: INFINITE,
                    preferred_secs: INFINITE,
                },
                #[cfg(target_os = "freebsd")]
                carp_group: 0,
            };
            // SAFETY: as above.
            match unsafe { add_address_6(socket.as_raw_fd(), &raw const request) } {
                Ok(_) | Err(nix::Error::EEXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Sets interface `name` up.
pub(crate) fn up(name: &str) -> io::Result<()> {
    let socket = any_socket(false)?;
    let mut request = Flags {
        name: padded(name),
        flags: 0,
        high: 0,
        rest: [0; 12],
    };
    // SAFETY: the kernel reads and writes one structure, whose size is part of the request's number.
    unsafe { get_flags(socket.as_raw_fd(), &raw mut request) }?;
    request.flags |= libc::IFF_UP as libc::c_short;
    // SAFETY: as above.
    unsafe { set_flags(socket.as_raw_fd(), &raw const request) }?;
    Ok(())
}

/// `struct rt_msghdr` of net/route.h, with unset metrics, and three addresses behind it. Its size is the same in all
/// versions of both systems.
#[repr(C)]
struct NewRoute<A> {
    length: u16,
    version: u8,
    kind: u8,
    index: u16,
    flags: libc::c_int,
    addresses: libc::c_int,
    rest: [libc::c_int; 4],
    initialised: libc::c_ulong,
    metrics: [libc::c_ulong; 14],
    to: Padded<A>,
    gateway: Padded<A>,
    mask: Padded<A>,
}

/// An address in a routing message: its size is rounded up to a multiple of `long`.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Padded<A>(A);

/// Adds a route to `to`/`prefix` through the interface with the address `gateway`. It is no error if the route exists.
pub(crate) fn add_route(to: IpAddr, prefix: u32, gateway: IpAddr) -> io::Result<()> {
    match (to, gateway) {
        (IpAddr::V4(to), IpAddr::V4(gateway)) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            let [to, gateway, mask] =
                [u32::from(to), u32::from(gateway), mask].map(|address| sockaddr_4(address.to_be()));
            send_route(to, gateway, mask)
        }
        (IpAddr::V6(to), IpAddr::V6(gateway)) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0).to_be_bytes();
            let [to, gateway, mask] = [to.octets(), gateway.octets(), mask].map(sockaddr_6);
            send_route(to, gateway, mask)
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Sends the message in each version of the interface, because a kernel accepts only its own. The fields used here are
/// the same in all versions.
fn send_route<A: Copy>(to: A, gateway: A, mask: A) -> io::Result<()> {
    const RTM_ADD: u8 = 1;
    const RTF_UP_GATEWAY_STATIC: libc::c_int = 0x803;
    const RTA_DST_GATEWAY_NETMASK: libc::c_int = 7;
    const VERSIONS: [u8; 3] = [5, 6, 7];
    let socket = Socket::new(Domain::from(libc::PF_ROUTE), Type::RAW, None)?;
    let mut result = Ok(());
    for version in VERSIONS {
        let message = NewRoute {
            length: size_of::<NewRoute<A>>() as u16,
            version,
            kind: RTM_ADD,
            index: 0,
            flags: RTF_UP_GATEWAY_STATIC,
            addresses: RTA_DST_GATEWAY_NETMASK,
            rest: [0; 4],
            initialised: 0,
            metrics: [0; 14],
            to: Padded(to),
            gateway: Padded(gateway),
            mask: Padded(mask),
        };
        // SAFETY: the kernel reads `length` bytes, which are those of the message.
        let sent = unsafe {
            libc::send(
                socket.as_raw_fd(),
                (&raw const message).cast(),
                size_of::<NewRoute<A>>(),
                0,
            )
        };
        match nix::Error::result(sent) {
            // An earlier agent may have added the route.
            Ok(_) | Err(nix::Error::EEXIST) => return Ok(()),
            // The kernel has another version.
            Err(error @ nix::Error::EPROTONOSUPPORT) => result = Err(error.into()),
            Err(error) => return Err(error.into()),
        }
    }
    result
}

fn any_socket(ipv6: bool) -> io::Result<Socket> {
    Socket::new(if ipv6 { Domain::IPV6 } else { Domain::IPV4 }, Type::DGRAM, None)
}

fn padded(name: &str) -> [libc::c_char; NAME] {
    let mut bytes = [0; NAME];
    for (slot, byte) in bytes.iter_mut().zip(name.bytes().take(NAME - 1)) {
        *slot = byte.cast_signed();
    }
    bytes
}

fn zeroed_4() -> libc::sockaddr_in {
    // SAFETY: all members are integers. A length of zero means that there is no address.
    unsafe { std::mem::zeroed() }
}

fn zeroed_6() -> libc::sockaddr_in6 {
    // SAFETY: as above.
    unsafe { std::mem::zeroed() }
}

/// `address` is in network byte order.
fn sockaddr_4(address: u32) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_len: size_of::<libc::sockaddr_in>() as u8,
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_addr: libc::in_addr { s_addr: address },
        ..zeroed_4()
    }
}

fn sockaddr_6(address: [u8; 16]) -> libc::sockaddr_in6 {
    libc::sockaddr_in6 {
        sin6_len: size_of::<libc::sockaddr_in6>() as u8,
        sin6_family: libc::AF_INET6 as libc::sa_family_t,
        sin6_addr: libc::in6_addr { s6_addr: address },
        ..zeroed_6()
    }
}
