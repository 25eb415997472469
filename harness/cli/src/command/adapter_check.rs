//! `reusespec adapter-check COMMAND…`: starts an adapter and checks its answers, for whoever writes one.
//!
//! The checks test the protocol, not the language: an option that the API sets or leaves out is right either way, but an
//! answer that contradicts what happened on the wire is wrong. Each check starts the adapter anew, so that a mistake is
//! reported once.

mod checks;
mod conversation;

use std::io::{self, Write};

use crate::exit;
use conversation::{Conversation, Mistake};

/// The result of a check that found no mistake.
enum Right {
    /// The adapter did what was asked.
    Done,
    /// It says that its API lacks this.
    Unsupported(String),
}

/// One check.
struct Check {
    /// What it checks, in the words of the report.
    name: &'static str,
    run: fn(&mut Conversation) -> Result<Right, Mistake>,
}

pub(super) fn adapter_check(command: &[String]) -> io::Result<i32> {
    let mut stdout = anstream::stdout();
    let mut wrong = 0;
    for check in checks::ALL {
        let result = Conversation::start(command).and_then(|mut adapter| (check.run)(&mut adapter));
        match result {
            Ok(Right::Done) => writeln!(stdout, "right        {}", check.name)?,
            Ok(Right::Unsupported(reason)) => writeln!(stdout, "unsupported  {}: {reason}", check.name)?,
            Err(Mistake(what)) => {
                wrong += 1;
                writeln!(stdout, "wrong        {}: {what}", check.name)?;
            }
        }
    }
    writeln!(stdout, "{} checks, {wrong} wrong", checks::ALL.len())?;
    Ok(if wrong == 0 {
        exit::AS_EXPECTED
    } else {
        exit::FAILED
    })
}
