//! The medium that brings an agent to a system which starts by itself: a disk of nothing but a tar archive for whoever logs
//! in, a CD with a script for a live CD that looks for one.
//!
//! Both run the agent with the second serial port in its environment, and end the machine after it. The agent itself brings
//! loopback up, so a script before the network is not too early.

use std::path::Path;

use super::iso9660::{self, Folder};
use super::{RootImageError, read};
use crate::profile::Entry;

/// What is typed at a root shell of FreeBSD: the second disk is the archive. Short, because a terminal that is still being
/// set up loses what does not fit in its queue.
pub(crate) const LOGIN_LINE: &str = "tar -xOf /dev/vtbd1 agent >/tmp/a; chmod 755 /tmp/a; env REUSESPEC_CHANNEL=/dev/cuau1 /tmp/a; shutdown -p now";

/// Read by rc.d/pfi as shell assignments.
const CONFIGURATION: &str = "pfi_script=run.sh\n";

/// rc.d/pfi starts it where it has mounted the CD, and unmounts that when it returns, which is never.
const SCRIPT: &str = "#!/bin/sh
REUSESPEC_CHANNEL=/dev/cuaa1
export REUSESPEC_CHANNEL
${0%/*}/agent >/dev/console 2>&1
/sbin/shutdown -p now
";

/// The medium's bytes: the same agent gives the same bytes.
///
/// # Errors
/// When the agent cannot be read.
pub fn agent_medium(entry: Entry, agent: &Path) -> Result<Vec<u8>, RootImageError> {
    let content = read(agent)?;
    Ok(match entry {
        Entry::Login => archive(&content),
        Entry::Pfi => {
            let mut root = Folder::default();
            root.file("pfi.conf", 0o444, CONFIGURATION.into());
            root.file("run.sh", 0o755, SCRIPT.into());
            root.file("agent", 0o755, content);
            iso9660::image(&root)
        }
    })
}

/// Padded to whole sectors: a disk has no end within one.
fn archive(agent: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(agent.len() as u64);
    header.set_mode(0o755);
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_data(&mut header, "agent", agent)
        .expect("a vector takes everything");
    let mut bytes = builder.into_inner().expect("a vector takes everything");
    bytes.resize(bytes.len().next_multiple_of(10 * 1024), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::Command;

    use super::*;

    fn made(entry: Entry) -> Vec<u8> {
        let folder = tempfile::TempDir::new().unwrap();
        let agent = folder.path().join("agent");
        std::fs::write(&agent, b"an agent").unwrap();
        agent_medium(entry, &agent).unwrap()
    }

    #[test]
    fn the_disk_is_an_archive_with_the_agent_and_nothing_else() {
        let bytes = made(Entry::Login);
        assert_eq!(bytes.len() % 512, 0);
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut names = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let path = entry.path().unwrap().into_owned();
            names.push((path, entry.header().mode().unwrap(), content));
        }
        assert_eq!(names, [("agent".into(), 0o755, b"an agent".to_vec())]);
    }

    #[test]
    fn the_beginning_of_the_line_takes_the_agent_off_the_disk() {
        let folder = tempfile::TempDir::new().unwrap();
        let disk = folder.path().join("disk");
        std::fs::write(&disk, made(Entry::Login)).unwrap();
        let (unpack, _) = LOGIN_LINE.split_once(" >").unwrap();
        let unpack = unpack.replace("/dev/vtbd1", &disk.display().to_string());
        let output = Command::new("sh").args(["-c", &unpack]).output().unwrap();
        assert_eq!(output.stdout, b"an agent", "{output:?}");
    }

    #[test]
    fn the_line_that_is_typed_fits_a_terminal() {
        insta::assert_snapshot!(LOGIN_LINE, @"tar -xOf /dev/vtbd1 agent >/tmp/a; chmod 755 /tmp/a; env REUSESPEC_CHANNEL=/dev/cuau1 /tmp/a; shutdown -p now");
        assert!(
            LOGIN_LINE.len() < 250,
            "a canonical line of a terminal is 255 characters long"
        );
    }

    #[test]
    fn the_cd_has_what_pfi_looks_for() {
        let bytes = made(Entry::Pfi);
        assert_eq!(&bytes[0x8001..0x8006], b"CD001");
        for part in [
            &b"pfi.conf"[..],
            b"run.sh",
            b"pfi_script=run.sh\n",
            b"REUSESPEC_CHANNEL=/dev/cuaa1",
            b"an agent",
        ] {
            assert!(bytes.windows(part.len()).any(|window| window == part));
        }
    }
}
