//! The life of a guest: boot or restore it, wait until its agent serves, hand out the channel, kill it.
//!
//! `files` prepares a guest and exchanges the handshake, `error` has the errors, and `warm` stores saved states.

use std::{
    num::NonZeroU32,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};

use reusespec_core::handshake::{READY, window_in};
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

/// The timeout of a restored guest. After it, the guest is booted instead.
const RESTORE_BUDGET: Duration = Duration::from_secs(10);

/// The timeout of saving a state. After it, the guest is used without a saved state.
const SAVE_BUDGET: Duration = Duration::from_secs(20);

/// Everything that a guest is started from.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The platform.
    pub profile: &'a PlatformProfile,
    /// Its kernel, or its system's image.
    pub kernel: &'a Kernel,
    /// The agent's static executable for the platform's target.
    pub agent: &'a Path,
    /// The root image, if the root file system is not the initramfs. For a complete system, the medium that carries the
    /// agent.
    pub root: Option<&'a Path>,
    /// KVM or TCG; see [`super::decide_accelerator`].
    pub accelerator: Accelerator,
    /// The requests that the agent reads before those of the channel, or in virtual time instead of them.
    pub input: Option<&'a [u8]>,
    /// The agent will receive more than about a hundred cases. A guest whose profile says `microvm` then gets a channel
    /// of several MB/s instead of 0.1 MB/s, and its cold start takes half a second longer.
    pub large_payload: bool,
    /// Restores a saved state if there is one, and saves one if not. Has no effect with `input`.
    pub warm: bool,
    /// QEMU's random seed.
    pub seed: u64,
    /// For drills: the channel loses every n-th byte in both directions.
    pub drop_every: Option<NonZeroU32>,
    /// The log of the console. By default it is in the guest's temporary folder.
    pub console: Option<&'a Path>,
    /// The cache for saved states and for the result of the KVM trial.
    pub cache: &'a Cache,
}

/// How a guest was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The kernel was booted.
    Cold,
    /// A saved state was restored.
    Warm,
}

/// A running guest. QEMU is killed when the guest is dropped or this process ends for any reason.
#[derive(Debug)]
pub struct Guest {
    running: Running,
    console: PathBuf,
    start: Start,
    ready_after: Duration,
    /// Holds the initramfs and QEMU's log while QEMU uses them.
    _folder: TempDir,
    /// Holds the root image that was made for this guest alone.
    _root_folder: Option<TempDir>,
}

impl Guest {
    /// Starts a guest and waits until its agent serves. With `input` in virtual time, returns as soon as QEMU runs, because
    /// there is no handshake.
    ///
    /// # Errors
    /// When a file is missing, QEMU does not start, or the agent does not serve in time.
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
        if files.sends_only {
            running
                .receive_only(launch.drop_every)
                .map_err(host("read the channel"))?;
        } else {
            let budget = Duration::from_secs(launch.profile.timing.boot_secs.into());
            files.expect_line(&mut running, |line| line.ends_with(READY).then_some(()), budget)?;
            if let Some(slot) = slot {
                save(&running.monitor, slot);
            }
            files.go(&mut running)?;
            let window = files.expect_line(&mut running, window_in, budget)?;
            running
                .relay(window, files.drop_every)
                .map_err(host("start a relay of the channel"))?;
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
        let window = files.expect_line(&mut running, window_in, RESTORE_BUDGET)?;
        running
            .relay(window, files.drop_every)
            .map_err(host("start a relay of the channel"))?;
        Ok((running, started.elapsed()))
    }

    /// The channel to the agent, on which timeouts can be set. `try_clone` gives a second handle. The guest is gone
    /// when a read returns end of file or a reset connection (QEMU was killed before it had read everything).
    pub fn channel(&self) -> &UnixStream {
        &self.running.data
    }

    /// Whether the guest was booted or restored.
    pub fn started(&self) -> Start {
        self.start
    }

    /// The time from QEMU's start until the agent served.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// The log of the console.
    pub fn console(&self) -> &Path {
        &self.console
    }

    /// The last `lines` lines of the console, without control characters, and QEMU's own messages.
    pub fn console_tail(&self, lines: usize) -> String {
        tail(&self.console, &self.running.qemu_log, lines)
    }

    /// QEMU's process id.
    pub fn id(&self) -> u32 {
        self.running.child.id()
    }

    /// Waits at most `budget` until QEMU exits. Returns `None` if it still runs.
    pub fn wait(&mut self, budget: Duration) -> Option<ExitStatus> {
        self.running.child.wait(budget)
    }

    /// Kills QEMU.
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
            _root_folder: None,
        }
    }

    /// Keeps `folder` until the guest is dropped.
    pub(crate) fn with_folder(mut self, folder: TempDir) -> Self {
        self._root_folder = Some(folder);
        self
    }

    /// Converts the guest into a link: two handles of the channel, and the guest as the agent's handle.
    ///
    /// # Errors
    /// When the channel cannot be duplicated, because no file descriptors are left.
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
        // The channel closes a moment before the process exits.
        let status = match self.wait(Duration::from_millis(500)) {
            Some(status) => format!("QEMU ended with {status}"),
            None => "QEMU still runs".to_owned(),
        };
        format!("{status}\n{}", self.console_tail(20))
    }
}

/// Saves the guest's state. A failure is ignored: later runs then boot the guest.
fn save(monitor: &UnixStream, slot: &Slot) {
    let _ = slot.store(|path| Monitor::new(monitor, SAVE_BUDGET)?.save(path, SAVE_BUDGET));
}
