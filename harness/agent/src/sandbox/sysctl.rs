//! System controls by their dotted name.

use std::io;

/// System controls that change rows. Every run records their values.
const DECIDING: [&str; 9] = [
    "net.ipv4.ip_autobind_reuse",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_migrate_req",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv6.bindv6only",
    "net.ipv6.conf.lo.disable_ipv6",
    "kern.ipc.soaccept_reuse",
    "net.inet.tcp.nolocaltimewait",
    "net.inet6.ip6.v6only",
];

/// Reads a control.
///
/// # Errors
/// `NotFound` where the kernel has none of that name.
#[cfg(target_os = "linux")]
pub(crate) fn get(name: &str) -> io::Result<String> {
    let text = std::fs::read_to_string(path(name))?;
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Sets a control of the network namespace this process is in.
#[cfg(target_os = "linux")]
pub(crate) fn set(name: &str, value: &str) -> io::Result<()> {
    std::fs::write(path(name), value)
}

#[cfg(target_os = "linux")]
fn path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}

/// Reads an integer control. Controls with text change no rows.
#[cfg(not(target_os = "linux"))]
pub(crate) fn get(name: &str) -> io::Result<String> {
    let mut value: libc::c_int = 0;
    by_name(name, Some(&mut value), None)?;
    Ok(value.to_string())
}

/// Sets an integer control.
#[cfg(not(target_os = "linux"))]
pub(crate) fn set(name: &str, value: &str) -> io::Result<()> {
    let value: libc::c_int = value
        .parse()
        .map_err(|_| io::Error::other(format!("`{value}` is not an integer")))?;
    by_name(name, None, Some(value))
}

/// sysctlbyname(3).
#[cfg(not(target_os = "linux"))]
fn by_name(name: &str, old: Option<&mut libc::c_int>, new: Option<libc::c_int>) -> io::Result<()> {
    let name = std::ffi::CString::new(name)?;
    let size = size_of::<libc::c_int>();
    let mut length = size;
    let (old, old_length) = match old {
        Some(old) => (std::ptr::from_mut(old).cast(), &raw mut length),
        None => (std::ptr::null_mut(), std::ptr::null_mut()),
    };
    let (new, new_length) = match &new {
        Some(new) => (std::ptr::from_ref(new).cast(), size),
        None => (std::ptr::null(), 0),
    };
    // SAFETY: every pointer is null or points to one `int`, with the length saying which.
    let status = unsafe { libc::sysctlbyname(name.as_ptr(), old, old_length, new, new_length) };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The controls that change rows and exist on this system, with their values.
pub(crate) fn settings() -> Vec<(String, String)> {
    let read = |name: &str| get(name).ok().map(|value| (name.to_owned(), value));
    DECIDING.iter().filter_map(|name| read(name)).collect()
}
