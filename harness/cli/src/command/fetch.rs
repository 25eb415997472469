//! `reusespec fetch P…`: downloads kernels and disk images of guests, and gVisor, into the cache.
//!
//! An interrupted download continues where it stopped. A file whose checksum differs from the profile's is refused. If a
//! download fails, the command prints URL, checksum and cache path of every missing file, so that the user can copy it
//! there.

use std::io::{self, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use reusespec_platforms::RemotePlatform;
use reusespec_platforms::cache::Cache;
use reusespec_platforms::kernel::{self, PinnedFile, Progress};
use reusespec_platforms::profile::{PlatformProfile, PlatformProfileError};
use reusespec_platforms::runsc::Runsc;

use super::wrong_input;
use crate::exit;
use crate::run::with_causes;

/// The length of the progress bar. Progress is reported as a fraction, so the bar counts thousandths.
const WHOLE: u64 = 1000;

/// What a platform needs to be downloaded.
enum Wanted {
    Kernel(Box<PlatformProfile>),
    Runsc(String, Runsc),
}

impl Wanted {
    fn of(name: &str) -> Result<Self, PlatformProfileError> {
        if let Some(remote) = RemotePlatform::find(name)
            && let Some(runsc) = remote?.runsc()
        {
            return Ok(Self::Runsc(name.to_owned(), runsc.clone()));
        }
        PlatformProfile::find(name).map(|profile| Self::Kernel(Box::new(profile)))
    }

    fn name(&self) -> &str {
        match self {
            Self::Kernel(profile) => &profile.name,
            Self::Runsc(name, _) => name,
        }
    }

    /// Downloads it and returns its origin.
    fn fetch(&self, cache: &Cache, watch: kernel::Watch<'_>) -> Result<String, String> {
        match self {
            Self::Kernel(profile) => match kernel::fetch(profile, cache, watch) {
                Ok(kernel) => Ok(kernel.origin),
                Err(error) => Err(with_causes(&error)),
            },
            Self::Runsc(_, runsc) => match runsc.fetch(cache, watch) {
                Ok(program) => Ok(program.origin),
                Err(error) => Err(with_causes(&error)),
            },
        }
    }
}

pub(super) fn fetch(names: &[String]) -> io::Result<i32> {
    let wanted: Result<Vec<_>, _> = names.iter().map(|name| Wanted::of(name)).collect();
    let (wanted, cache) = match (wanted, Cache::from_environment()) {
        (Ok(wanted), Ok(cache)) => (wanted, cache),
        (Err(error), _) => return Ok(wrong_input(&error)),
        (_, Err(error)) => return Ok(wrong_input(&error)),
    };
    let mut status = exit::AS_EXPECTED;
    for wanted in wanted {
        let bar = ProgressBar::new(WHOLE);
        let style = ProgressStyle::with_template("{msg} {bar:30} {percent}% {elapsed}");
        bar.set_style(style.expect("the template is right"));
        let fetched = wanted.fetch(&cache, &mut |progress| show(&bar, progress));
        bar.finish_and_clear();
        match fetched {
            Ok(origin) => writeln!(anstream::stdout(), "{}: {origin}", wanted.name())?,
            Err(error) => {
                status = exit::BROKEN;
                let mut stderr = anstream::stderr();
                writeln!(stderr, "error: {}: {error}", wanted.name())?;
                if let Wanted::Kernel(profile) = &wanted {
                    explain(&kernel::pinned_files(profile, &cache), cache.root(), &mut stderr)?;
                }
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
    // Without a terminal the bar is hidden, and each new activity is printed on a line.
    if bar.is_hidden() && bar.message() != words {
        let _ = writeln!(anstream::stderr(), "{words}");
    }
    bar.set_message(words);
    bar.set_position((f64::from(part) * WHOLE as f64) as u64);
}

fn explain(needed: &[PinnedFile], cache: &Path, out: &mut impl Write) -> io::Result<()> {
    for file in needed.iter().filter(|file| !file.complete) {
        let state = match file.bytes {
            0 => "no part is in the cache".to_owned(),
            bytes => format!("{bytes} bytes are in the cache"),
        };
        let place = cache.join(&file.place);
        writeln!(out, "  missing  {} ({state})", file.url)?;
        match &file.sha256 {
            Some(sha256) => writeln!(out, "  sha256   {sha256}")?,
            None => writeln!(
                out,
                "  sha256   is not published; that of the first complete download is recorded and checked from then on"
            )?,
        }
        writeln!(out, "  or copy it to {}", place.display())?;
    }
    Ok(())
}
