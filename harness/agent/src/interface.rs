//! Addresses of network interfaces on FreeBSD and DragonFly, by ioctl, and routes, by a message: a guest that has nothing
//! but the agent has neither ifconfig(8) nor route(8).
//!
//! The structures are those of net/if.h, netinet/in_var.h and netinet6/in6_var.h. FreeBSD's end with a CARP group since
//! version 10, and its calls have new numbers since then; that is all in which the two systems differ.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

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

/// An address that is not looked for on the wire first, and never expires.
const IN6_IFF_NODAD: libc::c_int = 0x20;
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

/// `struct ifreq`, with the one member that is used.
#[repr(C)]
struct Flags {
    name: [libc::c_char; NAME],
    flags: libc::c_short,
    high: libc::c_short,
    rest: [u8; 12],
}

/// Gives interface `name` an address, and the other end's where it has one.
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
            // SAFETY: the kernel reads one structure of the length in the call's number.
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
            unsafe { add_address_6(socket.as_raw_fd(), &raw const request) }?;
        }
    }
    Ok(())
}

/// `ifconfig NAME up`.
pub(crate) fn up(name: &str) -> io::Result<()> {
    let socket = any_socket(false)?;
    let mut request = Flags {
        name: padded(name),
        flags: 0,
        high: 0,
        rest: [0; 12],
    };
    // SAFETY: the kernel reads and writes one structure of the length in the call's number.
    unsafe { get_flags(socket.as_raw_fd(), &raw mut request) }?;
    request.flags |= libc::IFF_UP as libc::c_short;
    // SAFETY: as above.
    unsafe { set_flags(socket.as_raw_fd(), &raw const request) }?;
    Ok(())
}

/// `struct rt_msghdr` of net/route.h, with the metrics that are not set, and three addresses behind it. Its length is the
/// same in all versions of both systems.
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

/// Addresses in routing messages take whole `long`s.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Padded<A>(A);

/// `route add -net TO/PREFIX GATEWAY`: what goes there leaves by the interface that has the gateway's address.
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

/// The kernel takes only messages of its own version of the interface; they differ in nothing that is used here.
fn send_route<A: Copy>(to: A, gateway: A, mask: A) -> io::Result<()> {
    const RTM_ADD: u8 = 1;
    const RTF_UP_GATEWAY_STATIC: libc::c_int = 0x803;
    const RTA_DST_GATEWAY_NETMASK: libc::c_int = 7;
    const VERSIONS: [u8; 3] = [5, 6, 7];
    let socket = socket2::Socket::new(socket2::Domain::from(libc::PF_ROUTE), socket2::Type::RAW, None)?;
    let mut answer = Ok(());
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
            // It has been there since an earlier agent.
            Ok(_) | Err(nix::Error::EEXIST) => return Ok(()),
            // Of another version.
            Err(error @ nix::Error::EPROTONOSUPPORT) => answer = Err(error.into()),
            Err(error) => return Err(error.into()),
        }
    }
    answer
}

fn any_socket(ipv6: bool) -> io::Result<std::os::fd::OwnedFd> {
    let family = if ipv6 {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    Ok(socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?)
}

fn padded(name: &str) -> [libc::c_char; NAME] {
    let mut bytes = [0; NAME];
    for (slot, byte) in bytes.iter_mut().zip(name.bytes().take(NAME - 1)) {
        *slot = byte.cast_signed();
    }
    bytes
}

fn zeroed_4() -> libc::sockaddr_in {
    // SAFETY: integers only; a length of zero means that there is no address.
    unsafe { std::mem::zeroed() }
}

fn zeroed_6() -> libc::sockaddr_in6 {
    // SAFETY: as above.
    unsafe { std::mem::zeroed() }
}

/// `address` in network order.
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
