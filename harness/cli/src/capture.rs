//! What was on the wire of a case, as a file that Wireshark opens.
//!
//! A file a case, named after it: `DIR/keepalive/silent-peer/family=ipv4,idle=1.pcapng`. Agents send files in
//! hexadecimal, because what crosses into a guest is lines; twice the size is little for a few dozen segments.

use std::fs;
use std::io;
use std::path::Path;

use data_encoding::HEXLOWER;
use reusespec_core::CaseKey;

/// Writes the capture of a case below `folder`.
///
/// # Errors
/// When it is not hexadecimal, or cannot be written.
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
