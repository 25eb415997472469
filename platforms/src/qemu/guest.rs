//! One guest from start to end: boot or restore, wait until it is ready, hand out the channel, kill.
//!
//! Neighbours: the agent's `init` is the other side of the handshake described there. The two crates share no code:
//! the lines are part of what a saved state and a foreign agent rely on, so they are written out on both sides.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;

use super::{
    command::{self, Choice},
    monitor::Monitor,
    process::{self, Running},
    require_program,
    warm::{Key, Slot},
};
use crate::{
    cache::{Cache, CacheError, hex, sha256},
    initramfs::Initramfs,
    kernel::Kernel,
    link::{Keeper, Link},
    profile::{Accelerator, Profile},
};

const READY: &str = "reusespec-init 1";
const GOING: &str = "reusespec-init go";

/// Bytes of something else that may come before the guest's line. A UART picks up noise at power-on, but a guest that
/// writes more than this is not ours.
const NOISE_LIMIT: usize = 64 * 1024;

/// How long a restored guest may take to answer before it is booted instead.
const RESTORE_BUDGET: Duration = Duration::from_secs(10);

/// How long saving a state may take; without it the guest is used unsaved.
const SAVE_BUDGET: Duration = Duration::from_secs(20);

/// What a guest is made of.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The platform.
    pub profile: &'a Profile,
    /// Its kernel.
    pub kernel: &'a Kernel,
    /// The agent's static executable for the platform's target.
    pub agent: &'a Path,
    /// Who executes; see [`super::decide_accelerator`].
    pub accelerator: Accelerator,
    /// What the agent reads instead of the channel, when it has to run without a host (virtual time).
    pub input: Option<&'a [u8]>,
    /// Much will be said: more than about a hundred cases. On `microvm` it buys a channel of megabytes a second, where
    /// the serial port has a tenth of one, for half a second more of a cold start.
    pub bulk: bool,
    /// Restore a saved state if there is one and save one if not. Without effect with `input`.
    pub warm: bool,
    /// Decides what would otherwise be random, as far as QEMU decides it.
    pub seed: u64,
    /// Where the console is logged; in the guest's temporary folder if not given.
    pub console: Option<&'a Path>,
    /// Where states are kept.
    pub cache: &'a Cache,
}

/// How a guest came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The kernel was booted.
    Cold,
    /// A saved state was restored.
    Warm,
}

/// Why there is no guest, always with what its console said last.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// QEMU for this machine is not installed.
    #[error("no {program} on this machine: install it (Debian: apt install {package})")]
    NoQemu {
        /// The program's name.
        program: String,
        /// Debian's package.
        package: &'static str,
    },
    /// The agent is not a program for this guest.
    #[error("{} cannot be the agent of {platform}: {what}", .path.display())]
    Agent {
        /// The file.
        path: PathBuf,
        /// The platform.
        platform: String,
        /// What it is instead, and what to do.
        what: String,
    },
    /// Files, sockets or the process could not be made.
    #[error("cannot {what}")]
    Host {
        /// What was attempted.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The temporary files.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The guest is there but not ready in time.
    #[error("the guest was not ready within {} s; {console}", .budget.as_secs_f32())]
    Silent {
        /// How long was waited.
        budget: Duration,
        /// Words on the console's end.
        console: String,
    },
    /// QEMU ended, or the guest switched itself off, before it was ready.
    #[error("the guest ended before it was ready ({status}); {console}")]
    Ended {
        /// QEMU's exit status.
        status: String,
        /// Words on the console's end, and QEMU's own complaints.
        console: String,
    },
    /// The channel carries something else.
    #[error("the guest sent {bytes} bytes that are not ours, beginning with {beginning:?}; {console}")]
    Garbage {
        /// How many.
        bytes: usize,
        /// The first of them.
        beginning: String,
        /// Words on the console's end.
        console: String,
    },
}

