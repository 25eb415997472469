//! How the agent of each target is linked, and what is checked of the result.
//!
//! Each recipe was tried: it names the linker and the standard library that build a program for that system without
//! any file of that system. Linux agents are static. Agents of the BSDs link to libc dynamically, because the BSDs
//! guarantee compatibility only at the interface of libc, not of system calls.

use std::io;

use reusespec_platforms::executable::Executable;

/// Where the Rust standard library comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StandardLibrary {
    /// `rustup target add`.
    Shipped,
    /// Built from source by a nightly compiler: rustup ships none for the target, or one that needs a C toolchain.
    Built,
}

/// The linker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linker {
    /// `rust-lld` alone.
    Lld,
    /// `cargo zigbuild`: zig ships start files and libc for many systems.
    Zig,
    /// `rust-lld` with a start file and stub libraries of this crate, or the linker that cargo's variable names.
    Stubs,
}

/// One target.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) target: &'static str,
    pub(super) standard_library: StandardLibrary,
    pub(super) linker: Linker,
    /// The size limit of an agent.
    pub(super) most_bytes: usize,
    /// The run-time linker and the libraries it may load; none for a static program.
    dynamic: Option<Dynamic>,
}

#[derive(Debug)]
struct Dynamic {
    interpreter: &'static str,
    libraries: &'static [&'static str],
    /// The vendor in the ELF note by which the kernel recognises its programs.
    vendor: &'static str,
}

const LINUX_BYTES: usize = 3_000_000;
const BSD_BYTES: usize = 4_000_000;

const fn linux(target: &'static str, standard_library: StandardLibrary, linker: Linker) -> Recipe {
    Recipe {
        target,
        standard_library,
        linker,
        most_bytes: LINUX_BYTES,
        dynamic: None,
    }
}

/// The targets that are used most come first.
pub(super) const RECIPES: [Recipe; 7] = [
    linux("x86_64-unknown-linux-musl", StandardLibrary::Shipped, Linker::Lld),
    linux(
        "aarch64-unknown-linux-musl",
        StandardLibrary::Shipped,
        Linker::Lld,
    ),
    Recipe {
        target: "x86_64-unknown-freebsd",
        standard_library: StandardLibrary::Shipped,
        linker: Linker::Zig,
        most_bytes: BSD_BYTES,
        dynamic: Some(Dynamic {
            interpreter: "/libexec/ld-elf.so.1",
            libraries: &["libc.so.7", "libthr.so.3", "libgcc_s.so.1", "libm.so.5"],
            vendor: "FreeBSD",
        }),
    },
    Recipe {
        target: "x86_64-unknown-dragonfly",
        standard_library: StandardLibrary::Built,
        linker: Linker::Stubs,
        most_bytes: BSD_BYTES,
        dynamic: Some(Dynamic {
            interpreter: "/usr/libexec/ld-elf.so.2",
            libraries: &["libc.so.8", "libpthread.so.0"],
            vendor: "DragonFly",
        }),
    },
    linux("s390x-unknown-linux-musl", StandardLibrary::Built, Linker::Zig),
    linux(
        "riscv64gc-unknown-linux-musl",
        StandardLibrary::Built,
        Linker::Zig,
    ),
    linux("i686-unknown-linux-musl", StandardLibrary::Shipped, Linker::Lld),
];

/// The recipes of the named targets, or all recipes without a name.
pub(super) fn chosen(names: &[String]) -> io::Result<Vec<&'static Recipe>> {
    if names.is_empty() {
        return Ok(RECIPES.iter().collect());
    }
    names
        .iter()
        .map(|name| {
            let found = RECIPES.iter().find(|recipe| recipe.target == name);
            found.ok_or_else(|| {
                let known: Vec<_> = RECIPES.iter().map(|recipe| recipe.target).collect();
                io::Error::other(format!("no agent for {name}: known are {}", known.join(", ")))
            })
        })
        .collect()
}

