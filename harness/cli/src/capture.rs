//! Writes the packets of a case as a pcapng file, which Wireshark opens.
//!
//! Each case has its own file, such as `DIR/keepalive/silent-peer/family=ipv4,idle=1.pcapng`. Agents send captures in
//! hexadecimal, because the channel carries lines of text. A capture has a few dozen segments, so doubling its size does
//! no harm.

use std::fs;
use std::io;
use std::path::Path;

use data_encoding::HEXLOWER;
use reusespec_core::CaseKey;

/// Writes the capture of a case below `folder`.
///
/// # Errors
/// The capture is not hexadecimal, or the file cannot be written.
pub fn write(folder: &Path, key: &CaseKey, hexadecimal: &str) -> io::Result<()> {
    let octets = HEXLOWER
        .decode(hexadecimal.as_bytes())
        .map_err(io::Error::other)?;
    let folder = folder.join(&key.scenario);
    fs::create_dir_all(&folder)?;
    let point = key.point();
    let name = if point.is_empty() { "case" } else { &point };
    fs::write(folder.join(format!("{}.pcapng", name.replace('/', "-"))), octets)
}
