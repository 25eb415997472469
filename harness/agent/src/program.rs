//! A program under test: started for one case, inside its namespaces, and gone with it on every way out.
//!
//! Three things end it. Dropping kills its process group; on Linux it is the first process of a namespace of
//! its own, so that its children go with it, also those that left the group; and it is told to die with the
//! process of the case, which the loop may kill at any time. Where the system refuses a namespace of processes
//! the other two remain.

mod adapter;
#[cfg(target_os = "linux")]
mod processes;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reusespec_core::adapter::{AdapterReply, AdapterRequest};
use reusespec_core::profile::{Control, External, Kind, fill};

use crate::listen_addr::ListenAddr;
use adapter::Lines;
use tempfile::TempDir;

/// How often a server is asked whether it can be connected to.
const READY_POLL: Duration = Duration::from_millis(2);
/// How long a program may take until it can be used.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// What a command killed with SIGKILL ends with, by the process that waits for it.
const KILLED_CODE: i32 = 128 + 9;
/// How long a control may take.
const CONTROL_WITHIN: Duration = Duration::from_secs(5);
/// All of the machine's environment that a program gets: what else is in it (options, proxies, certificates to be read at
/// every start) decides no row.
const KEPT_ENVIRONMENT: [&str; 2] = ["PATH", "HOME"];
/// Bytes of standard error that reports show.
const SHOWN_BYTES: usize = 1000;

/// Why a program is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    /// It is not here, or has no such thing.
    #[error("{0}")]
    Unsupported(String),
    /// It could not be started.
    #[error("{name} could not be started")]
    NotStarted { name: String, source: io::Error },
    /// It has ended or does not answer.
    #[error("{name} {what}; it said: {stderr}")]
    Failed {
        name: String,
        what: String,
        stderr: String,
    },
}

/// A running program. Dropping it kills it and removes its directory.
pub(crate) struct Program {
    name: String,
    child: Child,
    lines: Option<Lines>,
    directory: TempDir,
    external: External,
    values: Vec<(String, String)>,
}

impl Program {
    /// Starts it, to listen at a place, and waits until it can be used. `more` are further values for its
    /// arguments and files.
    pub(crate) fn start(
        external: &External,
        at: Option<&ListenAddr>,
        more: &[(&str, &str)],
    ) -> Result<Self, ProgramError> {
        let stdin = match external.kind {
            Kind::Adapter => Stdio::piped(),
            Kind::Server => Stdio::null(),
        };
        let mut program = Self::spawn(external, &external.start, stdin, at, more)?;
        match external.kind {
            Kind::Adapter => program.ask(&AdapterRequest::Hello { protocol: 1 })?,
            Kind::Server => program.wait_for(at)?,
        }
        Ok(program)
    }

    /// Starts it with a listener in descriptor 0. Nobody waits: connections queue in the listener until it takes them.
    pub(crate) fn start_inherited(
        external: &External,
        listener: std::net::TcpListener,
        at: &ListenAddr,
    ) -> Result<Self, ProgramError> {
        let words = external.start_inherited.as_deref().unwrap_or_default();
        let served = External {
            kind: Kind::Server,
            ..external.clone()
        };
        Self::spawn(&served, words, OwnedFd::from(listener).into(), Some(at), &[])
    }

    fn spawn(
        external: &External,
        words: &[String],
        stdin: Stdio,
        at: Option<&ListenAddr>,
        more: &[(&str, &str)],
    ) -> Result<Self, ProgramError> {
        if let Some(missing) = &external.missing {
            return Err(ProgramError::Unsupported(missing.clone()));
        }
        let name = external.name.clone();
        let failed = |source| ProgramError::NotStarted {
            name: name.clone(),
            source,
        };
        let directory = create_directory().map_err(failed)?;
        let values = values(directory.path(), at, more);
        write_files(external, &values, directory.path()).map_err(failed)?;
        let mut command = command(words, external, &values, directory.path()).map_err(failed)?;
        command.stdin(stdin);
        if external.kind == Kind::Adapter {
            command.stdout(Stdio::piped());
        }
        #[cfg(target_os = "linux")]
        processes::contain(&mut command, processes::Namespace::Own);
        let mut child = command.spawn().map_err(failed)?;
        let lines = Lines::of(&mut child).map_err(failed)?;
        Ok(Self {
            name: external.name.clone(),
            child,
            lines,
            directory,
            external: external.clone(),
            values,
        })
    }

    /// Asks an adapter to do something.
    pub(crate) fn ask(&mut self, request: &AdapterRequest) -> Result<(), ProgramError> {
        self.answer(request).map(|_| ())
    }

    /// Asks an adapter for the value of a counter.
    pub(crate) fn count(&mut self, key: &str) -> Result<u64, ProgramError> {
        match self.answer(&AdapterRequest::Count { key: key.to_owned() })? {
            AdapterReply::Count(value) => Ok(value),
            other => Err(self.failed(format!("answered {other:?} instead of a count"))),
        }
    }

    fn answer(&mut self, request: &AdapterRequest) -> Result<AdapterReply, ProgramError> {
        let answered = match &mut self.lines {
            Some(lines) => lines.ask(request, Instant::now() + READY_WITHIN),
            None => Err(adapter::Trouble::Silent("is no adapter".to_owned())),
        };
        match answered {
            Ok(reply) => Ok(reply),
            Err(adapter::Trouble::Unsupported(what)) => {
                Err(ProgramError::Unsupported(format!("{}: {what}", self.name)))
            }
            Err(adapter::Trouble::Silent(what)) => Err(self.failed(what)),
        }
    }

