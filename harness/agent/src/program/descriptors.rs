//! Duplicates the descriptors of a program's sockets with pidfd_getfd(2), which Linux has since 5.6.
//!
//! A socket is found by its local address among the descriptors in /proc. Several sockets of a program may have one local
//! address: a listener and its connections, or listeners that share a port. So a socket that was found before is skipped.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use socket2::Socket;

/// The inode numbers of the sockets that were found so far.
#[derive(Default)]
pub(crate) struct Seen(Vec<String>);

impl Seen {
    /// Duplicates the socket with this local address of the process or one of its descendants. `None` if there is none
    /// that was not found before, or if the kernel refuses.
    pub(crate) fn duplicate(&mut self, process: u32, local: SocketAddr) -> Option<Socket> {
        family(process).into_iter().find_map(|member| {
            let pidfd = open_pidfd(member)?;
            let entries = fs::read_dir(format!("/proc/{member}/fd")).ok()?;
            entries.filter_map(Result::ok).find_map(|entry| {
                let inode = inode_of_socket(&entry.path())?;
                if self.0.contains(&inode) {
                    return None;
                }
                let descriptor = entry.file_name().to_str()?.parse().ok()?;
                let socket = Socket::from(duplicate(&pidfd, descriptor)?);
                if !is_same(socket.local_addr().ok()?.as_socket()?, local) {
                    return None;
                }
                self.0.push(inode);
                Some(socket)
            })
        })
    }
}

/// Whether two addresses are the same. A language may write an IPv4-mapped IPv6 address as the IPv4 address.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}

/// `socket:[12345]` if the link names a socket.
fn inode_of_socket(link: &Path) -> Option<String> {
    let target = fs::read_link(link).ok()?.to_str()?.to_owned();
    target.starts_with("socket:").then_some(target)
}

/// The process and its descendants. A program may be started through others: the one that waits for it in its PID
/// namespace (`processes`), or a script.
fn family(process: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let member = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{member}/stat")).ok()?;
            // The name is in parentheses and may contain any character; the state and the parent follow it.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((member, parent))
        })
        .collect();
    let mut family = vec![process];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(member, _)| member),
        );
        next += 1;
    }
    family
}

fn open_pidfd(process: u32) -> Option<OwnedFd> {
    // SAFETY: the call takes two numbers.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
    owned(descriptor)
}

fn duplicate(pidfd: &OwnedFd, descriptor: RawFd) -> Option<OwnedFd> {
    // SAFETY: the call takes three numbers.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), descriptor, 0) };
    owned(descriptor)
}

fn owned(descriptor: libc::c_long) -> Option<OwnedFd> {
    let descriptor = RawFd::try_from(descriptor)
        .ok()
        .filter(|descriptor| *descriptor >= 0)?;
    // SAFETY: the kernel has just returned the descriptor, so nothing else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
