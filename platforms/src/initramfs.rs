//! Writes an initramfs: a cpio archive in the `newc` format of Linux's
//! Documentation/driver-api/early-userspace/buffer-format.rst.
//!
//! `qemu` passes the bytes to the kernel. The agent's `init` reads `/etc/modules`.
//!
//! The same entries in the same order give the same bytes (no times, owners or inode numbers of this machine), because
//! the hash of the archive identifies a saved state. That is why no cpio crate or program is used. The archive is not
//! compressed: decompressing costs an emulated CPU more time than reading 2 MB.

/// Builds an archive.
#[derive(Debug, Default)]
pub struct Initramfs {
    bytes: Vec<u8>,
    entries: u32,
}

const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

impl Initramfs {
    /// An archive with the root's folders and `/dev/console`, from which the kernel gives `/init` its standard streams.
    pub fn new() -> Self {
        let mut archive = Self::default();
        for folder in ["dev", "etc", "lib", "lib/modules", "proc", "sys", "tmp"] {
            archive.folder(folder);
        }
        archive.entry("dev/console", CHARACTER_DEVICE | 0o600, (5, 1), &[]);
        archive
    }

    /// Adds a folder with mode 0755. Its parent must have been added before.
    pub fn folder(&mut self, path: &str) -> &mut Self {
        self.entry(path, FOLDER | 0o755, (0, 0), &[])
    }

    /// Adds a regular file of less than 4 GiB with the permission bits `mode`. Its folder must have been added before.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> &mut Self {
        self.entry(path, FILE | mode, (0, 0), content)
    }

    /// Ends the archive and pads it to whole 512-byte blocks, as cpio(1) does.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) -> &mut Self {
        let path = path.trim_start_matches('/');
        self.entries += 1;
        let links = if mode & FOLDER == FOLDER { 2 } else { 1 };
        let size = u32::try_from(content.len()).expect("callers pack files of a few megabytes");
        let name_size = path.len() as u32 + 1;
        self.bytes.extend(b"070701");
        // ino, mode, uid, gid, nlink, mtime, size, device, special device, name size, checksum (unused in newc)
        let fields = [
            self.entries,
            mode,
            0,
            0,
            links,
            0,
            size,
            0,
            0,
            device.0,
            device.1,
            name_size,
            0,
        ];
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
        self
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_entries_give_the_same_bytes() {
        let make = || {
            let mut archive = Initramfs::new();
            archive
                .file("/init", 0o755, b"\x7fELF")
                .file("etc/modules", 0o644, b"/lib/modules/tun.ko\n");
            archive.finish()
        };
        assert_eq!(make(), make());
    }

    #[test]
    fn every_header_name_and_content_starts_at_a_multiple_of_four() {
        let mut archive = Initramfs::default();
        archive
            .file("a", 0o644, b"12345")
            .folder("bc")
            .file("bc/d", 0o600, b"");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 512, 0);
        let (mut at, mut seen) = (0, Vec::<(String, usize, Vec<u8>)>::new());
        while !seen.iter().any(|(name, ..)| name == "TRAILER!!!") {
            assert_eq!(&bytes[at..at + 6], b"070701");
            let field = |n: usize| {
                let text = std::str::from_utf8(&bytes[at + 6 + n * 8..at + 14 + n * 8]).unwrap();
                usize::from_str_radix(text, 16).unwrap()
            };
            let (size, name_size) = (field(6), field(11));
            let name = std::str::from_utf8(&bytes[at + 110..at + 109 + name_size])
                .unwrap()
                .to_owned();
            let content = (at + 110 + name_size).next_multiple_of(4);
            seen.push((name, field(1), bytes[content..content + size].to_vec()));
            at = (content + size).next_multiple_of(4);
        }
        let entry = |name: &str, mode, content: &[u8]| (name.to_owned(), mode, content.to_vec());
        assert_eq!(
            seen[..3],
            [
                entry("a", 0o100_644, b"12345"),
                entry("bc", 0o040_755, b""),
                entry("bc/d", 0o100_600, b"")
            ]
        );
    }
}