/// A running guest. Dropping it kills QEMU; so does the end of this process, whatever its cause.
#[derive(Debug)]
pub struct Guest {
    running: Running,
    console: PathBuf,
    start: Start,
    ready_after: Duration,
    /// Initramfs and QEMU's log live here as long as QEMU may read them.
    _folder: TempDir,
}

impl Guest {
    /// Start a guest and wait until its agent serves. With `input`, return as soon as QEMU runs: the agent speaks
    /// first and on its own.
    pub fn start(launch: Launch<'_>) -> Result<Self, GuestError> {
        check_agent(&launch)?;
        let files = Files::prepare(&launch)?;
        let Some(slot) = files
            .slot
            .clone()
            .filter(|_| launch.warm && launch.input.is_none())
        else {
            return Self::boot(&launch, files, None);
        };
        if let Some(state) = slot.load() {
            match Self::restore(&files, state) {
                Ok((running, ready_after)) => return Ok(files.into_guest(running, Start::Warm, ready_after)),
                Err(_) => slot.discard(),
            }
        }
        Self::boot(&launch, files, Some(&slot))
    }

    fn boot(launch: &Launch<'_>, files: Files, slot: Option<&Slot>) -> Result<Self, GuestError> {
        let started = Instant::now();
        let mut running = files.run(&files.arguments)?;
        if launch.input.is_none() {
            let budget = Duration::from_secs(launch.profile.timing.boot_secs.into());
            files.expect_line(&mut running, READY, budget)?;
            if let Some(slot) = slot {
                save(&running.monitor, slot);
            }
            files.go(&mut running)?;
            files.expect_line(&mut running, GOING, budget)?;
        }
        Ok(files.into_guest(running, Start::Cold, started.elapsed()))
    }

    fn restore(files: &Files, state: &Path) -> Result<(Running, Duration), GuestError> {
        let started = Instant::now();
        let mut arguments = files.arguments.clone();
        arguments.extend(["-incoming", "defer"].map(String::from));
        let mut running = files.run(&arguments)?;
        let mut monitor =
            Monitor::new(&running.monitor, RESTORE_BUDGET).map_err(host("reach QEMU's monitor"))?;
        monitor
            .restore(&state.to_string_lossy(), RESTORE_BUDGET)
            .map_err(host("restore the saved state"))?;
        files.go(&mut running)?;
        files.expect_line(&mut running, GOING, RESTORE_BUDGET)?;
        Ok((running, started.elapsed()))
    }

    /// The channel to the agent: a connected stream, on which time limits can be set. `try_clone` gives the other
    /// half. End of file means that the guest is gone, and so does a reset connection (QEMU was killed while it had
    /// not read everything).
    pub fn channel(&self) -> &UnixStream {
        &self.running.data
    }

    /// Booted or restored.
    pub fn started(&self) -> Start {
        self.start
    }

    /// From the start of QEMU until the agent served.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Where the console is logged.
    pub fn console(&self) -> &Path {
        &self.console
    }

    /// The last `lines` lines of the console, fit for a terminal, and what QEMU itself complained about.
    pub fn console_tail(&self, lines: usize) -> String {
        tail(&self.console, &self.running.complaints, lines)
    }

    /// QEMU's process id.
    pub fn id(&self) -> u32 {
        self.running.child.id()
    }

    /// Wait until the guest has switched itself off. `None`: it still runs after `budget`.
    pub fn wait(&mut self, budget: Duration) -> Option<ExitStatus> {
        self.running.child.wait(budget)
    }

    /// End it now.
    pub fn kill(&mut self) {
        self.running.child.kill();
    }
}

impl Guest {
    /// The guest as a platform's agent: both halves of the channel, and the guest itself as what keeps it alive.
    ///
    /// # Errors
    /// When the channel cannot be duplicated: no descriptors are left.
    pub fn into_link(self) -> Result<Link, GuestError> {
        let half = || self.channel().try_clone().map_err(host("duplicate the channel"));
        Ok(Link {
            requests: Box::new(half()?),
            replies: Box::new(half()?),
            keeper: Box::new(self),
        })
    }
}

