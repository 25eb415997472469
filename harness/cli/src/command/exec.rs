//! `reusespec exec P -- PROGRAM ARGS…`: somebody's program in a guest, as if it had run here.
//!
//! Meant as a cargo runner, so it prints nothing of its own on standard output and ends as the program did. A signal
//! becomes 128 and its number, as shells say it, because raising it here would dump our core and not the program's.
//! Only variables that are meant for Rust programs cross by themselves: most others are paths of this machine.

mod files;

use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::time::Duration;

use data_encoding::HEXLOWER;
use reusespec_core::protocol::{Ended, Exec, PROTOCOL, Reply, Request, Stream};
use reusespec_platforms::{LaunchRequest, Link, PlatformTraits};

use self::files::{FileError, Files};
use super::wrong_input;
use crate::arguments;
use crate::exit;
use crate::platforms::{self, PlatformError};
use crate::run::{Platform, with_causes};
use crate::session::{Feeder, INTERRUPTED, Line, hello_timeout, next, replies};

/// Where the program and what is copied without a place of its own are put: writable on every guest.
const FOLDER: &str = "/tmp/exec";
/// Names that begin so cross without being asked for.
const OF_RUST: &str = "RUST_";
/// How long a guest may take to say hello, and to say that a program is over whose time is.
const GRACE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
enum ExecError {
    #[error(transparent)]
    Platform(#[from] PlatformError),
    #[error("{0} is no guest: programs are run in guests only, their files are placed anywhere")]
    NoGuest(String),
    #[error(
        "programs cannot be run in {0}: its serial port loses what is not taken at once, and its disk is not ours to put \
         them on; freebsd-14 takes them"
    )]
    TakesNoFiles(String),
    #[error(transparent)]
    File(#[from] FileError),
}

/// What became of it, where it is not the program's own end.
enum Trouble {
    /// We could not find out.
    Broken(String),
    /// Standard output is closed.
    Unheard(io::Error),
}

pub(super) fn exec(options: &arguments::Exec) -> io::Result<i32> {
    let (platform, exec, content) = match prepare(options) {
        Ok(prepared) => prepared,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed));
    match converse(&platform, &exec, content) {
        Ok(ended) => report(&platform.name, &ended),
        Err(Trouble::Broken(reason)) => {
            writeln!(io::stderr(), "broken: {}: {reason}", platform.name)?;
            Ok(exit::BROKEN)
        }
        Err(Trouble::Unheard(error)) => Err(error),
    }
}

fn prepare(options: &arguments::Exec) -> Result<(Platform, Exec, Vec<u8>), ExecError> {
    let platform = platforms::find(&options.platform, &options.own)?;
    let traits = platform.starter.traits();
    if !traits.costs_a_machine {
        return Err(ExecError::NoGuest(platform.name));
    }
    if !traits.takes_files() {
        return Err(ExecError::TakesNoFiles(platform.name));
    }
    let mut files = Files::default();
    if let Some(sysroot) = &options.sysroot {
        files.add(sysroot, "")?;
    }
    for copy in &options.copies {
        files.add(&copy.from, &copy.to(FOLDER))?;
    }
    let program = files.add_program(&options.program, FOLDER)?;
    let exec = Exec {
        program,
        arguments: options.arguments.clone(),
        environment: environment(&options.environment),
        folder: FOLDER.to_owned(),
        limit_ms: options.limit_secs * 1000,
        files: files.placed,
    };
    Ok((platform, exec, files.content))
}

/// What the program's environment is: what was asked for beats what crosses by itself.
fn environment(asked_for: &[(String, Option<String>)]) -> Vec<(String, String)> {
    let mut environment = vec![("HOME".to_owned(), "/tmp".to_owned())];
    environment.extend(std::env::vars().filter(|(name, _)| name.starts_with(OF_RUST)));
    for (name, value) in asked_for {
        let value = value.clone().or_else(|| std::env::var(name).ok());
        environment.retain(|(known, _)| known != name);
        environment.extend(value.map(|value| (name.clone(), value)));
    }
    environment
}

