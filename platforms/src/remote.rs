//! Platforms that are started by a command: a user's command, a machine reached by ssh, an emulated CPU, gVisor.
//!
//! ```toml
//! [boot.command]                      [boot.ssh]            [boot.user]              [boot.runsc]
//! program = ["ssh", "box", "agent"]   host = "me@box"       emulator = "aarch64"     target = "x86_64-…"
//! ```
//! In all cases the standard input and output of the command are those of an agent, so `command` starts it.
//!
//! With ssh, the agent's executable is sent before the requests on the same stream. So one connection is enough,
//! nothing is installed, and the user's own ssh client with its keys and jump hosts is used. The remote shell reads
//! exactly the length of the executable. A shell that reads ahead loses nothing, because the host sends no request
//! before the agent's hello.

mod console;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::agents::{self, NoAgent};
use crate::command::AgentCommand;
use crate::handshake;
use crate::link::{LaunchRequest, Link, PlatformTraits, StartError, Starter};
use crate::process;
use crate::profile::{COMMANDS, PlatformProfile, PlatformProfileError};
use crate::runsc::{self, Runsc};
use console::Console;
use reusespec_core::Deviation;

/// `--platform ssh:me@box` needs no profile.
const SSH_PREFIX: &str = "ssh:";

/// The profile of a platform that is started by a command.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemotePlatform {
    /// Its name in `--platform`; not in the file.
    #[serde(skip)]
    pub name: String,
    /// How it is started.
    pub boot: RemoteBoot,
    /// The factor by which time budgets grow.
    #[serde(default = "default_slower")]
    pub slower: u32,
    /// The capabilities that the agent's hello must report.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Claims that are known not to hold there.
    #[serde(default, rename = "deviation")]
    pub deviations: Vec<Deviation>,
}

fn default_slower() -> u32 {
    1
}

/// How the agent is started. The file has one table, whose name is the kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum RemoteBoot {
    /// A command that speaks the agent's protocol on its standard streams.
    Command {
        /// The program and its arguments. `{console}` in them is replaced by the path of a file for the console of the
        /// machine that the command starts.
        program: Vec<String>,
    },
    /// A machine reached by ssh.
    Ssh {
        /// The destination, as for ssh(1).
        host: String,
        /// More options of the client: `["-p", "2222"]`.
        #[serde(default)]
        options: Vec<String>,
    },
    /// This machine's kernel with another CPU, emulated by qemu-user.
    User {
        /// The emulator: `qemu-EMULATOR` or `qemu-EMULATOR-static`.
        emulator: String,
        /// The Rust target of the agent.
        target: String,
    },
    /// gVisor.
    Runsc(Runsc),
}

/// Why the agent cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// `program = []`.
    #[error("the command of {0} is empty: name a program whose standard input and output are an agent")]
    NoProgram(String),
    /// No executable of the agent was found.
    #[error(transparent)]
    Agent(#[from] NoAgent),
    /// The agent's executable cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// qemu-user is not installed.
    #[error("no qemu-{emulator} on this machine: install it (Debian: apt install qemu-user-static)")]
    NoEmulator {
        /// The emulator, as in the profile.
        emulator: String,
    },
    /// ssh failed, or is not installed.
    #[error("cannot run uname on {host}: {message}")]
    NoAnswer {
        /// The machine.
        host: String,
        /// The message of ssh or of the operating system.
        message: String,
    },
    /// No agent is built for this kind of machine.
    #[error("{host} is `{what}`, and no platform has an agent for that")]
    UnknownMachine {
        /// The machine.
        host: String,
        /// Its output of `uname -s -m`.
        what: String,
    },
}

impl RemotePlatform {
    /// The platform `name`: a built-in name, `ssh:HOST`, or a file with one of the tables above. Returns `None` if
    /// `name` is none of these; it may then be a guest.
    ///
    /// # Errors
    /// When the file is not a valid profile.
    pub fn find(name: &str) -> Option<Result<Self, PlatformProfileError>> {
        if let Some(host) = name.strip_prefix(SSH_PREFIX) {
            let boot = RemoteBoot::Ssh {
                host: host.to_owned(),
                options: Vec::new(),
            };
            return Some(Ok(Self {
                name: name.to_owned(),
                boot,
                slower: default_slower(),
                capabilities: Vec::new(),
                deviations: Vec::new(),
            }));
        }
        if let Some((known, text)) = COMMANDS.iter().find(|(known, _)| *known == name) {
            return Some(Self::parse(&format!("platforms/{known}.toml"), name, text));
        }
        // `PlatformProfile::find` reports a file that cannot be read.
        let text = name
            .ends_with(".toml")
            .then(|| fs::read_to_string(name).ok())
            .flatten()?;
        let is_guest = |text: &str| {
            let table: toml::Table = text.parse().ok()?;
            Some(table.get("boot")?.get("qemu").is_some())
        };
        if is_guest(&text).unwrap_or(true) {
            return None;
        }
        let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
        Some(Self::parse(name, &stem, &text))
    }

