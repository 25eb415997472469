//! Builds the medium that carries the agent to a complete system: a disk that consists of a tar archive.
//!
//! A line typed at the root shell unpacks it. The agent runs with the second serial port in its environment, and the
//! machine is shut down afterwards.

use std::path::Path;

use super::{RootImageError, read};

/// The command line typed at FreeBSD's root shell. The second disk is the archive. The line must be short, because a
/// terminal that is still being set up drops characters that do not fit in its queue.
pub(crate) const LOGIN_LINE: &str = "tar -xOf /dev/vtbd1 agent >/tmp/a; chmod 755 /tmp/a; env REUSESPEC_CHANNEL=/dev/cuau1 /tmp/a; shutdown -p now";

/// Builds the medium. The same agent gives the same bytes.
///
/// # Errors
/// When the agent cannot be read.
pub fn agent_medium(agent: &Path) -> Result<Vec<u8>, RootImageError> {
    Ok(archive(&read(agent)?))
}

/// A tar archive of the agent, padded to whole sectors because it is used as a disk.
fn archive(agent: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(agent.len() as u64);
    header.set_mode(0o755);
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_data(&mut header, "agent", agent)
        .expect("writing to a vector does not fail");
    let mut bytes = builder.into_inner().expect("writing to a vector does not fail");
    bytes.resize(bytes.len().next_multiple_of(10 * 1024), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::Command;

    use super::*;

    fn medium() -> Vec<u8> {
        let folder = tempfile::TempDir::new().unwrap();
        let agent = folder.path().join("agent");
        std::fs::write(&agent, b"an agent").unwrap();
        agent_medium(&agent).unwrap()
    }

    #[test]
    fn the_disk_is_an_archive_of_the_agent_alone() {
        let bytes = medium();
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
    fn the_first_command_of_the_line_extracts_the_agent() {
        let folder = tempfile::TempDir::new().unwrap();
        let disk = folder.path().join("disk");
        std::fs::write(&disk, medium()).unwrap();
        let (unpack, _) = LOGIN_LINE.split_once(" >").unwrap();
        let unpack = unpack.replace("/dev/vtbd1", &disk.display().to_string());
        let output = Command::new("sh").args(["-c", &unpack]).output().unwrap();
        assert_eq!(output.stdout, b"an agent", "{output:?}");
    }

    #[test]
    fn the_typed_line_fits_a_terminal() {
        insta::assert_snapshot!(LOGIN_LINE, @"tar -xOf /dev/vtbd1 agent >/tmp/a; chmod 755 /tmp/a; env REUSESPEC_CHANNEL=/dev/cuau1 /tmp/a; shutdown -p now");
        assert!(
            LOGIN_LINE.len() < 250,
            "a terminal's line has at most 255 characters"
        );
    }
}
