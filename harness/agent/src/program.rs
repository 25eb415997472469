//! Runs a program under test for one case, inside the namespaces of the case.
//!
//! Three mechanisms end the program, so that no case leaves one behind:
//! - Dropping a [`Program`] kills its process group.
//! - On Linux the program is the first process of its own PID namespace. When it dies, the kernel kills its
//!   descendants, also those that left the process group. Some systems refuse a PID namespace; the other two mechanisms
//!   remain.
//! - On Linux the kernel kills the program when the case process dies, which the agent loop may kill at any time.

mod adapter;
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(target_os = "linux")]
mod processes;
mod sockets;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reusespec_core::adapter::{ADAPTER_PROTOCOL, AdapterReply, AdapterRequest};
use reusespec_core::profile::{Control, External, Kind, fill};

use crate::listen_addr::ListenAddr;
use tempfile::TempDir;

pub use adapter::{Lines, NoReply};
#[cfg(target_os = "linux")]
pub(crate) use descriptors::Seen;
pub(crate) use sockets::{AdapterSockets, Opened, Received};

/// The interval between two attempts to connect, and between two looks at a program's state.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// The time in which a program must be ready, and an adapter must answer.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// The exit status of a command that SIGKILL ended (`processes::fork_again`).
const SIGKILL_STATUS: i32 = 128 + 9;
/// The time in which a control must be done.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(5);
/// The variables that a program inherits. It gets no others, so that options, proxies and certificates of the machine
/// change no result.
const INHERITED_ENVIRONMENT: [&str; 2] = ["PATH", "HOME"];
/// The number of bytes from the end of a program's output that a report shows.
const OUTPUT_TAIL_BYTES: usize = 1000;

/// Why a program could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    /// The program is not installed, or has no such function.
    #[error("{0}")]
    Unsupported(String),
    /// A call on a socket failed, which is a result: the name of the kernel's error, or `refused`.
    #[error("{0}")]
    Refused(String),
    /// The program's process could not be started.
    #[error("cannot start {name}")]
    NotStarted { name: String, source: io::Error },
    /// The program has ended or does not answer. `what` completes a sentence that begins with its name.
    #[error("{name} {what}; its output: {stderr}")]
    Failed {
        name: String,
        what: String,
        stderr: String,
    },
}

/// A running program. Dropping it kills the program and removes its directory.
pub(crate) struct Program {
    child: Child,
    lines: Option<Lines>,
    directory: TempDir,
    external: External,
    /// The values of `@name@` in the profile's arguments and files.
    values: Vec<(String, String)>,
}

impl Program {
    /// Starts a program that listens at `address`, and waits until it is ready. `more` are further values of `@name@` in
    /// its arguments and files.
    pub(crate) fn start(
        external: &External,
        address: Option<&ListenAddr>,
        more: &[(&str, &str)],
    ) -> Result<Self, ProgramError> {
        let stdin = match external.kind {
            Kind::Adapter => Stdio::piped(),
            Kind::Server => Stdio::null(),
        };
        let mut program = Self::spawn(external, &external.start, stdin, address, more)?;
        match external.kind {
            Kind::Adapter => program.greet()?,
            Kind::Server => program.wait_until_ready(address)?,
        }
        Ok(program)
    }

    /// Starts a program that inherits `listener` as descriptor 0. Does not wait: the kernel queues connections until
    /// the program accepts them.
    pub(crate) fn start_inherited(
        external: &External,
        listener: std::net::TcpListener,
        address: &ListenAddr,
    ) -> Result<Self, ProgramError> {
        let command_line = external.start_inherited.as_deref().unwrap_or_default();
        let server = External {
            kind: Kind::Server,
            ..external.clone()
        };
        Self::spawn(
            &server,
            command_line,
            OwnedFd::from(listener).into(),
            Some(address),
            &[],
        )
    }

    fn spawn(
        external: &External,
        command_line: &[String],
        stdin: Stdio,
        address: Option<&ListenAddr>,
        more: &[(&str, &str)],
    ) -> Result<Self, ProgramError> {
        if let Some(missing) = &external.missing {
            return Err(ProgramError::Unsupported(missing.clone()));
        }
        let failed = |source| ProgramError::NotStarted {
            name: external.name.clone(),
            source,
        };
        let directory = create_directory().map_err(failed)?;
        let values = values(directory.path(), address, more);
        write_files(external, &values, directory.path()).map_err(failed)?;
        let mut command = command(command_line, external, &values, directory.path()).map_err(failed)?;
        command.stdin(stdin);
        if external.kind == Kind::Adapter {
            command.stdout(Stdio::piped());
        }
        #[cfg(target_os = "linux")]
        processes::contain(&mut command, processes::Namespace::Own);
        let mut child = command.spawn().map_err(failed)?;
        let lines = Lines::of(&mut child);
        Ok(Self {
            child,
            lines,
            directory,
            external: external.clone(),
            values,
        })
    }