impl Keeper for Guest {
    fn last_words(&mut self) -> String {
        // The channel closes a moment before the process is gone.
        let status = match self.wait(Duration::from_millis(500)) {
            Some(status) => format!("QEMU ended with {status}"),
            None => "QEMU still runs".to_owned(),
        };
        format!("{status}\n{}", self.console_tail(20))
    }
}

/// What is prepared before QEMU is started.
struct Files {
    program: PathBuf,
    arguments: Vec<String>,
    slot: Option<Slot>,
    console: PathBuf,
    folder: TempDir,
}

impl Files {
    fn prepare(launch: &Launch<'_>) -> Result<Self, GuestError> {
        let qemu = launch.profile.qemu();
        let program = require_program(&qemu.emulator)?;
        let folder = TempDir::with_prefix("reusespec-").map_err(host("make a temporary folder"))?;
        let archive = pack(launch)?;
        let initramfs = folder.path().join("initramfs");
        fs::write(&initramfs, &archive).map_err(host("write the initramfs"))?;
        let choice = Choice {
            accelerator: launch.accelerator,
            virtio_console: launch.kernel.virtio_console,
            image: &launch.kernel.image,
            initramfs: &initramfs,
            bulk: launch.bulk,
            input: launch.input.is_some(),
            seed: launch.seed,
        };
        let nowhere = Path::new("");
        let without_paths = command::arguments(
            launch.profile,
            Choice {
                image: nowhere,
                initramfs: nowhere,
                ..choice
            },
        );
        let contents = [launch.kernel.sha256.as_str(), &sha256(&archive)];
        let key = Key {
            program: &program,
            arguments: &without_paths,
            contents,
        };
        Ok(Self {
            slot: Slot::find(launch.cache, &key),
            arguments: command::arguments(launch.profile, choice),
            console: launch
                .console
                .map_or_else(|| folder.path().join("console.log"), Path::to_owned),
            program,
            folder,
        })
    }

    fn run(&self, arguments: &[String]) -> Result<Running, GuestError> {
        process::start(
            &self.program.to_string_lossy(),
            arguments,
            &self.console,
            self.folder.path(),
        )
        .map_err(host("start QEMU"))
    }

    /// The time of day and fresh randomness; the guest answers when it serves.
    fn go(&self, running: &mut Running) -> Result<(), GuestError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut seed = [0; 32];
        fs::File::open("/dev/urandom")
            .and_then(|mut device| device.read_exact(&mut seed))
            .map_err(host("read /dev/urandom"))?;
        let line = format!("go {} {}\n", now.as_nanos(), hex(&seed));
        match running.data.write_all(line.as_bytes()) {
            // A guest that is gone is reported, with its console, by whoever waits for its answer.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(host("write to the channel")),
        }
    }

    /// Read up to and including `line`. Other lines before it are noise, up to a limit.
    fn expect_line(&self, running: &mut Running, line: &str, budget: Duration) -> Result<(), GuestError> {
        let deadline = Instant::now() + budget;
        let mut seen = Vec::new();
        let wanted = format!("{line}\n").into_bytes();
        let mut byte = [0];
        loop {
            let left = deadline
                .saturating_duration_since(Instant::now())
                .max(Duration::from_micros(1));
            running
                .data
                .set_read_timeout(Some(left))
                .map_err(host("limit the time of the channel"))?;
            // One byte at a time: what follows the line belongs to the agent.
            match running.data.read(&mut byte) {
                Ok(1) => seen.push(byte[0]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Err(GuestError::Silent {
                        budget,
                        console: self.last_words(running),
                    });
                }
                Ok(_) | Err(_) => return Err(self.ended(running)),
            }
            if seen.ends_with(&wanted) {
                return running
                    .data
                    .set_read_timeout(None)
                    .map_err(host("limit the time of the channel"));
            }
            if seen.len() > NOISE_LIMIT {
                let beginning = String::from_utf8_lossy(&seen[..60]).into_owned();
                return Err(GuestError::Garbage {
                    bytes: seen.len(),
                    beginning,
                    console: self.last_words(running),
                });
            }
        }
    }

    fn ended(&self, running: &mut Running) -> GuestError {
        // The channel closes a moment before the process is gone.
        let status = running.child.wait(Duration::from_secs(5));
        let status = status.map_or("QEMU closed the channel but still runs".into(), |status| {
            status.to_string()
        });
        GuestError::Ended {
            status,
            console: self.last_words(running),
        }
    }

    fn last_words(&self, running: &Running) -> String {
        match tail(&self.console, &running.complaints, 12) {
            text if text.is_empty() => "its console is empty".into(),
            text => format!("its console ends with:\n{text}"),
        }
    }

    fn into_guest(self, running: Running, start: Start, ready_after: Duration) -> Guest {
        Guest {
            running,
            console: self.console,
            start,
            ready_after,
            _folder: self.folder,
        }
    }
}