    fn parse(origin: &str, name: &str, text: &str) -> Result<Self, PlatformProfileError> {
        let read: Result<Self, _> = toml::from_str(text);
        let mut platform = read.map_err(|source| PlatformProfileError::Text {
            origin: origin.to_owned(),
            source: Box::new(source),
        })?;
        name.clone_into(&mut platform.name);
        Ok(platform)
    }

    /// gVisor, if the platform is one.
    pub fn runsc(&self) -> Option<&Runsc> {
        match &self.boot {
            RemoteBoot::Runsc(runsc) => Some(runsc),
            RemoteBoot::Command { .. } | RemoteBoot::Ssh { .. } | RemoteBoot::User { .. } => None,
        }
    }

    /// The same with a local file as the kernel. Returns `None` if the platform's kernel is not a file.
    #[must_use]
    pub fn with_kernel(mut self, file: &Path) -> Option<Self> {
        match &mut self.boot {
            RemoteBoot::Runsc(runsc) => {
                runsc.program = Some(file.to_owned());
                Some(self)
            }
            RemoteBoot::Command { .. } | RemoteBoot::Ssh { .. } | RemoteBoot::User { .. } => None,
        }
    }

    /// The kernel and the machine, for lists of platforms.
    pub fn description(&self) -> String {
        match &self.boot {
            RemoteBoot::Command { program } => format!("started by {}", program.join(" ")),
            RemoteBoot::Ssh { host, .. } => format!("the machine {host}, reached by ssh"),
            RemoteBoot::User { .. } => "this kernel under an emulated CPU".to_owned(),
            RemoteBoot::Runsc(runsc) => match runsc::check_available(&self.name, runsc) {
                Ok(program) => format!("gVisor {}: ready with {}", program.release, program.origin),
                Err(error) => format!("gVisor: {error}"),
            },
        }
    }

    /// All built-in platforms of this kind, sorted by name.
    pub fn all() -> impl Iterator<Item = Self> {
        let find = |name: String| Self::find(&name).and_then(Result::ok);
        names().map(move |name| find(name).expect("a test reads all built-in profiles"))
    }

    /// Starts the agent.
    fn launch(&self, notify: &mut dyn FnMut(String)) -> Result<Link, StartError> {
        match &self.boot {
            RemoteBoot::Command { program } => {
                let (console, words) = Console::of(program)?;
                // The command may boot a machine from an image of ours, whose agent then begins with the handshake.
                let link = handshake::with_handshake(self.by_command(&words)?.start()?);
                Ok(match console {
                    Some(console) => console.attach(link),
                    None => link,
                })
            }
            RemoteBoot::Ssh { host, options } => Ok(by_ssh(host, options)?.start()?),
            RemoteBoot::User { emulator, target } => Ok(by_emulator(emulator, target)?.start()?),
            RemoteBoot::Runsc(runsc) => runsc.start(notify),
        }
    }

    fn by_command(&self, program: &[String]) -> Result<AgentCommand, RemoteError> {
        let mut words: VecDeque<OsString> = program.iter().map(OsString::from).collect();
        let program = words
            .pop_front()
            .ok_or_else(|| RemoteError::NoProgram(self.name.clone()))?;
        Ok(AgentCommand::new(program, words))
    }
}

fn by_emulator(emulator: &str, target: &str) -> Result<AgentCommand, RemoteError> {
    let agent = agents::find(target)?;
    let program = ["-static", ""]
        .iter()
        .find_map(|ending| which::which(format!("qemu-{emulator}{ending}")).ok());
    let program = program.ok_or_else(|| RemoteError::NoEmulator {
        emulator: emulator.to_owned(),
    })?;
    Ok(AgentCommand::new(program, [agent.into_os_string()]))
}

impl Starter for RemotePlatform {
    fn start(&self, _: &LaunchRequest<'_>, notify: &mut dyn FnMut(String)) -> Result<Link, StartError> {
        self.launch(notify)
    }

    fn traits(&self) -> PlatformTraits {
        PlatformTraits {
            slower: self.slower,
            dedicated_machine: self.runsc().is_some(),
            target: self.runsc().map(|runsc| runsc.target.clone()),
            capabilities: self.capabilities.clone(),
            ..PlatformTraits::default()
        }
    }
}

/// The names of the built-in platforms of this kind.
pub fn names() -> impl Iterator<Item = String> {
    COMMANDS.iter().map(|(name, _)| (*name).to_owned())
}

