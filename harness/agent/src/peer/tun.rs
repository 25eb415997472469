//! The wire on FreeBSD and DragonFly: a tun(4) device.
//!
//! It is configured by ioctl(2), because a guest that contains only the agent has no ifconfig(8). FreeBSD creates
//! `/dev/tunN` when that path is opened; the device loses its addresses when it is closed, so no case sees those of an
//! earlier one. DragonFly creates a device with a free number when `/dev/tun` is opened; the number is the device's
//! minor. There the agent loop keeps the devices open (`kept`), and a case has the addresses of its number again.
//!
//! Neither system puts time stamps on datagrams that it passes to a tun reader. So times are those of the reading
//! thread, and include its latency.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use super::tun_device::open_free_unit;
use super::{Addresses, PeerError, during, now};
use crate::interface;

/// Each datagram is preceded by its address family in network order (tun(4), `TUNSIFHEAD`).
const FAMILY: usize = 4;
const DATAGRAM: usize = 65_535;
nix::ioctl_write_ptr!(set_family_header, b't', 96, libc::c_int);

/// The peer's end: the device file.
#[derive(Debug)]
pub(super) struct Link {
    device: File,
}

impl Link {
    /// Opens a free device and adds the addresses of the kernel's end.
    pub(super) fn open(ipv6: bool) -> Result<(Self, Addresses), PeerError> {
        let (unit, device) = open_device().map_err(during("open a tun device"))?;
        // SAFETY: TUNSIFHEAD reads one int, which outlives the call.
        unsafe { set_family_header(device.as_raw_fd(), &1) }
            .map_err(|errno| during("enable address families on the tun device")(errno.into()))?;
        let addresses = Addresses::of_wire(unit);
        let name = format!("tun{unit}");
        let add_address = |ipv6, prefix| {
            let [kernel, peer] = [1, 2].map(|host| addresses.host(ipv6, host));
            interface::add_address(&name, kernel, Some(peer), prefix)
        };
        add_address(false, 32).map_err(during("add the IPv4 address of the wire"))?;
        if ipv6 {
            add_address(true, 128).map_err(during("add the IPv6 address of the wire"))?;
        }
        interface::up(&name).map_err(during("bring the wire up"))?;
        let link = Self { device };
        // What the connections of an earlier case have sent last.
        while link.receive().map_err(during("empty the wire"))?.is_some() {}
        Ok((link, addresses))
    }

    /// The number of frames that were lost: zero, because the device does not count them.
    pub(super) fn lost(&self) -> io::Result<u64> {
        Ok(0)
    }

    /// The number of probes that must be on the wire: zero, because the system's count covers all wires.
    pub(super) fn probes_sent(&self) -> io::Result<u64> {
        Ok(0)
    }

    /// The next datagram from the kernel and the current time. `None` if no datagram waits.
    pub(super) fn receive(&self) -> io::Result<Option<(Duration, Vec<u8>)>> {
        let mut packet = vec![0; FAMILY + DATAGRAM];
        let len = match (&self.device).read(&mut packet) {
            Ok(len) => len,
            Err(error) if [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted].contains(&error.kind()) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let at = now();
        packet.truncate(len);
        packet.drain(..FAMILY.min(len));
        Ok(Some((at, packet)))
    }

    /// Sends an IP datagram to the kernel and returns the time just before, because the device has no time stamps.
    pub(super) fn send(&self, datagram: &[u8]) -> io::Result<Duration> {
        let family = if datagram[0] >> 4 == 6 {
            libc::AF_INET6
        } else {
            libc::AF_INET
        };
        let mut packet = Vec::with_capacity(FAMILY + datagram.len());
        packet.extend(family.to_be_bytes());
        packet.extend(datagram);
        let at = now();
        // The device accepts a datagram whole or not at all.
        (&self.device).write_all(&packet)?;
        Ok(at)
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

#[cfg(target_os = "freebsd")]
fn open_device() -> io::Result<(u8, File)> {
    open_free_unit()
}

/// The device that the agent loop has lent to this process. A process that is no case opens one itself.
#[cfg(target_os = "dragonfly")]
fn open_device() -> io::Result<(u8, File)> {
    match super::kept::borrowed()? {
        Some(device) => Ok(device),
        None => open_free_unit(),
    }
}
