//! Helpers of these tests: the drill agent for a target, a kernel, a guest, and lines to and from it.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reusespec_platforms::{
    cache::Cache,
    kernel::{self, Kernel},
    profile::{Accelerator, Boot, PlatformProfile, Qemu},
    qemu::{Guest, GuestError, Launch, find_program},
};

/// Everything a guest is started from. A test may change it before the start.
pub(crate) struct Setup {
    pub(crate) profile: PlatformProfile,
    pub(crate) kernel: Kernel,
    pub(crate) agent: PathBuf,
    pub(crate) cache: Cache,
}

impl Setup {
    /// Everything for the platform `name`. If something is missing, reports it and returns `None`.
    pub(crate) fn of(name: &str) -> Option<Self> {
        match Self::prepare(name) {
            Ok(setup) => Some(setup),
            Err(why) => {
                left_out(name, &why);
                None
            }
        }
    }

    fn prepare(name: &str) -> Result<Self, String> {
        let wish = env::var("REUSESPEC_GUESTS").unwrap_or_default();
        if wish == "0" {
            return Err("REUSESPEC_GUESTS is 0".to_owned());
        }
        let profile = PlatformProfile::find(name).map_err(|error| error.to_string())?;
        let emulator = &profile.qemu().emulator;
        find_program(emulator).ok_or_else(|| format!("qemu-system-{emulator} is not installed"))?;
        let cache = Cache::from_environment().map_err(|error| error.to_string())?;
        let kernel = match kernel::cached(&profile, &cache) {
            Some(kernel) => kernel,
            None if wish.is_empty() => {
                return Err("its kernel is not in the cache; REUSESPEC_GUESTS=1 downloads it".to_owned());
            }
            None => kernel::fetch(&profile, &cache, &mut |_| ()).map_err(|error| chain(&error))?,
        };
        let agent = agent("reusespec-drill-agent", &profile.target)?;
        Ok(Self {
            profile,
            kernel,
            agent,
            cache,
        })
    }

    pub(crate) fn qemu(&mut self) -> &mut Qemu {
        let Boot::Qemu(qemu) = &mut self.profile.boot;
        qemu
    }

    /// A cold start with TCG and without batch input.
    pub(crate) fn launch(&self) -> Launch<'_> {
        Launch {
            root: None,
            profile: &self.profile,
            kernel: &self.kernel,
            agent: &self.agent,
            accelerator: Accelerator::Tcg,
            input: None,
            large_payload: false,
            warm: false,
            seed: 7,
            drop_every: None,
            console: None,
            cache: &self.cache,
        }
    }

    pub(crate) fn start(&self) -> Result<Guest, GuestError> {
        Guest::start(self.launch())
    }
}

/// Exchanges lines with the drill agent in a guest.
pub(crate) struct Session {
    reader: BufReader<std::os::unix::net::UnixStream>,
    pub(crate) guest: Guest,
}

impl Session {
    pub(crate) fn with(guest: Guest) -> Self {
        let channel = guest.channel().try_clone().expect("a socket can be duplicated");
        channel
            .set_read_timeout(Some(Duration::from_secs(120)))
            .expect("the timeout is not zero");
        Self {
            reader: BufReader::new(channel),
            guest,
        }
    }

    /// The next line, without its line feed. Empty at the end of the channel.
    pub(crate) fn read_line(&mut self) -> String {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => {
                panic!("{error}: {}", self.guest.console_tail(20))
            }
            _ => {}
        }
        line.trim_end().to_owned()
    }

    pub(crate) fn ask(&mut self, question: &str) -> String {
        self.guest
            .channel()
            .write_all(format!("{question}\n").as_bytes())
            .expect("the guest runs");
        self.read_line()
    }
}

/// Reports that `name` is not tested. Panics if REUSESPEC_GUESTS requires it.
pub(crate) fn left_out(name: &str, why: &str) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    assert!(
        env::var_os("REUSESPEC_GUESTS").is_none_or(|value| value != "require"),
        "{name}: {why}"
    );
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    // Not with a print macro, whose output the test runner captures.
    let line = format!("left out ({count} so far): {name}: {why}\n");
    io::stderr()
        .write_all(line.as_bytes())
        .expect("standard error is open");
}

/// Builds the executable of `package` for this machine, with shared libraries.
pub(crate) fn dynamic_agent(package: &str) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dynamic-agents");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", package, "--target-dir"]);
    let output = cargo
        .arg(&folder)
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if output.status.success() {
        Ok(folder.join("debug").join(package))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Builds the static executable of `package` for `target`.
pub(crate) fn agent(package: &str, target: &str) -> Result<PathBuf, String> {
    static BUILDING: Mutex<()> = Mutex::new(());
    // Rustup has no standard library for these two musl targets. With glibc a drill is the same program.
    let target = match target {
        "riscv64gc-unknown-linux-musl" => "riscv64gc-unknown-linux-gnu",
        "s390x-unknown-linux-musl" => "s390x-unknown-linux-gnu",
        target => target,
    };
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest-agents");
    let variable = |suffix: &str| {
        format!(
            "CARGO_TARGET_{}_{suffix}",
            target.to_uppercase().replace('-', "_")
        )
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--quiet",
        "--profile",
        "drill",
        "--package",
        package,
        "--target",
        target,
    ]);
    cargo.arg("--target-dir").arg(&folder);
    match target.strip_suffix("-unknown-linux-gnu") {
        // A musl target includes its start files, so Rust's own linker is enough.
        None => cargo.env(variable("LINKER"), "rust-lld"),
        Some(machine) => {
            let machine = machine.replace("riscv64gc", "riscv64");
            cargo.env(variable("LINKER"), format!("{machine}-linux-gnu-gcc"));
            cargo.env(variable("RUSTFLAGS"), "-C target-feature=+crt-static")
        }
    };
    let output = cargo
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let first = stderr
            .lines()
            .find(|line| line.starts_with("error"))
            .unwrap_or_default();
        return Err(format!(
            "no agent for {target} (rustup target add {target}): {first}"
        ));
    }
    let path = folder.join(target).join("drill").join(package);
    fs::metadata(&path)
        .map(|_| path)
        .map_err(|error| error.to_string())
}

/// The message of an error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
