//! What was on the wire of a case, as a file that Wireshark opens.
//!
//! A file a case, named after it: `DIR/keepalive/silent-peer/family=ipv4,idle=1.pcapng`. Agents send files in
//! hexadecimal, because what crosses into a guest is lines; twice the size is little for a few dozen segments.

use std::fs;
use std::io;
use std::path::Path;

use reusespec_core::CaseKey;

/// Writes the capture of a case below `folder`.
///
/// # Errors
/// When it is not hexadecimal, or cannot be written.
pub fn write(folder: &Path, key: &CaseKey, hexadecimal: &str) -> io::Result<()> {
    let octets = decode(hexadecimal).ok_or_else(|| io::Error::other("it is not hexadecimal"))?;
    let folder = folder.join(&key.scenario);
    fs::create_dir_all(&folder)?;
    let point = key.point();
    let name = if point.is_empty() { "case" } else { &point };
    fs::write(folder.join(format!("{}.pcapng", name.replace('/', "-"))), octets)
}

fn decode(hexadecimal: &str) -> Option<Vec<u8>> {
    let digits = hexadecimal.as_bytes().chunks(2);
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn hexadecimal_is_octets_again() {
        assert_eq!(decode("0a0dff"), Some(vec![10, 13, 255]));
        assert_eq!(decode("0x"), None);
    }
}
