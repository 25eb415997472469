//! `reusespec doctor`: what this machine has for running guests, and how to get the rest.

use std::io::{self, Write};

use reusespec_platforms::{cache::Cache, doctor};

use super::wrong_input;
use crate::exit;

pub(super) fn doctor() -> io::Result<i32> {
    let cache = match Cache::from_environment() {
        Ok(cache) => cache,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let mut stdout = anstream::stdout();
    for fact in doctor::facts(&cache) {
        match &fact.found {
            Some(found) => writeln!(stdout, "here     {}: {found}", fact.subject)?,
            None => writeln!(stdout, "missing  {}: {}", fact.subject, fact.advice)?,
        }
    }
    Ok(exit::AS_EXPECTED)
}
