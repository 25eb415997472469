//! What PID 1 does to a bare FreeBSD or DragonFly kernel: a writable /tmp, loopback; and at the end the machine.
//!
//! The kernel has mounted devfs on `/dev` before it starts the first process. Words of its command line that it does not
//! know are its environment, not the process's; kenv(2) reads them.

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

/// Mount, bring loopback up.
pub(super) fn prepare() -> Result<(), InitError> {
    open_console().map_err(InitError::system("open the console"))?;
    mount_tmp().map_err(InitError::system("mount a tmpfs on /tmp"))?;
    loopback()
}

/// Controls of a system that has nothing else to do than cases. A kernel without one of them is told of and still serves.
const CONTROLS: &[(&str, &str)] = &[
    // FreeBSD switches IPv6 off on every new interface but lo0, unless routers are listened to (netinet6/nd6.c,
    // nd6_ifattach); wires are new interfaces, and no router is there to be heard.
    #[cfg(target_os = "freebsd")]
    ("net.inet6.ip6.accept_rtadv", "1"),
    // It looks for duplicates of an address whatever IN6_IFF_NODAD says (netinet6/in6.c, in6_update_ifa_internal), and
    // for a second the address of a wire could not be used.
    #[cfg(target_os = "freebsd")]
    ("net.inet6.ip6.dad_count", "0"),
    // Cases are refused more connections than two hundred in a second (netinet/ip_icmp.c, badport_bandlim).
    ("net.inet.icmp.icmplim", "0"),
];

/// Brings lo0 up with all addresses of a case. One that it has already is given to it anew.
pub(super) fn loopback() -> Result<(), InitError> {
    // Only Linux answers on all of 127.0.0.0/8. ::1 and fe80::1 come by themselves; fd00::2 is the one that a case gets
    // on Linux too.
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    let second = (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 32);
    let sources = SOURCES.map(|number| (IpAddr::V4(Ipv4Addr::new(127, 1, 0, number)), 32));
    let addresses = [(v4, 8), second, (SECOND_V6.into(), 128)];
    for (address, prefix) in addresses.into_iter().chain(sources) {
        interface::add_address("lo0", address, None, prefix)
            .map_err(InitError::system(format!("give lo0 the address {address}")))?;
    }
    interface::up("lo0").map_err(InitError::system("bring lo0 up"))?;
    for (name, value) in CONTROLS {
        if let Err(error) = sysctl::set(name, value) {
            eprintln!("reusespec-init: {name} is not {value}: {error}");
        }
    }
    // Groups are joined on lo0, as they are in a case's namespace on Linux. Only cases about groups miss the routes.
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
#[cfg(target_os = "freebsd")]
pub(super) fn stir(seed: &[u8]) -> io::Result<()> {
    fs::write("/dev/random", seed)
}

/// The same; DragonFly takes it while this control allows it, as its rc.d/random does (sys/kern/kern_memio.c,
/// `seedenable`).
#[cfg(target_os = "dragonfly")]
pub(super) fn stir(seed: &[u8]) -> io::Result<()> {
    const ALLOWED: &str = "kern.seedenable";
    sysctl::set(ALLOWED, "1")?;
    let written = fs::write("/dev/random", seed);
    sysctl::set(ALLOWED, "0")?;
    written
}

/// DragonFly's mount(2) takes the file system's own structure: `struct tmpfs_mount_info` of vfs/tmpfs/tmpfs_mount.h, as
/// it is since 2017. Only a program of `exec` needs the place, so a kernel with another one is told of and still serves.
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
            place: *const libc::c_char,
            flags: libc::c_int,
            data: *mut libc::c_void,
        ) -> libc::c_int;
    }
    // No limits but the machine's.
    let mut info = MountInfo {
        version: 2,
        nodes_max: 0,
        size_max: 0,
        file_size_max: 0,
        root_uid: 0,
        root_gid: 0,
        root_mode: 0o1777,
    };
    // SAFETY: both names end with a zero, and the structure is the one that tmpfs reads.
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

/// End the machine: nothing is worth a sync, and QEMU's `-no-reboot` makes a restart an exit. Switching it off would
/// cost six seconds.
pub(super) fn power_off() -> ! {
    #[cfg(all(target_os = "freebsd", target_arch = "x86_64"))]
    leave_by_port();
    // SAFETY: no memory is passed.
    unsafe { libc::reboot(libc::RB_NOSYNC) };
    eprintln!("reusespec-init: cannot restart: {}", io::Error::last_os_error());
    std::process::exit(1)
}

/// QEMU's isa-debug-exit, at the port that the host's command line says; without it nothing listens there. A process
/// that has opened io(4) may use ports.
#[cfg(all(target_os = "freebsd", target_arch = "x86_64"))]
fn leave_by_port() {
    const PORT: u16 = 0xf4;
    if let Ok(_allowed) = File::options().read(true).write(true).open("/dev/io") {
        // SAFETY: the port belongs to that device or to nobody on the machine we were started on.
        unsafe { std::arch::asm!("out dx, al", in("dx") PORT, in("al") 0u8, options(nomem, nostack)) };
    }
}
