//! `reusespec doctor`: prints which programs for guests and implementations this machine has, and how to install the
//! missing ones.

use std::io::{self, Write};
use std::path::Path;

use reusespec_platforms::{cache::Cache, doctor};

use super::wrong_input;
use crate::exit;
use crate::implementations;

/// Without the folder of scenarios no profiles of implementations are found, and only the needs of guests are printed.
pub(super) fn doctor(scenarios: Option<&Path>) -> io::Result<i32> {
    let cache = match Cache::from_environment() {
        Ok(cache) => cache,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let profiled = match scenarios.map(implementations::load).transpose() {
        Ok(profiled) => profiled.unwrap_or_default(),
        Err(error) => return Ok(wrong_input(&error)),
    };
    let mut stdout = anstream::stdout();
    for fact in doctor::facts(&cache) {
        match &fact.found {
            Some(found) => writeln!(stdout, "here     {}: {found}", fact.subject)?,
            None => writeln!(stdout, "missing  {}: {}", fact.subject, fact.advice)?,
        }
    }
    for implementation in &profiled {
        let (word, what) = match implementation.version() {
            Ok(version) => ("here   ", version),
            Err(reason) => ("missing", reason),
        };
        writeln!(stdout, "{word}  implementation {}: {what}", implementation.name)?;
    }
    Ok(exit::AS_EXPECTED)
}
