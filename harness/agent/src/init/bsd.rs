//! What PID 1 does to a bare FreeBSD or DragonFly kernel: a writable /tmp, loopback; and at the end the machine.
//!
//! The kernel has mounted devfs on `/dev` before it starts the first process. Words of its command line that it does not
//! know are its environment, not the process's; kenv(2) reads them.

use std::{
    ffi::CString,
    fs::{self, File},
    io,
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsRawFd, IntoRawFd},
};

use super::InitError;
use crate::{interface, isolate::SECOND_V6};

/// Mount, bring loopback up.
pub(super) fn prepare() -> Result<(), InitError> {
    open_console().map_err(InitError::system("open the console"))?;
    mount_tmp().map_err(InitError::system("mount a tmpfs on /tmp"))?;
    // Only Linux answers on all of 127.0.0.0/8. ::1 and fe80::1 come by themselves; the last is the one that a case gets
    // on Linux too.
    let addresses: [(IpAddr, u32); 3] = [
        (Ipv4Addr::LOCALHOST.into(), 8),
        (Ipv4Addr::new(127, 0, 0, 2).into(), 32),
        (SECOND_V6.into(), 128),
    ];
    for (address, prefix) in addresses {
        interface::add_address("lo0", address, None, prefix)
            .map_err(InitError::system(format!("give lo0 the address {address}")))?;
    }
    interface::up("lo0").map_err(InitError::system("bring lo0 up"))
}

/// The kernel starts its first process without any open file; what goes wrong must be seen on the console.
fn open_console() -> io::Result<()> {
    let console = File::options().read(true).write(true).open("/dev/console")?;
    for stream in 0..3 {
        // SAFETY: descriptors only; what they were is nobody's.
        nix::Error::result(unsafe { libc::dup2(console.as_raw_fd(), stream) })?;
    }
    if console.as_raw_fd() < 3 {
        // It is one of the three itself.
        let _ = console.into_raw_fd();
    }
    Ok(())
}

/// A word of the kernel's command line.
pub(super) fn word(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    let mut value = [0u8; 256];
    let length = libc::c_int::try_from(value.len()).ok()?;
    // SAFETY: the kernel writes at most `length` bytes, and a NUL within them.
    let got = unsafe { libc::kenv(libc::KENV_GET, name.as_ptr(), value.as_mut_ptr().cast(), length) };
    let got = usize::try_from(got).ok()?.min(value.len());
    let text = value[..got].split(|byte| *byte == 0).next()?;
    String::from_utf8(text.to_vec()).ok()
}

/// Without it, opening a serial port waits for a carrier that never comes.
pub(super) const OPEN_FLAGS: libc::c_int = libc::O_NONBLOCK;

/// Mix `seed` into the kernel's generator: random(4) takes what is written to it.
pub(super) fn stir(seed: &[u8]) -> io::Result<()> {
    fs::write("/dev/random", seed)
}

/// Nothing of a case needs a disk on DragonFly; its tmpfs has no mount call in libc that is the same in all versions.
#[cfg(target_os = "dragonfly")]
fn mount_tmp() -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "freebsd")]
fn mount_tmp() -> io::Result<()> {
    let mut call = nix::mount::Nmount::new();
    call.str_opt_owned("fstype", "tmpfs");
    call.str_opt_owned("fspath", "/tmp");
    call.nmount(nix::mount::MntFlags::empty())
        .map_err(|error| io::Error::from(error.error()))
}

/// End the machine: nothing is worth a sync, and QEMU's `-no-reboot` makes a restart an exit. Switching it off would
/// cost six seconds.
pub(super) fn power_off() -> ! {
    // SAFETY: no memory is passed.
    unsafe { libc::reboot(libc::RB_NOSYNC) };
    eprintln!("reusespec-init: cannot restart: {}", io::Error::last_os_error());
    std::process::exit(1)
}
