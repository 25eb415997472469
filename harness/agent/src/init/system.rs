//! What PID 1 does to a bare kernel: file systems, modules, loopback; and at the end the power.
//!
//! The modules to load, in order, are the lines of `/etc/modules`; whoever packed the initramfs resolved their
//! dependencies. A module that does not load is a line on the console, not an end: the probe of the scenario that
//! needs it says `unsupported`, which is the more useful answer, and a missing channel ends the boot anyway.

use std::{
    fs::{self, File},
    io,
    os::fd::AsRawFd,
};

use nix::{
    kmod::{ModuleInitFlags, finit_module},
    mount::{MsFlags, mount},
    sys::{
        reboot::{RebootMode, reboot},
        socket::{AddressFamily, SockFlag, SockType, socket},
    },
    unistd::sync,
};

use super::InitError;

/// Mount, load, bring loopback up.
pub(super) fn prepare() -> Result<(), InitError> {
    for (kind, place, data) in [
        ("devtmpfs", "/dev", None),
        ("proc", "/proc", None),
        ("sysfs", "/sys", None),
        ("tmpfs", "/tmp", Some("mode=1777")),
    ] {
        fs::create_dir_all(place).map_err(InitError::system(format!("create {place}")))?;
        match mount(Some(kind), place, Some(kind), MsFlags::empty(), data) {
            // Some kernels mount devtmpfs themselves (CONFIG_DEVTMPFS_MOUNT).
            Ok(()) | Err(nix::Error::EBUSY) => {}
            Err(error) => return Err(InitError::system(format!("mount {place}"))(error.into())),
        }
    }
    load_modules();
    loopback_up().map_err(InitError::system("bring lo up"))
}

fn load_modules() {
    let list = fs::read_to_string("/etc/modules").unwrap_or_default();
    for path in list.lines() {
        let loaded =
            File::open(path).and_then(|file| match finit_module(file, c"", ModuleInitFlags::empty()) {
                Ok(()) | Err(nix::Error::EEXIST) => Ok(()),
                Err(error) => Err(error.into()),
            });
        if let Err(error) = loaded {
            eprintln!("reusespec-init: cannot load {path}: {error}");
        }
    }
}

/// `ip link set lo up`, by ioctl: netdevice(7), SIOCGIFFLAGS and SIOCSIFFLAGS.
fn loopback_up() -> io::Result<()> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: an ifreq of zero bytes is valid; `lo` and its NUL fit in the name.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(*b"lo") {
        *slot = byte.cast_signed() as libc::c_char;
    }
    // SAFETY: the kernel reads and writes one ifreq, which outlives the call.
    nix::Error::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &mut request) })?;
    // SAFETY: SIOCGIFFLAGS has just filled in this member of the union.
    unsafe { request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short };
    // SAFETY: as above.
    nix::Error::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &mut request) })?;
    Ok(())
}

/// End the machine. A restart is asked for, because every machine can do that without ACPI, and QEMU's `-no-reboot`
/// turns it into an exit.
pub(super) fn power_off() -> ! {
    sync();
    let refused = reboot(RebootMode::RB_AUTOBOOT);
    // Only reached when not PID 1 of a machine: `Infallible` cannot be constructed.
    eprintln!("reusespec-init: cannot restart: {refused:?}");
    std::process::exit(1)
}
