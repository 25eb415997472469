//! The wire on FreeBSD and DragonFly: a tun(4) device.
//!
//! The device is configured by ioctl: a guest that has nothing but the agent has no ifconfig(8). It loses its addresses
//! when it is closed, so the next case finds it as new. FreeBSD makes `/dev/tunN` when it is opened. DragonFly makes one
//! with a free number when `/dev/tun` is opened; the number is the new device's minor.
//!
//! Neither system stamps what it hands to a tun reader, so times are those of the reading thread.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
#[cfg(target_os = "dragonfly")]
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use super::{Addresses, PeerError, during, now};
use crate::interface;

/// Each datagram is preceded by its address family in network order (tun(4), `TUNSIFHEAD`).
const FAMILY: usize = 4;
const DATAGRAM: usize = 65_535;
/// Wires that can exist beside each other in one system: each has a number in its addresses.
pub(super) const UNITS: u8 = 250;

nix::ioctl_write_ptr!(set_family_header, b't', 96, libc::c_int);

/// The peer's end: the device file.
#[derive(Debug)]
pub(super) struct Link {
    device: File,
}

impl Link {
    /// Takes the first free device and gives the kernel's end its addresses.
    pub(super) fn open(ipv6: bool) -> Result<(Self, Addresses), PeerError> {
        let (unit, device) = open_free_unit().map_err(during("open a tun device"))?;
        // SAFETY: TUNSIFHEAD reads one int, which outlives the call.
        unsafe { set_family_header(device.as_raw_fd(), &1) }
            .map_err(|errno| during("ask for address families on the tun device")(errno.into()))?;
        let addresses = Addresses::of_wire(unit);
        let name = format!("tun{unit}");
        let give = |ipv6, prefix| {
            let [here, there] = [1, 2].map(|host| addresses.host(ipv6, host));
            interface::add_address(&name, here, Some(there), prefix)
        };
        give(false, 32).map_err(during("give the wire an IPv4 address"))?;
        if ipv6 {
            give(true, 128).map_err(during("give the wire an IPv6 address"))?;
        }
        interface::up(&name).map_err(during("bring the wire up"))?;
        Ok((Self { device }, addresses))
    }

    /// How many frames got lost on the way: the device does not tell.
    pub(super) fn lost(&self) -> io::Result<u64> {
        Ok(0)
    }

    /// How many keepalive probes must have crossed the wire: the system's count is not for one wire alone.
    pub(super) fn probes_sent(&self) -> io::Result<u64> {
        Ok(0)
    }

    /// The next datagram the kernel sent and the time now; `None` if none waits.
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

    /// Sends one IP datagram to the kernel and gives the time just before: the device has no stamps.
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
        // The device takes a datagram whole or not at all.
        (&self.device).write_all(&packet)?;
        Ok(at)
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
    options
}

/// A device that another case is just making is there before it can be opened (sys/net/if_tuntap.c, `tunclone`).
#[cfg(target_os = "freebsd")]
fn open_free_unit() -> io::Result<(u8, File)> {
    for unit in 0..UNITS {
        match options().open(format!("/dev/tun{unit}")) {
            Ok(device) => return Ok((unit, device)),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::ENXIO)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from_raw_os_error(libc::EBUSY))
}

/// Never by its number: a device that has been closed is still there for a while, and is not to be opened (sys/net/if_tun.c,
/// `tundestroy`). Nor can its number be had again until then.
#[cfg(target_os = "dragonfly")]
fn open_free_unit() -> io::Result<(u8, File)> {
    const TRIES: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(10);
    let in_between = [libc::EBUSY, libc::EEXIST, libc::ENOENT, libc::ENXIO];
    let mut last = io::Error::from_raw_os_error(libc::EBUSY);
    for _ in 0..TRIES {
        match open_new_unit() {
            Err(error)
                if error
                    .raw_os_error()
                    .is_some_and(|number| in_between.contains(&number)) =>
            {
                last = error
            }
            opened => return opened,
        }
        std::thread::sleep(PAUSE);
    }
    Err(last)
}

#[cfg(target_os = "dragonfly")]
fn open_new_unit() -> io::Result<(u8, File)> {
    let device = options().open("/dev/tun")?;
    // The lower byte of the device's number, as sys/types.h has it on both systems for minors below 256.
    let minor = device.metadata()?.rdev() & 0xffff_00ff;
    match u8::try_from(minor) {
        Ok(unit) if unit < UNITS => Ok((unit, device)),
        _ => Err(io::Error::other(format!("the device has the number {minor}"))),
    }
}
