//! `reusespec exec P -- PROGRAM ARGS…`: runs a program in a guest, with its output and exit status as if it ran here.
//!
//! It can serve as a cargo runner, so it prints nothing else on standard output and exits with the program's status. If a
//! signal ended the program, the status is 128 plus its number, as in shells. Raising that signal here would dump the core
//! of this process instead of the program's. Of the environment only variables for Rust programs are passed on by default,
//! because most others hold paths of this machine.

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

/// The guest's folder for the program and for files copied without a path. It is writable on every guest.
const FOLDER: &str = "/tmp/exec";
/// Variables whose names begin with this are passed on by default.
const RUST_PREFIX: &str = "RUST_";
/// Added to the guest's boot timeout, and to the program's time limit, before the guest counts as broken.
const GRACE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
enum ExecError {
    #[error(transparent)]
    Platform(#[from] PlatformError),
    #[error("{0} is not a guest: programs run only in guests, because their files may be copied to any path")]
    NoGuest(String),
    #[error(
        "{0} cannot run programs: its serial port loses bytes that are not read at once, and its disk is not ours to \
         write to; freebsd-14 can run them"
    )]
    TakesNoFiles(String),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why the end of the program is unknown.
enum Failure {
    /// The platform or the agent failed.
    Broken(String),
    /// Standard output is closed.
    Closed(io::Error),
}

pub(super) fn exec(options: &arguments::Exec) -> io::Result<i32> {
    let (platform, exec, content) = match prepare(options) {
        Ok(prepared) => prepared,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed));
    match converse(&platform, &exec, content) {
        Ok(ended) => report(&platform.name, &ended),
        Err(Failure::Broken(reason)) => {
            writeln!(io::stderr(), "broken: {}: {reason}", platform.name)?;
            Ok(exit::BROKEN)
        }
        Err(Failure::Closed(error)) => Err(error),
    }
}

fn prepare(options: &arguments::Exec) -> Result<(Platform, Exec, Vec<u8>), ExecError> {
    let platform = platforms::find(&options.platform, &options.own)?;
    let traits = platform.starter.traits();
    if !traits.dedicated_machine {
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

/// The program's environment. Variables of `--env` override those passed on by default.
fn environment(requested: &[(String, Option<String>)]) -> Vec<(String, String)> {
    let mut environment = vec![("HOME".to_owned(), "/tmp".to_owned())];
    environment.extend(std::env::vars().filter(|(name, _)| name.starts_with(RUST_PREFIX)));
    for (name, value) in requested {
        let value = value.clone().or_else(|| std::env::var(name).ok());
        environment.retain(|(known, _)| known != name);
        environment.extend(value.map(|value| (name.clone(), value)));
    }
    environment
}

fn converse(platform: &Platform, exec: &Exec, content: Vec<u8>) -> Result<Ended, Failure> {
    let broken = |error: serde_json::Error| Failure::Broken(error.to_string());
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
        .map_err(|error| Failure::Broken(with_causes(&*error)))?;
    let replies = replies(std::mem::replace(&mut link.replies, Box::new(io::empty())));
    let unsent = if traits.batch_input || traits.batch_files {
        Vec::new()
    } else {
        requests
    };
    let _feeder = Feeder::start(&mut link, vec![unsent], None);
    listen(&replies, &traits, exec).map_err(|failure| with_diagnostics(failure, &mut link))
}

fn listen(
    replies: &std::sync::mpsc::Receiver<Line>,
    traits: &PlatformTraits,
    exec: &Exec,
) -> Result<Ended, Failure> {
    // A guest that has the program on its disk starts with this link, so its boot time counts as well.
    let mut timeout = match traits.batch_files && !traits.batch_input {
        true => traits.boot_timeout + GRACE,
        false => hello_timeout(traits),
    };
    loop {
        match next(replies, timeout).map_err(Failure::Broken)? {
            Line::Reply(Reply::Hello(hello)) if hello.protocol != PROTOCOL => {
                let theirs = hello.protocol;
                return Err(Failure::Broken(format!(
                    "the agent speaks protocol {theirs}, this program {PROTOCOL}: build both anew"
                )));
            }
            Line::Reply(Reply::Hello(_)) => {
                timeout = traits.reply_timeout(Duration::from_millis(exec.limit_ms)) + GRACE;
            }
            Line::Reply(Reply::Output { stream, hexadecimal }) => {
                let bytes = HEXLOWER
                    .decode(hexadecimal.as_bytes())
                    .map_err(|_| Failure::Broken("the agent's output is not hexadecimal".to_owned()))?;
                print(stream, &bytes).map_err(Failure::Closed)?;
            }
            Line::Reply(Reply::Ended(ended)) => return Ok(ended),
            // The kernel may print on the channel; such lines are also in the console's log.
            Line::Reply(Reply::Started(_) | Reply::Finished(_) | Reply::Done { .. }) | Line::Garbage(_) => {}
        }
    }
}

fn with_diagnostics(failure: Failure, link: &mut Link) -> Failure {
    match failure {
        Failure::Broken(reason) => {
            Failure::Broken(format!("{reason}; {}", link.handle.diagnostics().trim_end()))
        }
        closed @ Failure::Closed(_) => closed,
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
            writeln!(io::stderr(), "{platform}: signal {number} ended the program")?;
            Ok(exit::SIGNALLED + number)
        }
        Ended::TooLate => {
            writeln!(
                io::stderr(),
                "{platform}: the program reached its time limit (--limit) and was killed"
            )?;
            Ok(exit::TOO_LATE)
        }
        Ended::NotStarted(reason) => {
            writeln!(
                io::stderr(),
                "{platform}: cannot start the program: {reason}; a dynamically linked program needs its libraries (--sysroot)"
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
    fn a_guest_that_boots_from_its_own_disk_is_refused() {
        let name = "freebsd-14-ci";
        let arguments = ["reusespec", "exec", name, "--", "/bin/true"];
        let arguments = arguments::Arguments::try_parse_from(arguments).unwrap();
        let arguments::Command::Exec(options) = arguments.command else {
            panic!("another command");
        };
        let refused = prepare(&options).err().unwrap().to_string();
        assert!(
            refused.contains(name) && refused.ends_with("freebsd-14 can run them"),
            "{refused}"
        );
    }
}