    /// Exchanges the versions of the protocol with an adapter.
    fn greet(&mut self) -> Result<(), ProgramError> {
        let hello = AdapterRequest::Hello {
            protocol: ADAPTER_PROTOCOL,
        };
        match self.request(&hello, READY_TIMEOUT)? {
            AdapterReply::Hello {
                protocol: ADAPTER_PROTOCOL,
                ..
            } => Ok(()),
            AdapterReply::Hello { protocol, .. } => Err(self.failed(format!(
                "speaks version {protocol} of the adapter protocol, and the agent version {ADAPTER_PROTOCOL}"
            ))),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Sends a request to an adapter and waits until it is done.
    pub(crate) fn ask(&mut self, request: &AdapterRequest) -> Result<(), ProgramError> {
        match self.request(request, READY_TIMEOUT)? {
            AdapterReply::Ok => Ok(()),
            AdapterReply::Failed(what) => Err(self.failed(format!("failed: {what}"))),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Reads a counter of an adapter.
    pub(crate) fn count(&mut self, key: &str) -> Result<u64, ProgramError> {
        match self.request(&AdapterRequest::Count { key: key.to_owned() }, READY_TIMEOUT)? {
            AdapterReply::Count(value) => Ok(value),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Sends a request to an adapter and returns its reply, unless that is `unsupported`.
    fn request(&mut self, request: &AdapterRequest, timeout: Duration) -> Result<AdapterReply, ProgramError> {
        let reply = match &mut self.lines {
            Some(lines) => lines.request(request, Instant::now() + timeout),
            None => Err(NoReply("is not an adapter".to_owned())),
        };
        match reply {
            Ok(AdapterReply::Unsupported(what)) => Err(ProgramError::Unsupported(format!(
                "{}: {what}",
                self.external.name
            ))),
            Ok(reply) => Ok(reply),
            Err(NoReply(what)) => Err(self.failed(what)),
        }
    }

    fn unexpected(&self, reply: &AdapterReply) -> ProgramError {
        self.failed(format!("sent an answer to another request: {reply:?}"))
    }

    /// Runs control `name` of the profile, such as a reload, and waits until it has taken effect.
    pub(crate) fn control(&mut self, name: &str) -> Result<(), ProgramError> {
        let Some(control) = self.external.controls.get(name).cloned() else {
            let what = format!("{} has no control `{name}`", self.external.name);
            return Err(ProgramError::Unsupported(what));
        };
        let deadline = Instant::now() + CONTROL_TIMEOUT;
        let earlier = self.output().len();
        let result = self
            .run_control(&control, deadline)
            .and_then(|()| match &control.until_said {
                Some(text) => self.await_output(text, earlier, deadline),
                None => Ok(()),
            });
        result.map_err(|error| self.failed(format!("did not perform control `{name}`: {error}")))
    }

    fn run_control(&mut self, control: &Control, deadline: Instant) -> io::Result<()> {
        let set = control
            .set
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        // If a name has two values, the first one counts.
        let values: Vec<_> = set.chain(self.values.iter().cloned()).collect();
        write_files(&self.external, &values, self.directory.path())?;
        let mut child = self.run(&control.run)?;
        loop {
            match child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                // The control stopped the server. When the first process of the PID namespace ended, the kernel killed
                // the process of the control too.
                Some(status) if status.code() == Some(SIGKILL_STATUS) && self.ends_before(deadline) => {
                    return Ok(());
                }
                Some(status) => return Err(io::Error::other(format!("the command ended with {status}"))),
                None if Instant::now() >= deadline => {
                    child.kill()?;
                    child.wait()?;
                    return Err(io::Error::other("the command did not end"));
                }
                None => std::thread::sleep(POLL_INTERVAL),
            }
        }
    }

    /// Waits until the program's output contains `text` behind its first `earlier` bytes.
    fn await_output(&mut self, text: &str, earlier: usize, deadline: Instant) -> io::Result<()> {
        let contains = |output: &[u8]| String::from_utf8_lossy(output).contains(text);
        while !contains(self.output().get(earlier..).unwrap_or_default()) {
            if let Some(ended) = self.ended() {
                return Err(io::Error::other(ended));
            }
            if Instant::now() >= deadline {
                return Err(io::Error::other(format!("did not print `{text}`")));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// Waits for the end of the program. False if it still runs at `deadline`.
    fn ends_before(&mut self, deadline: Instant) -> bool {
        while self.ended().is_none() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        true
    }

    /// Starts a command of the profile in the program's PID namespace.
    fn run(&self, command_line: &[String]) -> io::Result<Child> {
        let mut command = command(command_line, &self.external, &self.values, self.directory.path())?;
        #[cfg(target_os = "linux")]
        processes::contain(&mut command, processes::Namespace::of(&self.child)?);
        command.spawn()
    }

    /// The end of the program's output, or `nothing` if it has printed nothing.
    pub(crate) fn stderr(&self) -> String {
        let bytes = self.output();
        let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(OUTPUT_TAIL_BYTES)..]);
        match text.trim() {
            "" => "nothing".to_owned(),
            text => text.to_owned(),
        }
    }

    /// The program's output so far: standard error, and also standard output unless the program is an adapter.
    fn output(&self) -> Vec<u8> {
        fs::read(self.directory.path().join("stderr")).unwrap_or_default()
    }

    /// How the program ended, or `None` while it runs.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(format!("ended with {status}"))
    }

    /// Waits until the program accepts connections, and until its output contains the profile's `ready_said`.
    fn wait_until_ready(&mut self, address: Option<&ListenAddr>) -> Result<(), ProgramError> {
        let deadline = Instant::now() + READY_TIMEOUT;
        while let Some(address) = address {
            match address.connect(READY_TIMEOUT) {
                Ok(_) => break,
                Err(error) if Instant::now() >= deadline => {
                    return Err(self.failed(format!("does not accept connections at {address}: {error}")));
                }
                Err(_) => {}
            }
            if let Some(ended) = self.ended() {
                return Err(self.failed(ended));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        match self.external.ready_said.clone() {
            Some(text) => self
                .await_output(&text, 0, deadline)
                .map_err(|error| self.failed(error.to_string())),
            None => Ok(()),
        }
    }

    fn failed(&self, what: String) -> ProgramError {
        ProgramError::Failed {
            name: self.external.name.clone(),
            what,
            stderr: self.stderr(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Ok(process) = i32::try_from(self.child.id()) {
            let group = nix::unistd::Pid::from_raw(process);
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Creates a directory for the files of a case. Dropping it removes it with its contents.
pub(crate) fn create_directory() -> io::Result<TempDir> {
    TempDir::with_prefix("reusespec.")
}

/// The values of `@name@` in the profile's arguments and files.
fn values(directory: &Path, address: Option<&ListenAddr>, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut values = vec![("dir".to_owned(), directory.display().to_string())];
    if let Some(address) = address {
        values.push(("address".to_owned(), address.to_string()));
        match address {
            ListenAddr::Tcp(tcp) => values.push(("port".to_owned(), tcp.port().to_string())),
            ListenAddr::Unix(path) => values.push(("socket".to_owned(), path.display().to_string())),
        }
    }
    let more = more.iter().copied();
    values.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    values
}

/// Writes the files of the profile, with every `@name@` replaced.
fn write_files(external: &External, values: &[(String, String)], directory: &Path) -> io::Result<()> {
    let mut files = external.files.iter();
    files.try_for_each(|(file, text)| {
        let (path, text) = (directory.join(file), fill_all(text, values));
        if fs::read(&path).is_ok_and(|now| now == text.as_bytes()) {
            return Ok(());
        }
        // The running program may read the file at any moment, so the new content appears at once.
        let new = directory.join(format!("{file}.new"));
        fs::write(&new, text)?;
        fs::rename(new, path)
    })
}

fn fill_all(text: &str, values: &[(String, String)]) -> String {
    let values: Vec<_> = values
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    fill(text, &values)
}

/// A command of the profile, in its own process group. Its output is appended to `stderr` in the directory.
fn command(
    command_line: &[String],
    external: &External,
    values: &[(String, String)],
    directory: &Path,
) -> io::Result<Command> {
    let words: Vec<String> = command_line.iter().map(|word| fill_all(word, values)).collect();
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| io::Error::other("the command is empty"))?;
    let mut command = Command::new(program);
    command.args(arguments).process_group(0).stdin(Stdio::null());
    command.env_clear();
    let inherited = INHERITED_ENVIRONMENT.iter();
    command.envs(inherited.filter_map(|name| Some((name, std::env::var_os(name)?))));
    for (name, value) in &external.environment {
        command.env(name, fill_all(value, values));
    }
    let output = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("stderr"))?;
    command.stdout(output.try_clone()?).stderr(output);
    Ok(command)
}
