//! Prepares the files and the command line of a guest before QEMU starts, and exchanges the handshake with it
//! afterwards.
//!
//! `pack` writes the initramfs, and `reusespec_core::handshake` defines the handshake's lines.

use std::{
    fs,
    io::{self, Read, Write},
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    command::{self, Choice},
    console::ConsoleLogin,
    error::{GuestError, host},
    guest::Launch,
    pack::pack,
    process::{self, Console, Running},
    require_program,
    warm::{Key, Slot},
};
use crate::agents;
use crate::cache::sha256;
use crate::handshake;
use crate::profile::{BootMethod, Clock};
use crate::root_image::LOGIN_LINE;

/// Limits the bytes before the guest's line. A UART may deliver noise at power-on, but more than this does not come
/// from an agent.
const NOISE_LIMIT: usize = 64 * 1024;

/// The interval at which the wait for the agent checks whether the login at the console has failed.
const CONSOLE_POLL: Duration = Duration::from_millis(200);

/// The prepared files and the command line of a guest.
pub(super) struct Files {
    program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) slot: Option<Slot>,
    pub(super) console: PathBuf,
    pub(super) folder: TempDir,
    /// Whether the agent is started by a login at the console.
    login: bool,
    /// Whether the channel only carries the guest's output: all input is in a file, and its clock is virtual.
    pub(super) sends_only: bool,
    /// For drills: see [`Launch::drop_every`].
    pub(super) drop_every: Option<NonZeroU32>,
}

impl Files {
    pub(super) fn prepare(launch: &Launch<'_>) -> Result<Self, GuestError> {
        let qemu = launch.profile.qemu();
        let boot_method = launch.profile.boot_method()?;
        if let (BootMethod::Disk, None) = (boot_method, launch.root) {
            return Err(GuestError::NoMedium {
                platform: launch.profile.name.clone(),
            });
        }
        let program = require_program(&qemu.emulator)?;
        let folder = TempDir::with_prefix("reusespec-").map_err(host("make a temporary folder"))?;
        let (archive, initramfs) = if boot_method == BootMethod::Initramfs {
            let (archive, file) = (pack(launch)?, folder.path().join("initramfs"));
            fs::write(&file, &archive).map_err(host("write the initramfs"))?;
            (archive, Some(file))
        } else {
            (Vec::new(), None)
        };
        let loader = match boot_method {
            BootMethod::Loader => Some(loader(launch)?),
            BootMethod::Initramfs | BootMethod::RootImage | BootMethod::Disk => None,
        };
        let root = match launch.root {
            Some(root) => fs::read(root).map_err(host("read the root image"))?,
            None => Vec::new(),
        };
        let choice = Choice {
            accelerator: launch.accelerator,
            virtio_console: launch.kernel.virtio_console,
            image: &launch.kernel.image,
            initramfs: initramfs.as_deref(),
            loader: loader.as_ref().map(|(path, _)| path.as_path()),
            root: launch.root,
            large_payload: launch.large_payload,
            input: launch.input.is_some(),
            seed: launch.seed,
        };
        let nowhere = Path::new("");
        let without_paths = command::arguments(
            launch.profile,
            boot_method,
            Choice {
                image: nowhere,
                initramfs: initramfs.is_some().then_some(nowhere),
                loader: loader.is_some().then_some(nowhere),
                root: launch.root.is_some().then_some(nowhere),
                ..choice
            },
        );
        // A guest has an initramfs or a loader, or neither.
        let starter = loader.as_ref().map_or(&archive, |(_, content)| content);
        let contents = [launch.kernel.sha256.as_str(), &sha256(starter), &sha256(&root)];
        let key = Key {
            program: &program,
            arguments: &without_paths,
            contents,
        };
        Ok(Self {
            // The state of a complete system is not saved, because its own scripts run in it beside the agent.
            slot: match boot_method {
                BootMethod::Disk => None,
                BootMethod::Initramfs | BootMethod::RootImage | BootMethod::Loader => {
                    Slot::find(launch.cache, &key)
                }
            },
            login: boot_method == BootMethod::Disk,
            arguments: command::arguments(launch.profile, boot_method, choice),
            console: launch
                .console
                .map_or_else(|| folder.path().join("console.log"), Path::to_owned),
            program,
            folder,
            drop_every: launch.drop_every,
            sends_only: launch.input.is_some() && launch.profile.clock == Clock::Virtual,
        })
    }

