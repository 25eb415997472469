//! Identifies the running kernel, and reads the system controls that influence results.
//!
//! The host stores both with the run, so that a reader of a different result can see which setting differs.

use reusespec_core::System;

use crate::sandbox::sysctl;

/// The system controls that change what cases observe.
const RECORDED: [&str; 9] = [
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

/// The running kernel and the name of its machine type, from uname(2).
pub(crate) fn identify() -> (System, String) {
    let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
    match nix::sys::utsname::uname() {
        Ok(name) => {
            let system = text(name.sysname()).to_lowercase();
            let release = text(name.release());
            (
                System {
                    name: system,
                    release,
                },
                text(name.machine()),
            )
        }
        Err(_) => {
            let system = System {
                name: std::env::consts::OS.to_owned(),
                release: String::new(),
            };
            (system, std::env::consts::ARCH.to_owned())
        }
    }
}

/// The recorded system controls that exist here, with their values before the first case.
pub(crate) fn settings() -> Vec<(String, String)> {
    let read = |name: &str| sysctl::get(name).ok().map(|value| (name.to_owned(), value));
    RECORDED.iter().filter_map(|name| read(name)).collect()
}