/// A state that cannot be saved costs later runs a boot, and this one nothing.
fn save(monitor: &UnixStream, slot: &Slot) {
    let _ = slot.keep(|path| Monitor::new(monitor, SAVE_BUDGET)?.save(path, SAVE_BUDGET));
}

fn pack(launch: &Launch<'_>) -> Result<Vec<u8>, GuestError> {
    let read = |path: &Path| fs::read(path).map_err(host(&format!("read {}", path.display())));
    let mut archive = Initramfs::new();
    archive.file("init", 0o755, &read(launch.agent)?);
    let mut list = String::new();
    for module in &launch.kernel.modules {
        let path = format!("/lib/modules/{}.ko", module.name);
        archive.file(&path, 0o644, &read(&module.path)?);
        list += &format!("{path}\n");
    }
    archive.file("etc/modules", 0o644, list.as_bytes());
    if let Some(input) = launch.input {
        archive.file(command::INPUT, 0o644, input);
    }
    Ok(archive.finish())
}

/// An executable of another machine, or one that needs a run-time linker, would end in a kernel panic that says
/// only "No working init found" or "error -2".
fn check_agent(launch: &Launch<'_>) -> Result<(), GuestError> {
    let refused = |what: String| GuestError::Agent {
        path: launch.agent.to_owned(),
        platform: launch.profile.name.clone(),
        what: format!(
            "{what}; build it with: cargo build --release --target {}",
            launch.profile.target
        ),
    };
    let mut head = [0; 20];
    let read = fs::File::open(launch.agent).and_then(|mut file| file.read_exact(&mut head));
    read.map_err(|error| refused(error.to_string()))?;
    let (big_endian, number) = (head[5] == 2, [head[18], head[19]]);
    let machine = if big_endian {
        u16::from_be_bytes(number)
    } else {
        u16::from_le_bytes(number)
    };
    // elf.h, EM_*
    let fits = match launch.profile.machine.as_str() {
        "x86_64" => [3, 62].contains(&machine),
        "aarch64" => machine == 183,
        "riscv64" => machine == 243,
        "s390x" => machine == 22,
        _ => true,
    };
    if !head.starts_with(b"\x7fELF") || !fits {
        return Err(refused(format!(
            "it is not a program for {}",
            launch.profile.machine
        )));
    }
    Ok(())
}

fn tail(console: &Path, complaints: &Path, lines: usize) -> String {
    let (console, complaints) = (process::tail(console, lines), process::tail(complaints, 3));
    if complaints.is_empty() {
        console
    } else {
        format!("{console}\nqemu: {complaints}").trim().to_owned()
    }
}

pub(crate) fn debian_package(emulator: &str) -> &'static str {
    match emulator {
        "aarch64" | "arm" => "qemu-system-arm",
        "riscv64" | "s390x" => "qemu-system-misc",
        _ => "qemu-system-x86",
    }
}

fn host(what: &str) -> impl FnOnce(io::Error) -> GuestError {
    let what = what.to_owned();
    move |source| GuestError::Host { what, source }
}
