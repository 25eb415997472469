//! `reusespec platforms`: where cases can run, and what is missing there.

use std::io::{self, Write};

use reusespec_core::protocol::{Hello, Implementation};

use super::wrong_input;
use crate::exit;
use crate::platforms;
use crate::session::{Progress, Session};

pub(super) fn platforms() -> io::Result<i32> {
    let platform = match platforms::host() {
        Ok(platform) => platform,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let mut hello = None;
    let session = Session {
        starter: &*platform.starter,
        jobs: 1,
        implementation: Implementation::Kernel,
        capture: false,
    };
    let trouble = session.ask(&mut |progress| {
        if let Progress::Hello(said) = progress {
            hello = Some(said.clone());
        }
    });
    match (hello, trouble) {
        (Some(hello), _) => {
            describe(&platform.name, &hello)?;
            Ok(exit::AS_EXPECTED)
        }
        (None, trouble) => {
            writeln!(
                anstream::stdout(),
                "{}  broken: {}",
                platform.name,
                trouble.unwrap_or_default()
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
            Some(because) => writeln!(stdout, "    {:12} no: {because}", capability.name)?,
        }
    }
    for (setting, value) in &hello.settings {
        writeln!(stdout, "    {setting} = {value}")?;
    }
    Ok(())
}
