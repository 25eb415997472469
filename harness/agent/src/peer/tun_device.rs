//! Opens a tun(4) device whose unit number no other case uses.

use std::fs::{File, OpenOptions};
use std::io;
#[cfg(target_os = "dragonfly")]
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
#[cfg(target_os = "dragonfly")]
use std::time::Duration;

/// The limit of wires in one system: each has its number, one octet, in its addresses.
pub(super) const UNITS: u8 = 250;

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
    options
}

/// Skips devices in use, and devices that another case is creating: such a device exists before it can be opened
/// (sys/net/if_tuntap.c, `tunclone`).
#[cfg(target_os = "freebsd")]
pub(super) fn open_free_unit() -> io::Result<(u8, File)> {
    for unit in 0..UNITS {
        match options().open(format!("/dev/tun{unit}")) {
            Ok(device) => return Ok((unit, device)),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::ENXIO)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from_raw_os_error(libc::EBUSY))
}

/// Lets the kernel choose the number. A closed device exists for a while and cannot be opened (sys/net/if_tun.c,
/// `tundestroy`), and until it is gone the kernel refuses its number. So the errors of that state are retried.
#[cfg(target_os = "dragonfly")]
pub(super) fn open_free_unit() -> io::Result<(u8, File)> {
    const TRIES: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(10);
    let transient = [libc::EBUSY, libc::EEXIST, libc::ENOENT, libc::ENXIO];
    let mut last = io::Error::from_raw_os_error(libc::EBUSY);
    for _ in 0..TRIES {
        match open_new_unit() {
            Err(error)
                if error
                    .raw_os_error()
                    .is_some_and(|number| transient.contains(&number)) =>
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
    // minor(3) of sys/types.h, on both systems: bits 0 to 7 and 16 to 31 of the device's number.
    let minor = device.metadata()?.rdev() & 0xffff_00ff;
    match u8::try_from(minor) {
        Ok(unit) if unit < UNITS => Ok((unit, device)),
        _ => Err(io::Error::other(format!("the device has the number {minor}"))),
    }
}