fn converse(platform: &Platform, exec: &Exec, content: Vec<u8>) -> Result<Ended, Trouble> {
    let broken = |error: serde_json::Error| Trouble::Broken(error.to_string());
    let mut requests = serde_json::to_vec(&Request::Exec(exec.clone())).map_err(broken)?;
    requests.push(b'\n');
    requests.extend(content);
    let traits = platform.starter.traits();
    let launch = LaunchRequest {
        large_payload: true,
        requests: &requests,
    };
    let mut notify = |note| drop(writeln!(io::stderr(), "note: {}: {note}", platform.name));
    let mut link = platform
        .starter
        .start(&launch, &mut notify)
        .map_err(|error| Trouble::Broken(with_causes(&*error)))?;
    let replies = replies(std::mem::replace(&mut link.replies, Box::new(io::empty())));
    let told = if traits.batch_input || traits.batch_files {
        Vec::new()
    } else {
        requests
    };
    let _feeder = Feeder::start(&mut link, vec![told], None);
    listen(&replies, &traits, exec).map_err(|trouble| with_diagnostics(trouble, &mut link))
}

fn listen(
    replies: &std::sync::mpsc::Receiver<Line>,
    traits: &PlatformTraits,
    exec: &Exec,
) -> Result<Ended, Trouble> {
    // Who has the program on its disk is handed over before it boots, and one that does not boot runs no program.
    let mut patience = match traits.batch_files && !traits.batch_input {
        true => traits.boot_timeout + GRACE,
        false => hello_timeout(traits),
    };
    loop {
        match next(replies, patience).map_err(Trouble::Broken)? {
            Line::Reply(Reply::Hello(hello)) if hello.protocol != PROTOCOL => {
                let theirs = hello.protocol;
                return Err(Trouble::Broken(format!(
                    "the agent speaks protocol {theirs}, this program {PROTOCOL}: build both anew"
                )));
            }
            Line::Reply(Reply::Hello(_)) => {
                patience = traits.patience(Duration::from_millis(exec.limit_ms)) + GRACE;
            }
            Line::Reply(Reply::Output { stream, hexadecimal }) => {
                let bytes = HEXLOWER
                    .decode(hexadecimal.as_bytes())
                    .map_err(|_| Trouble::Broken("the agent's output is not hexadecimal".to_owned()))?;
                print(stream, &bytes).map_err(Trouble::Unheard)?;
            }
            Line::Reply(Reply::Ended(ended)) => return Ok(ended),
            // A kernel may print on the line; the console's log has it too.
            Line::Reply(_) | Line::Garbage(_) => {}
        }
    }
}

fn with_diagnostics(trouble: Trouble, link: &mut Link) -> Trouble {
    match trouble {
        Trouble::Broken(reason) => {
            Trouble::Broken(format!("{reason}; {}", link.handle.diagnostics().trim_end()))
        }
        unheard @ Trouble::Unheard(_) => unheard,
    }
}

fn print(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    let write = |out: &mut dyn Write| out.write_all(bytes).and_then(|()| out.flush());
    match stream {
        Stream::Stdout => write(&mut io::stdout()),
        Stream::Stderr => write(&mut io::stderr()),
    }
}

fn report(platform: &str, ended: &Ended) -> io::Result<i32> {
    match ended {
        Ended::Exited(status) => Ok(*status),
        Ended::Signalled(number) => {
            writeln!(
                io::stderr(),
                "{platform}: the program was ended by signal {number}"
            )?;
            Ok(exit::SIGNALLED + number)
        }
        Ended::TooLate => {
            writeln!(
                io::stderr(),
                "{platform}: the program was killed at its time limit (--limit)"
            )?;
            Ok(exit::TOO_LATE)
        }
        Ended::NotStarted(reason) => {
            writeln!(
                io::stderr(),
                "{platform}: cannot start the program: {reason}; a dynamic one needs its libraries (--sysroot)"
            )?;
            Ok(exit::NOT_STARTED)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_guest_started_from_its_own_disk_is_refused_with_one_that_takes_programs() {
        for name in ["freebsd-14-ci", "dragonfly-6.4"] {
            let arguments = ["reusespec", "exec", name, "--", "/bin/true"];
            let arguments = arguments::Arguments::try_parse_from(arguments).unwrap();
            let arguments::Command::Exec(options) = arguments.command else {
                panic!("another command");
            };
            let refused = prepare(&options).err().unwrap().to_string();
            assert!(
                refused.contains(name) && refused.ends_with("freebsd-14 takes them"),
                "{refused}"
            );
        }
    }
}