    pub(super) fn run(&self, arguments: &[String]) -> Result<Running, GuestError> {
        let console = match self.login {
            true => Console::Interactive,
            false => Console::LogOnly(&self.console),
        };
        let program = self.program.to_string_lossy();
        let folder = self.folder.path();
        let mut running = process::start(&program, arguments, console, folder, self.sends_only)
            .map_err(host("start QEMU"))?;
        if let Some(stream) = running.console.take() {
            let login =
                ConsoleLogin::start(stream, &self.console, LOGIN_LINE).map_err(host("log the console"))?;
            running.login = Some(login);
        }
        Ok(running)
    }

    /// Sends the time of day and a random seed. The guest answers when it serves.
    pub(super) fn go(&self, running: &mut Running) -> Result<(), GuestError> {
        let line = handshake::go_line().map_err(host("read /dev/urandom"))?;
        match running.data.write_all(line.as_bytes()) {
            // The wait for the answer reports a guest that is gone, with its console.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(host("write to the channel")),
        }
    }

    /// Reads up to and including a line from which `find` takes a value. Anything before it is skipped, up to
    /// `NOISE_LIMIT`.
    pub(super) fn expect_line<T>(
        &self,
        running: &mut Running,
        find: impl Fn(&str) -> Option<T>,
        budget: Duration,
    ) -> Result<T, GuestError> {
        let deadline = Instant::now() + budget;
        let mut seen = Vec::new();
        let mut byte = [0];
        loop {
            if let Some(failure) = running.login.as_ref().and_then(ConsoleLogin::failure) {
                return Err(GuestError::Console {
                    failure,
                    console: self.diagnostics(running),
                });
            }
            let mut left = deadline.saturating_duration_since(Instant::now());
            if running.login.is_some() {
                left = left.min(CONSOLE_POLL);
            }
            let left = left.max(Duration::from_micros(1));
            running
                .data
                .set_read_timeout(Some(left))
                .map_err(host("set a timeout on the channel"))?;
            // One byte at a time, because what follows the line must stay in the channel.
            match running.data.read(&mut byte) {
                Ok(1) => seen.push(byte[0]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
                        && Instant::now() < deadline => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Err(GuestError::BootTimeout {
                        budget,
                        console: self.diagnostics(running),
                    });
                }
                Ok(_) | Err(_) => return Err(self.ended(running)),
            }
            if seen.ends_with(b"\n")
                && let Some(found) = find(String::from_utf8_lossy(last_line(&seen)).trim_end())
            {
                let unlimited = running.data.set_read_timeout(None);
                return unlimited
                    .map(|()| found)
                    .map_err(host("set a timeout on the channel"));
            }
            if seen.len() > NOISE_LIMIT {
                let beginning = String::from_utf8_lossy(&seen[..60]).into_owned();
                return Err(GuestError::Garbage {
                    bytes: seen.len(),
                    beginning,
                    console: self.diagnostics(running),
                });
            }
        }
    }

    fn ended(&self, running: &mut Running) -> GuestError {
        // The channel closes a moment before the process exits.
        let status = running.child.wait(Duration::from_secs(5));
        let status = status.map_or("QEMU closed the channel but still runs".into(), |status| {
            status.to_string()
        });
        GuestError::Ended {
            status,
            console: self.diagnostics(running),
        }
    }

    fn diagnostics(&self, running: &Running) -> String {
        match tail(&self.console, &running.qemu_log, 12) {
            text if text.is_empty() => "its console is empty".into(),
            text => format!("its console ends with:\n{text}"),
        }
    }
}

/// The last of these lines, which have line feeds.
fn last_line(lines: &[u8]) -> &[u8] {
    lines
        .split_inclusive(|byte| *byte == b'\n')
        .next_back()
        .unwrap_or_default()
}

/// The path and content of the Multiboot loader. QEMU takes what follows a space in a module's path as its arguments.
fn loader(launch: &Launch<'_>) -> Result<(PathBuf, Vec<u8>), GuestError> {
    for module in [Some(launch.kernel.image.as_path()), launch.root]
        .into_iter()
        .flatten()
    {
        if module.to_string_lossy().contains(' ') {
            return Err(GuestError::SpaceInPath(module.to_owned()));
        }
    }
    let path = agents::find_loader(&launch.profile.target)?;
    let content = fs::read(&path).map_err(host("read the loader"))?;
    Ok((path, content))
}

/// The end of the console, and the end of QEMU's own messages.
pub(super) fn tail(console: &Path, qemu_log: &Path, lines: usize) -> String {
    let (console, qemu_log) = (process::tail(console, lines), process::tail(qemu_log, 3));
    if qemu_log.is_empty() {
        console
    } else {
        format!("{console}\nqemu: {qemu_log}").trim().to_owned()
    }
}
