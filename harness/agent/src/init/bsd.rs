//! Prepares a FreeBSD or DragonFly guest as PID 1: opens the console, mounts /tmp, configures loopback. Also powers it
//! off.
//!
//! The kernel mounts devfs on `/dev` before it starts the first process. Unlike Linux, it passes unknown words of its
//! command line not as the environment of that process but as its own environment, which kenv(2) reads.

use std::{
    ffi::CString,
    fs::{self, File},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsRawFd, IntoRawFd},
};

use super::InitError;
use crate::{
    interface,
    sandbox::{SECOND_V6, SOURCES, sysctl},
};

/// Opens the console, mounts /tmp and configures loopback.
pub(super) fn prepare() -> Result<(), InitError> {
    open_console().map_err(InitError::system("open the console"))?;
    mount_tmp().map_err(InitError::system("mount a tmpfs on /tmp"))?;
    loopback()
}

/// System controls to set in a guest that only runs cases. A kernel that lacks one of them still serves, with a message
/// on the console.
const CONTROLS: &[(&str, &str)] = &[
    // FreeBSD disables IPv6 on every new interface except lo0, unless it accepts router advertisements (netinet6/nd6.c,
    // nd6_ifattach). Wires are new interfaces. No router advertises anything here.
    #[cfg(target_os = "freebsd")]
    ("net.inet6.ip6.accept_rtadv", "1"),
    // FreeBSD checks an address for duplicates even with IN6_IFF_NODAD (netinet6/in6.c, in6_update_ifa_internal).
    // During that second a wire could not use its address.
    #[cfg(target_os = "freebsd")]
    ("net.inet6.ip6.dad_count", "0"),
    // FreeBSD lets a sleep and a TCP timer be up to 5 percent late, so that several timers fire together
    // (kern/kern_tc.c, adjprecision). Then five seconds last up to 5.27 s on an idle machine. The guest ends after the
    // run, so nothing restores the value.
    #[cfg(target_os = "freebsd")]
    ("kern.timecounter.alloweddeviation", "0"),
    // Without a limit on RST segments. By default the kernel sends at most 200 a second, and more connections than that
    // are refused (netinet/ip_icmp.c, badport_bandlim).
    ("net.inet.icmp.icmplim", "0"),
];

/// Sets lo0 up with all addresses that cases use. It is no error if lo0 has some of them.
pub(super) fn loopback() -> Result<(), InitError> {
    // Only Linux accepts all of 127.0.0.0/8 without configuration. The kernel adds ::1 and fe80::1 by itself. fd00::2
    // is the second address that cases have on Linux too.
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    let second = (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 32);
    let sources = SOURCES.map(|number| (IpAddr::V4(Ipv4Addr::new(127, 1, 0, number)), 32));
    let addresses = [(v4, 8), second, (SECOND_V6.into(), 128)];
    for (address, prefix) in addresses.into_iter().chain(sources) {
        interface::add_address("lo0", address, None, prefix)
            .map_err(InitError::system(format!("add {address} to lo0")))?;
    }
    interface::up("lo0").map_err(InitError::system("bring lo0 up"))?;
    for (name, value) in CONTROLS {
        if let Err(error) = sysctl::set(name, value) {
            eprintln!("reusespec-init: {name} is not {value}: {error}");
        }
    }
    // Multicast groups are joined on lo0, as in a case's namespace on Linux. If a route cannot be added, only the cases
    // about multicast are affected.
    let groups = [
        (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4, v4),
        (IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8, v6),
    ];
    for (groups, prefix, gateway) in groups {
        if let Err(error) = interface::add_route(groups, prefix, gateway) {
            eprintln!("reusespec-init: no route to {groups}/{prefix}: {error}");
        }
    }
    Ok(())
}

/// Opens standard input, output and error: the kernel starts PID 1 without open files, and errors must reach the
/// console.
fn open_console() -> io::Result<()> {
    let console = File::options().read(true).write(true).open("/dev/console")?;
    for stream in 0..3 {
        // SAFETY: dup2(2) takes integers only, and nothing in this process owns descriptors 0 to 2.
        nix::Error::result(unsafe { libc::dup2(console.as_raw_fd(), stream) })?;
    }
    if console.as_raw_fd() < 3 {
        // The file is one of the three descriptors, so it must stay open.
        let _ = console.into_raw_fd();
    }
    Ok(())
}

