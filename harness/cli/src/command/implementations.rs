//! `reusespec implementations`: prints the implementations that can be tested, or their known deviations.

use std::io::{self, Write};
use std::path::Path;

use super::wrong_input;
use crate::exit;
use crate::implementations::{self, ProfiledImplementation};
use crate::plan::{KERNEL, REFERENCE};

pub(super) fn implementations(scenarios: &Path, deviations: bool) -> io::Result<i32> {
    let profiled = match implementations::load(scenarios) {
        Ok(profiled) => profiled,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let mut stdout = anstream::stdout();
    if deviations {
        for implementation in &profiled {
            print_deviations(implementation, &mut stdout)?;
        }
        return Ok(exit::AS_EXPECTED);
    }
    writeln!(stdout, "{KERNEL:12} raw system calls")?;
    writeln!(
        stdout,
        "{REFERENCE:12} this project's own, with faults that can be switched on"
    )?;
    for implementation in &profiled {
        let ProfiledImplementation { name, profile, .. } = implementation;
        writeln!(
            stdout,
            "{name:12} {} ({})",
            profile.title,
            profile.families.join(", ")
        )?;
        match implementation.version() {
            Ok(version) => writeln!(stdout, "{:12} {version}", "")?,
            Err(reason) => writeln!(stdout, "{:12} unsupported: {reason}", "")?,
        }
    }
    Ok(exit::AS_EXPECTED)
}

/// Prints the deviations of one implementation as Markdown.
fn print_deviations(implementation: &ProfiledImplementation, out: &mut impl Write) -> io::Result<()> {
    let ProfiledImplementation { name, profile, .. } = implementation;
    if profile.deviation.is_empty() {
        return Ok(());
    }
    let version = implementation.version().unwrap_or_else(|reason| reason);
    writeln!(out, "# {name}: {}\n\n{version}\n", profile.title)?;
    for deviation in &profile.deviation {
        let until = deviation.until.as_ref().map(|until| format!(" Until: {until}."));
        writeln!(
            out,
            "- `{}`, claim `{}`: {}{} [{}]",
            deviation.scenario,
            deviation.claim,
            deviation.reason,
            until.unwrap_or_default(),
            deviation.link
        )?;
    }
    for varies in &profile.varies {
        writeln!(out, "- `{}` varies: {}", varies.scenario, varies.reason)?;
    }
    writeln!(out)
}
