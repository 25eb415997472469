//! One guest from start to end: boot or restore, wait until it is ready, hand out the channel, kill.
//!
//! Neighbours: `files` prepares it and knows the handshake, `error` words what can go wrong, `warm` keeps its states.

use std::{
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};

use reusespec_core::handshake::{READY, SERVING};
use tempfile::TempDir;

use super::{
    error::{GuestError, host},
    files::{Files, tail},
    monitor::Monitor,
    pack::check_agent,
    process::Running,
    warm::Slot,
};
use crate::{
    cache::Cache,
    kernel::Kernel,
    link::{AgentHandle, Link},
    profile::{Accelerator, PlatformProfile},
};

/// How long a restored guest may take to answer before it is booted instead.
const RESTORE_BUDGET: Duration = Duration::from_secs(10);

/// How long saving a state may take; without it the guest is used unsaved.
const SAVE_BUDGET: Duration = Duration::from_secs(20);

/// What a guest is made of.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The platform.
    pub profile: &'a PlatformProfile,
    /// Its kernel, or the disk it is on.
    pub kernel: &'a Kernel,
    /// The agent's static executable for the platform's target.
    pub agent: &'a Path,
    /// The image of its root file system, where that is not the initramfs; of a system started from its own disk, the
    /// medium that carries the agent.
    pub root: Option<&'a Path>,
    /// Who executes; see [`super::decide_accelerator`].
    pub accelerator: Accelerator,
    /// What the agent reads instead of the channel, when it has to run without a host (virtual time).
    pub input: Option<&'a [u8]>,
    /// Much will be said: more than about a hundred cases. On `microvm` it buys a channel of megabytes a second, where
    /// the serial port has a tenth of one, for half a second more of a cold start.
    pub large_payload: bool,
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

/// A running guest. Dropping it kills QEMU; so does the end of this process, whatever its cause.
#[derive(Debug)]
pub struct Guest {
    running: Running,
    console: PathBuf,
    start: Start,
    ready_after: Duration,
    /// Initramfs and QEMU's log live here as long as QEMU may read them.
    _folder: TempDir,
    /// And so does what its starter made for it alone.
    _kept: Option<TempDir>,
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
                Ok((running, ready_after)) => return Ok(Self::of(files, running, Start::Warm, ready_after)),
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
            files.expect_line(&mut running, SERVING, budget)?;
        }
        Ok(Self::of(files, running, Start::Cold, started.elapsed()))
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
        files.expect_line(&mut running, SERVING, RESTORE_BUDGET)?;
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
        tail(&self.console, &self.running.qemu_log, lines)
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
    fn of(files: Files, running: Running, start: Start, ready_after: Duration) -> Self {
        Self {
            running,
            console: files.console,
            start,
            ready_after,
            _folder: files.folder,
            _kept: None,
        }
    }

    /// The same, with a folder that goes when it goes.
    pub(crate) fn keeping(mut self, folder: TempDir) -> Self {
        self._kept = Some(folder);
        self
    }

    /// The guest as a platform's agent: both halves of the channel, and the guest itself as what keeps it alive.
    ///
    /// # Errors
    /// When the channel cannot be duplicated: no descriptors are left.
    pub fn into_link(self) -> Result<Link, GuestError> {
        let half = || self.channel().try_clone().map_err(host("duplicate the channel"));
        Ok(Link {
            requests: Box::new(half()?),
            replies: Box::new(half()?),
            handle: Box::new(self),
        })
    }
}

impl AgentHandle for Guest {
    fn diagnostics(&mut self) -> String {
        // The channel closes a moment before the process is gone.
        let status = match self.wait(Duration::from_millis(500)) {
            Some(status) => format!("QEMU ended with {status}"),
            None => "QEMU still runs".to_owned(),
        };
        format!("{status}\n{}", self.console_tail(20))
    }
}

/// A state that cannot be saved costs later runs a boot, and this one nothing.
fn save(monitor: &UnixStream, slot: &Slot) {
    let _ = slot.keep(|path| Monitor::new(monitor, SAVE_BUDGET)?.save(path, SAVE_BUDGET));
}
