//! Identifies the running kernel.
//!
//! gVisor's uname(2) reports one and the same version of Linux in every release, so a program inside cannot tell which
//! release runs it. Therefore a host that knows it better can say so in an environment variable. The price: the agent
//! believes it.

use reusespec_core::System;

/// The variable with which the host names the kernel: its name and release, separated by a space.
const NAMED_BY_HOST: &str = "REUSESPEC_SYSTEM";

/// The running kernel, as the host names it or else from uname(2), and the name of its machine type from uname(2).
pub(crate) fn identify() -> (System, String) {
    let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
    match nix::sys::utsname::uname() {
        Ok(name) => {
            let own = System {
                name: text(name.sysname()).to_lowercase(),
                release: text(name.release()),
            };
            (named_by_host().unwrap_or(own), text(name.machine()))
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

fn named_by_host() -> Option<System> {
    let text = std::env::var(NAMED_BY_HOST).ok()?;
    let (name, release) = text.split_once(' ')?;
    Some(System {
        name: name.to_owned(),
        release: release.to_owned(),
    })
}