impl Recipe {
    /// The name of cargo's environment variable `what` for this target.
    pub(super) fn variable(&self, what: &str) -> String {
        let target = self.target.to_uppercase().replace('-', "_");
        format!("CARGO_TARGET_{target}_{what}")
    }

    /// Checks that the program is for this target, small enough, and linked as intended.
    pub(super) fn check(
        &self,
        executable: &Executable,
        bytes: usize,
        most_bytes: usize,
    ) -> Result<(), String> {
        let machine = self.target.split('-').next().unwrap_or_default();
        if !machine.starts_with(&executable.machine) {
            return Err(format!("is for {}", executable.machine));
        }
        if bytes > most_bytes {
            return Err(format!("is {bytes} bytes long, more than {most_bytes}"));
        }
        if self.linker == Linker::Stubs && executable.constructors {
            return Err("has an .init_array, which DragonFly's older run-time linkers do not run".to_owned());
        }
        match &self.dynamic {
            None if executable.interpreter.is_some() || !executable.libraries.is_empty() => {
                Err(format!("is not static: {executable}"))
            }
            None => Ok(()),
            Some(dynamic) => dynamic.check(executable),
        }
    }
}

impl Dynamic {
    fn check(&self, executable: &Executable) -> Result<(), String> {
        if executable.interpreter.as_deref() != Some(self.interpreter) {
            return Err(format!(
                "has the interpreter {:?} instead of {}",
                executable.interpreter, self.interpreter
            ));
        }
        if executable.vendor.as_deref() != Some(self.vendor) {
            return Err(format!("has no ELF note of {}", self.vendor));
        }
        if ![0, 9].contains(&executable.os_abi) {
            return Err(format!("is marked as a program of system {}", executable.os_abi));
        }
        let strange = executable
            .libraries
            .iter()
            .find(|library| !self.libraries.contains(&library.as_str()));
        strange.map_or(Ok(()), |library| {
            Err(format!("needs {library}, which is not in the root image"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reusespec_platforms::profile::PlatformProfile;

    fn recipe(target: &str) -> &'static Recipe {
        chosen(&[target.to_owned()]).unwrap()[0]
    }

    fn dragonfly() -> Executable {
        Executable {
            machine: "x86_64".into(),
            os_abi: 0,
            interpreter: Some("/usr/libexec/ld-elf.so.2".into()),
            libraries: vec!["libpthread.so.0".into(), "libc.so.8".into()],
            vendor: Some("DragonFly".into()),
            release: Some(600_400),
            constructors: false,
        }
    }

    #[test]
    fn every_platform_has_an_agent() {
        for profile in PlatformProfile::all() {
            assert!(
                chosen(std::slice::from_ref(&profile.target)).is_ok(),
                "{} wants an agent for {}",
                profile.name,
                profile.target
            );
        }
    }

    #[test]
    fn a_program_of_another_kind_is_refused_with_the_reason() {
        let good = dragonfly();
        let refusal = |target: &str, executable: &Executable, bytes| {
            recipe(target)
                .check(executable, bytes, BSD_BYTES)
                .err()
                .unwrap_or_else(|| "fine".into())
        };
        let target = "x86_64-unknown-dragonfly";
        let with = |change: fn(&mut Executable)| {
            let mut executable = dragonfly();
            change(&mut executable);
            executable
        };
        let lines = [
            refusal(target, &good, 4_000_000),
            refusal(target, &good, 4_000_001),
            refusal(target, &with(|it| it.vendor = None), 1),
            refusal(
                target,
                &with(|it| it.interpreter = Some("/libexec/ld-elf.so.1".into())),
                1,
            ),
            refusal(target, &with(|it| it.libraries.push("libssl.so.1".into())), 1),
            refusal(target, &with(|it| it.os_abi = 3), 1),
            refusal(target, &with(|it| it.constructors = true), 1),
            refusal("aarch64-unknown-linux-musl", &good, 1),
            refusal("x86_64-unknown-linux-musl", &good, 1),
        ];
        insta::assert_snapshot!(lines.join("\n"));
    }
}