    /// Tells it something as the profile says, and waits until it has done so.
    pub(crate) fn control(&mut self, name: &str) -> Result<(), ProgramError> {
        let Some(control) = self.external.controls.get(name).cloned() else {
            let what = format!("{} cannot be told to `{name}`", self.name);
            return Err(ProgramError::Unsupported(what));
        };
        let deadline = Instant::now() + CONTROL_WITHIN;
        let said_before = self.said().len();
        let told = self
            .send(&control, deadline)
            .and_then(|()| match &control.until_said {
                Some(words) => self.await_words(words, said_before, deadline),
                None => Ok(()),
            });
        told.map_err(|error| self.failed(format!("could not be told to `{name}`: {error}")))
    }

    fn send(&mut self, control: &Control, deadline: Instant) -> io::Result<()> {
        let set = control
            .set
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        // The first value of a name counts.
        let values: Vec<_> = set.chain(self.values.iter().cloned()).collect();
        write_files(&self.external, &values, self.directory.path())?;
        self.run(&control.run).and_then(|mut child| {
            loop {
                match child.try_wait()? {
                    Some(status) if status.success() => return Ok(()),
                    // The server's end takes its namespace with it, and in it whoever told it to end.
                    Some(status) if status.code() == Some(KILLED_CODE) && self.ends_by(deadline) => {
                        return Ok(());
                    }
                    Some(status) => return Err(io::Error::other(format!("ended with {status}"))),
                    None if Instant::now() >= deadline => {
                        child.kill()?;
                        child.wait()?;
                        return Err(io::Error::other("did not end"));
                    }
                    None => std::thread::sleep(READY_POLL),
                }
            }
        })
    }

    /// Waits until it has written something behind what it had written before.
    fn await_words(&mut self, words: &str, before: usize, deadline: Instant) -> io::Result<()> {
        let has_said = |said: &[u8]| String::from_utf8_lossy(said).contains(words);
        while !has_said(self.said().get(before..).unwrap_or_default()) {
            if let Some(ended) = self.ended() {
                return Err(io::Error::other(ended));
            }
            if Instant::now() >= deadline {
                return Err(io::Error::other(format!("did not say `{words}`")));
            }
            std::thread::sleep(READY_POLL);
        }
        Ok(())
    }

    /// Waits for the end of the program.
    fn ends_by(&mut self, deadline: Instant) -> bool {
        while self.ended().is_none() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(READY_POLL);
        }
        true
    }

    fn run(&self, words: &[String]) -> io::Result<Child> {
        let mut command = command(words, &self.external, &self.values, self.directory.path())?;
        #[cfg(target_os = "linux")]
        processes::contain(&mut command, processes::Namespace::of(&self.child)?);
        command.spawn()
    }

    /// The end of what it has written to standard error.
    pub(crate) fn stderr(&self) -> String {
        let bytes = self.said();
        let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(SHOWN_BYTES)..]).into_owned();
        let text = text.trim().to_owned();
        if text.is_empty() {
            "nothing".to_owned()
        } else {
            text
        }
    }

    /// All it has written to standard error.
    fn said(&self) -> Vec<u8> {
        fs::read(self.directory.path().join("stderr")).unwrap_or_default()
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(format!("ended with {status}"))
    }

    fn wait_for(&mut self, at: Option<&ListenAddr>) -> Result<(), ProgramError> {
        let deadline = Instant::now() + READY_WITHIN;
        while let Some(place) = at {
            match place.connect(READY_WITHIN) {
                Ok(_) => break,
                Err(error) if Instant::now() >= deadline => {
                    return Err(self.failed(format!("cannot be connected to at {place}: {error}")));
                }
                Err(_) => {}
            }
            if let Some(ended) = self.ended() {
                return Err(self.failed(ended));
            }
            std::thread::sleep(READY_POLL);
        }
        let words = self.external.ready_said.clone();
        let said = words.map_or(Ok(()), |words| self.await_words(&words, 0, deadline));
        said.map_err(|error| self.failed(error.to_string()))
    }

    fn failed(&self, what: String) -> ProgramError {
        ProgramError::Failed {
            name: self.name.clone(),
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

/// The names of the case and their values.
fn values(directory: &Path, at: Option<&ListenAddr>, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut values = vec![("dir".to_owned(), directory.display().to_string())];
    if let Some(at) = at {
        values.push(("address".to_owned(), at.to_string()));
        match at {
            ListenAddr::Tcp(address) => values.push(("port".to_owned(), address.port().to_string())),
            ListenAddr::Unix(path) => values.push(("socket".to_owned(), path.display().to_string())),
        }
    }
    values.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    values
}

/// Writes the files of the profile with their names replaced.
fn write_files(external: &External, values: &[(String, String)], directory: &Path) -> io::Result<()> {
    let mut files = external.files.iter();
    files.try_for_each(|(file, text)| {
        let (path, text) = (directory.join(file), fill_all(text, values));
        if fs::read(&path).is_ok_and(|now| now == text.as_bytes()) {
            return Ok(());
        }
        // A program that runs may read it at any moment.
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

/// A command of the profile, in a process group of its own, its output kept in the directory.
fn command(
    words: &[String],
    external: &External,
    values: &[(String, String)],
    directory: &Path,
) -> io::Result<Command> {
    let words: Vec<String> = words.iter().map(|word| fill_all(word, values)).collect();
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| io::Error::other("an empty command"))?;
    let mut command = Command::new(program);
    command.args(arguments).process_group(0).stdin(Stdio::null());
    command.env_clear();
    let kept = KEPT_ENVIRONMENT.iter();
    command.envs(kept.filter_map(|name| Some((name, std::env::var_os(name)?))));
    for (name, value) in &external.environment {
        command.env(name, fill_all(value, values));
    }
    let said = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("stderr"))?;
    command.stdout(said.try_clone()?).stderr(said);
    Ok(command)
}