/// The value of `name=value` on the kernel's command line.
pub(super) fn boot_parameter(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    let mut value = [0u8; 256];
    let length = libc::c_int::try_from(value.len()).ok()?;
    // SAFETY: the kernel writes at most `length` bytes, and a NUL within them.
    let got = unsafe { libc::kenv(libc::KENV_GET, name.as_ptr(), value.as_mut_ptr().cast(), length) };
    let got = usize::try_from(got).ok()?.min(value.len());
    let text = value[..got].split(|byte| *byte == 0).next()?;
    String::from_utf8(text.to_vec()).ok()
}

/// Flags to open a serial port with. Without O_NONBLOCK the open would wait for a carrier, which never comes.
pub(super) const OPEN_FLAGS: libc::c_int = libc::O_NONBLOCK;

/// Mixes `seed` into the kernel's random generator, which reads what is written to its device (random(4)).
#[cfg(target_os = "freebsd")]
pub(super) fn seed_random(seed: &[u8]) -> io::Result<()> {
    fs::write("/dev/random", seed)
}

/// Mixes `seed` into the kernel's random generator. DragonFly accepts it while this control is set, as its rc.d/random
/// does (sys/kern/kern_memio.c, `seedenable`).
#[cfg(target_os = "dragonfly")]
pub(super) fn seed_random(seed: &[u8]) -> io::Result<()> {
    const SEED_ENABLE: &str = "kern.seedenable";
    sysctl::set(SEED_ENABLE, "1")?;
    let written = fs::write("/dev/random", seed);
    sysctl::set(SEED_ENABLE, "0")?;
    written
}

/// Mounts a tmpfs on /tmp. DragonFly's mount(2) takes `struct tmpfs_mount_info` of vfs/tmpfs/tmpfs_mount.h, here in its
/// layout since 2017. Only programs of `exec` need /tmp, so a kernel with another layout still serves, with a message
/// on the console.
#[cfg(target_os = "dragonfly")]
fn mount_tmp() -> io::Result<()> {
    #[repr(C)]
    struct MountInfo {
        version: libc::c_int,
        nodes_max: u64,
        size_max: i64,
        file_size_max: usize,
        root_uid: u32,
        root_gid: u32,
        root_mode: u16,
    }
    unsafe extern "C" {
        fn mount(
            kind: *const libc::c_char,
            target: *const libc::c_char,
            flags: libc::c_int,
            data: *mut libc::c_void,
        ) -> libc::c_int;
    }
    // Zero means no limit.
    let mut info = MountInfo {
        version: 2,
        nodes_max: 0,
        size_max: 0,
        file_size_max: 0,
        root_uid: 0,
        root_gid: 0,
        root_mode: 0o1777,
    };
    // SAFETY: both strings end with a zero, and `info` has the layout that tmpfs reads.
    let status = unsafe { mount(c"tmpfs".as_ptr(), c"/tmp".as_ptr(), 0, (&raw mut info).cast()) };
    if let Err(error) = nix::Error::result(status) {
        eprintln!("reusespec-init: /tmp stays read-only: {error}");
    }
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

/// Restarts the machine, which QEMU's `-no-reboot` turns into an exit. There is no data to sync. A power-off would take
/// six seconds.
pub(super) fn power_off() -> ! {
    #[cfg(all(target_os = "freebsd", target_arch = "x86_64"))]
    exit_qemu();
    // SAFETY: no memory is passed.
    unsafe { libc::reboot(libc::RB_NOSYNC) };
    eprintln!("reusespec-init: cannot restart: {}", io::Error::last_os_error());
    std::process::exit(1)
}

/// Exits QEMU through its isa-debug-exit device, at the port in the host's QEMU command line. Without the device the
/// write has no effect. A process that has io(4) open may write to ports.
#[cfg(all(target_os = "freebsd", target_arch = "x86_64"))]
fn exit_qemu() {
    const PORT: u16 = 0xf4;
    if let Ok(_allowed) = File::options().read(true).write(true).open("/dev/io") {
        // SAFETY: the port belongs to that device, or to no device of QEMU's machine.
        unsafe { std::arch::asm!("out dx, al", in("dx") PORT, in("al") 0u8, options(nomem, nostack)) };
    }
}
