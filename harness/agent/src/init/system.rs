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
        // A root file system on a disk may have some of them, and cannot be given more.
        if !std::path::Path::new(place).is_dir() {
            fs::create_dir(place).map_err(InitError::system(format!("create {place}")))?;
        }
        match mount(Some(kind), place, Some(kind), MsFlags::empty(), data) {
            // Some kernels mount devtmpfs themselves (CONFIG_DEVTMPFS_MOUNT).
            Ok(()) | Err(nix::Error::EBUSY) => {}
            Err(error) => return Err(InitError::system(format!("mount {place}"))(error.into())),
        }
    }
    load_modules();
    loopback()?;
    super::root::switch()
}

/// Loopback, which each case brings up again in a namespace of its own.
pub(super) fn loopback() -> Result<(), InitError> {
    loopback_up().map_err(InitError::system("bring lo up"))
}

/// A word of the kernel's command line: those with `=` that the kernel does not know are the environment of PID 1.
pub(super) fn word(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Serial ports are open at once.
pub(super) const OPEN_FLAGS: libc::c_int = 0;

/// Mix `seed` into the kernel's generator and have it used at once: random(4), RNDADDENTROPY and RNDRESEEDCRNG.
pub(super) fn stir(seed: &[u8]) -> io::Result<()> {
    /// Longer than any line of the host.
    const MOST_BYTES: usize = 128;
    /// `struct rand_pool_info` with room for the largest seed that fits in a line.
    #[repr(C)]
    struct PoolInfo {
        entropy_bits: libc::c_int,
        size: libc::c_int,
        bytes: [u8; MOST_BYTES],
    }
    // linux/random.h; the numbers are the same on every machine with the generic ioctl encoding.
    const RNDADDENTROPY: u32 = 0x4008_5203;
    const RNDRESEEDCRNG: u32 = 0x5207;

    let mut pool = PoolInfo {
        entropy_bits: 0,
        size: 0,
        bytes: [0; MOST_BYTES],
    };
    pool.bytes[..seed.len()].copy_from_slice(seed);
    pool.size = seed.len() as libc::c_int;
    pool.entropy_bits = pool.size * 8;
    let device = File::options().write(true).open("/dev/urandom")?;
    // SAFETY: the kernel reads `size` bytes behind the two integers, all within `pool`.
    nix::Error::result(unsafe { libc::ioctl(device.as_raw_fd(), RNDADDENTROPY as _, &pool) })?;
    // SAFETY: no argument.
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
