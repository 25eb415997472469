//! `reusespec fetch P…`: what a guest is booted from, into the cache, before a run needs it.
//!
//! A download that was cut goes on where it ended, and what has another content than the profile says is refused. Where
//! there is no network every missing file is named with its address, its sum and the place to bring it to.

use std::io::{self, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use reusespec_platforms::cache::Cache;
use reusespec_platforms::kernel::{self, PinnedFile, Progress};
use reusespec_platforms::profile::PlatformProfile;

use super::wrong_input;
use crate::exit;
use crate::run::with_causes;

/// The bar counts thousandths: a download says which part of it is done.
const WHOLE: u64 = 1000;

pub(super) fn fetch(names: &[String]) -> io::Result<i32> {
    let profiles: Result<Vec<_>, _> = names.iter().map(|name| PlatformProfile::find(name)).collect();
    let (profiles, cache) = match (profiles, Cache::from_environment()) {
        (Ok(profiles), Ok(cache)) => (profiles, cache),
        (Err(error), _) => return Ok(wrong_input(&error)),
        (_, Err(error)) => return Ok(wrong_input(&error)),
    };
    let mut status = exit::AS_EXPECTED;
    for profile in profiles {
        let bar = ProgressBar::new(WHOLE);
        let style = ProgressStyle::with_template("{msg} {bar:30} {percent}% {elapsed}");
        bar.set_style(style.expect("the template is right"));
        let fetched = kernel::fetch(&profile, &cache, &mut |progress| show(&bar, progress));
        bar.finish_and_clear();
        match fetched {
            Ok(kernel) => writeln!(anstream::stdout(), "{}: {}", profile.name, kernel.origin)?,
            Err(error) => {
                status = exit::BROKEN;
                let mut stderr = anstream::stderr();
                writeln!(stderr, "error: {}: {}", profile.name, with_causes(&error))?;
                explain(&kernel::pinned_files(&profile, &cache), cache.root(), &mut stderr)?;
            }
        }
    }
    Ok(status)
}

fn show(bar: &ProgressBar, progress: Progress<'_>) {
    let words = progress.to_string();
    let part = match progress {
        Progress::Listing(_) => 0.0,
        Progress::Downloading(_, part) | Progress::Decompressing(_, part) => part,
        Progress::Unpacking(_) => 1.0,
    };
    // Off a terminal the bar is silent; a new activity is a line.
    if bar.is_hidden() && bar.message() != words {
        let _ = writeln!(anstream::stderr(), "{words}");
    }
    bar.set_message(words);
    bar.set_position((f64::from(part) * WHOLE as f64) as u64);
}

fn explain(needed: &[PinnedFile], cache: &Path, out: &mut impl Write) -> io::Result<()> {
    for file in needed.iter().filter(|file| !file.complete) {
        let here = match file.bytes {
            0 => "nothing is here yet".to_owned(),
            bytes => format!("{bytes} bytes are here"),
        };
        let place = cache.join(&file.place);
        writeln!(out, "  missing  {} ({here})", file.url)?;
        match &file.sha256 {
            Some(sha256) => writeln!(out, "  sha256   {sha256}")?,
            None => writeln!(
                out,
                "  sha256   is not published; the first that is good is recorded, and every later one compared with it"
            )?,
        }
        writeln!(out, "  or bring it to {}", place.display())?;
    }
    Ok(())
}