fn by_ssh(host: &str, options: &[String]) -> Result<AgentCommand, RemoteError> {
    let ssh = |remote: &str| {
        let mut words: Vec<OsString> = vec!["-T".into(), "-o".into(), "ConnectTimeout=20".into()];
        words.extend(options.iter().map(OsString::from));
        words.extend([host.into(), remote.into()]);
        words
    };
    let no_answer = |message: String| RemoteError::NoAnswer {
        host: host.to_owned(),
        message,
    };
    let mut command = Command::new("ssh");
    command.args(ssh("uname -s -m"));
    let output = process::output(command).map_err(|error| no_answer(error.to_string()))?;
    if !output.status.success() {
        return Err(no_answer(output.stderr.trim().to_owned()));
    }
    let what = output.stdout.trim().to_owned();
    let target = target_of(&what).ok_or_else(|| RemoteError::UnknownMachine {
        host: host.to_owned(),
        what: what.clone(),
    })?;
    let path = agents::find(&target)?;
    let agent = fs::read(&path).map_err(|source| RemoteError::Unreadable { path, source })?;
    let remote = format!(
        "d=$(mktemp -d) && trap 'rm -rf \"$d\"' EXIT && head -c {} >\"$d/{name}\" && chmod 700 \"$d/{name}\" && \"$d/{name}\"",
        agent.len(),
        name = agents::PROGRAM
    );
    Ok(AgentCommand::new("ssh", ssh(&remote)).with_prefix(agent))
}

/// The Rust target of the agent for a machine with this output of `uname -s -m`. It is the target of the first guest
/// with the same system and machine.
fn target_of(what: &str) -> Option<String> {
    let (system, machine) = what.split_once(' ')?;
    let system = system.to_lowercase();
    PlatformProfile::all()
        .find(|profile| profile.system.to_string() == system && profile.machine == machine)
        .map(|profile| profile.target)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn find(name: &str) -> RemotePlatform {
        RemotePlatform::find(name).unwrap().unwrap()
    }

    #[test]
    fn names_files_and_ssh_hosts_are_distinguished_from_guests() {
        assert!(RemotePlatform::find("linux-6.12").is_none());
        assert!(matches!(find("ssh:me@box").boot, RemoteBoot::Ssh { host, .. } if host == "me@box"));
        assert!(matches!(find("user-aarch64").boot, RemoteBoot::User { .. }));
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("mine.toml");
        fs::write(&file, "[boot.command]\nprogram = [\"agent\", \"--quiet\"]\n").unwrap();
        let mine = find(&file.to_string_lossy());
        let RemoteBoot::Command { program } = &mine.boot else {
            panic!("{:?}", mine.boot);
        };
        let command = mine.by_command(program).unwrap();
        assert_eq!(
            (mine.name.as_str(), command.program.to_str()),
            ("mine", Some("agent"))
        );
        fs::write(&file, include_str!("../linux-6.1.toml")).unwrap();
        assert!(RemotePlatform::find(&file.to_string_lossy()).is_none());
    }

    #[test]
    fn errors_say_what_to_do() {
        let error = |text: &str| {
            let platform = RemotePlatform::parse("mine.toml", "mine", text).unwrap();
            platform.launch(&mut drop).err().unwrap().to_string()
        };
        assert_eq!(
            error("[boot.command]\nprogram = []\n"),
            "the command of mine is empty: name a program whose standard input and output are an agent"
        );
        assert!(error("[boot.user]\nemulator = \"vax\"\ntarget = \"vax\"\n").contains("no agent for vax"));
    }

    #[test]
    fn a_machine_that_hangs_after_a_panic_is_reported_with_its_console() {
        let script = r#"printf 'panic: no more bits\ndb> ' >"$0"; echo started; sleep 60"#;
        let text = format!("[boot.command]\nprogram = [\"sh\", \"-c\", '''{script}''', \"{{console}}\"]\n");
        let platform = RemotePlatform::parse("mine.toml", "mine", &text).unwrap();
        let mut link = platform.start(&LaunchRequest::default(), &mut drop).unwrap();
        let mut line = [0; 8];
        link.replies.read_exact(&mut line).unwrap();
        assert_eq!(
            link.handle.diagnostics(),
            "the agent still runs\nthe console ends with:\npanic: no more bits\ndb>"
        );
    }

    #[test]
    fn an_ssh_machine_gets_the_agent_of_a_matching_guest() {
        assert_eq!(
            target_of("Linux x86_64").as_deref(),
            Some("x86_64-unknown-linux-musl")
        );
        assert!(target_of("Linux s390x").is_some_and(|target| target.starts_with("s390x")));
        assert_eq!(target_of("Plan9 mips"), None);
    }
}
