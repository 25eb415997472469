//! `reusespec platforms`: prints the platforms and what each of them needs, or starts one and prints its capabilities.

use std::io::{self, Write};

use reusespec_core::protocol::{Hello, Implementation};
use reusespec_platforms::cache::Cache;
use reusespec_platforms::profile::PlatformProfile;
use reusespec_platforms::{RemotePlatform, agents, kernel, qemu};

use super::wrong_input;
use crate::exit;
use crate::platforms::{self, OwnKernel};
use crate::run::{HOST, with_causes};
use crate::session::{Progress, Session};

/// Prints every platform that needs no file, without starting one.
pub(super) fn all() -> io::Result<i32> {
    let cache = match Cache::from_environment() {
        Ok(cache) => cache,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let mut stdout = anstream::stdout();
    writeln!(stdout, "{HOST:14} this machine")?;
    for profile in PlatformProfile::all() {
        let (system, version, machine) = (&profile.system, &profile.version, &profile.machine);
        let (name, state) = (&profile.name, readiness(&profile, &cache));
        writeln!(stdout, "{name:14} {system} {version} on {machine}: {state}")?;
    }
    for platform in RemotePlatform::all() {
        writeln!(stdout, "{:14} {}", platform.name, platform.description())?;
    }
    writeln!(
        stdout,
        "\nWith -virtual after its name a guest runs in virtual time: its clock skips idle time. This does not work for guests\n\
         that boot from their own disk. ssh:HOST is a machine reached by ssh.\n\
         `reusespec platforms P` starts P and prints its capabilities; `reusespec doctor` prints what is missing."
    )?;
    Ok(exit::AS_EXPECTED)
}

/// What a guest still needs, or which kernel it will boot.
fn readiness(profile: &PlatformProfile, cache: &Cache) -> String {
    let emulator = qemu::require_program(&profile.qemu().emulator).err();
    let agent = agents::find(&profile.target).err();
    match (emulator, agent, kernel::cached(profile, cache)) {
        (Some(error), _, _) => error.to_string(),
        (None, Some(error), _) => error.to_string(),
        (None, None, None) => "the first run downloads its kernel".to_owned(),
        (None, None, Some(kernel)) => format!("ready with {}", kernel.origin),
    }
}

/// Starts a platform and prints the capabilities that its agent reports.
pub(super) fn one(name: &str) -> io::Result<i32> {
    let platform = match platforms::find(name, &OwnKernel::default()) {
        Ok(platform) => platform,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let session = Session {
        starter: &*platform.starter,
        jobs: 1,
        implementation: Implementation::Kernel,
        program: &[],
        capture: false,
    };
    let hello = session.hello(&mut |progress| match progress {
        // If standard error is closed, the note has no reader.
        Progress::Note(note) => drop(writeln!(io::stderr(), "note: {note}")),
        Progress::Hello(_) | Progress::Finished(_) => {}
    });
    match hello {
        Ok(hello) => {
            describe(&platform.name, &hello)?;
            Ok(exit::AS_EXPECTED)
        }
        Err(error) => {
            writeln!(
                anstream::stdout(),
                "{}  broken: {}",
                platform.name,
                with_causes(&error)
            )?;
            Ok(exit::BROKEN)
        }
    }
}

fn describe(name: &str, hello: &Hello) -> io::Result<()> {
    let mut stdout = anstream::stdout();
    writeln!(
        stdout,
        "{name}  {} {}, {} processors",
        hello.system, hello.machine, hello.processors
    )?;
    for capability in &hello.capabilities {
        match &capability.missing {
            None => writeln!(stdout, "    {:12} yes", capability.name)?,
            Some(reason) => writeln!(stdout, "    {:12} no: {reason}", capability.name)?,
        }
    }
    for (setting, value) in &hello.settings {
        writeln!(stdout, "    {setting} = {value}")?;
    }
    Ok(())
}
