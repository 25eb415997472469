//! Identifies the running kernel.

use reusespec_core::System;

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
