//! A line that loses bytes, for drills: it drops every n-th byte in both directions.
//!
//! `REUSESPEC_DROP_EVERY=500` puts it between QEMU and the host's end of the channel. A run must then give the same results
//! as without it, with notes about the losses.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::num::NonZeroU32;
use std::os::unix::net::UnixStream;
use std::thread;

/// The name of the variable.
pub(crate) const VARIABLE: &str = "REUSESPEC_DROP_EVERY";

/// Returns a stream behind which `line` loses every `every`-th byte.
pub(super) fn behind(line: UnixStream, every: NonZeroU32) -> io::Result<UnixStream> {
    let (ours, middle) = UnixStream::pair()?;
    for (from, to) in [(line.try_clone()?, middle.try_clone()?), (middle, line)] {
        thread::spawn(move || {
            // An error means that one of them has ended.
            let _ = copy(&from, &to, every);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(ours)
}

fn copy(mut from: &UnixStream, mut to: &UnixStream, every: NonZeroU32) -> io::Result<()> {
    let mut count = 0_u32;
    let mut chunk = [0; 4096];
    loop {
        let read = match from.read(&mut chunk)? {
            0 => return Ok(()),
            read => read,
        };
        let kept: Vec<u8> = (chunk[..read].iter().copied())
            .filter(|_| {
                count = count.wrapping_add(1);
                !count.is_multiple_of(every.get())
            })
            .collect();
        to.write_all(&kept)?;
    }
}
