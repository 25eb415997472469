//! Prepares a Linux guest as PID 1: mounts file systems, loads modules, sets loopback up. Also powers it off.
//!
//! `/etc/modules` lists the modules in load order; `platforms` resolved their dependencies when it packed the
//! initramfs. A module that fails to load is reported on the console and does not end the boot. Scenarios that need it
//! become `unsupported`, and if it was the channel's driver, the boot ends with an error of its own.

use std::{
    fs::{self, File},
    io,
    os::fd::AsRawFd,
};

use nix::{
    kmod::{ModuleInitFlags, finit_module},
    mount::{MsFlags, mount},
    sys::reboot::{RebootMode, reboot},
    unistd::sync,
};
use socket2::{Domain, Socket, Type};

use super::InitError;

/// Mounts file systems, loads modules, sets loopback up, and switches to the root disk if there is one.
pub(super) fn prepare() -> Result<(), InitError> {
    for (kind, target, data) in [
        ("devtmpfs", "/dev", None),
        ("proc", "/proc", None),
        ("sysfs", "/sys", None),
        ("tmpfs", "/tmp", Some("mode=1777")),
    ] {
        // A root image on a disk has these directories already, and is read-only.
        if !std::path::Path::new(target).is_dir() {
            fs::create_dir(target).map_err(InitError::system(format!("create {target}")))?;
        }
        match mount(Some(kind), target, Some(kind), MsFlags::empty(), data) {
            // Some kernels mount devtmpfs themselves (CONFIG_DEVTMPFS_MOUNT).
            Ok(()) | Err(nix::Error::EBUSY) => {}
            Err(error) => return Err(InitError::system(format!("mount {target}"))(error.into())),
        }
    }
    load_modules();
    loopback()?;
    super::root::switch()
}

/// Sets loopback up in the guest's first namespace. Each case does so again in its own namespace.
pub(super) fn loopback() -> Result<(), InitError> {
    loopback_up().map_err(InitError::system("bring lo up"))
}

/// The value of `name=value` on the kernel's command line. Linux passes values it does not know as PID 1's environment.
pub(super) fn boot_parameter(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Flags to open a serial port with. On Linux the open does not wait for a carrier.
pub(super) const OPEN_FLAGS: libc::c_int = 0;

/// Mixes `seed` into the kernel's random generator and reseeds it at once: random(4), RNDADDENTROPY and RNDRESEEDCRNG.
pub(super) fn seed_random(seed: &[u8]) -> io::Result<()> {
    /// Longer than any seed of the host.
    const MAX_BYTES: usize = 128;
    /// `struct rand_pool_info` with a buffer of fixed size.
    #[repr(C)]
    struct PoolInfo {
        entropy_bits: libc::c_int,
        size: libc::c_int,
        bytes: [u8; MAX_BYTES],
    }
    // From linux/random.h. The numbers are the same on all machines with the generic ioctl encoding.
    const RNDADDENTROPY: u32 = 0x4008_5203;
    const RNDRESEEDCRNG: u32 = 0x5207;

    let mut pool = PoolInfo {
        entropy_bits: 0,
        size: 0,
        bytes: [0; MAX_BYTES],
    };
    pool.bytes[..seed.len()].copy_from_slice(seed);
    pool.size = seed.len() as libc::c_int;
    pool.entropy_bits = pool.size * 8;
    let device = File::options().write(true).open("/dev/urandom")?;
    // SAFETY: the kernel reads the two integers and `size` bytes behind them, all within `pool`.
    nix::Error::result(unsafe { libc::ioctl(device.as_raw_fd(), RNDADDENTROPY as _, &pool) })?;
    // SAFETY: the request has no argument.
    nix::Error::result(unsafe { libc::ioctl(device.as_raw_fd(), RNDRESEEDCRNG as _) })?;
    Ok(())
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
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    let mut request = crate::netlink::ifreq("lo");
    // SAFETY: the kernel reads and writes one ifreq, which outlives the call.
    nix::Error::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &mut request) })?;
    // SAFETY: SIOCGIFFLAGS has written this member of the union.
    unsafe { request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short };
    // SAFETY: as above.
    nix::Error::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &mut request) })?;
    Ok(())
}

/// Restarts the machine, which QEMU's `-no-reboot` turns into an exit. Unlike a power-off, a restart needs no ACPI.
pub(super) fn power_off() -> ! {
    sync();
    let refused = reboot(RebootMode::RB_AUTOBOOT);
    // Reached only if this process may not restart the machine: `reboot` does not return after success.
    eprintln!("reusespec-init: cannot restart: {refused:?}");
    std::process::exit(1)
}
