//! Waits for the end of a connection as an application does: with recv, send, poll, or the pending error.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use reusespec_core::step::keepalive::Via;
use socket2::Socket;

use super::connection::received;
use super::option::pending_error;

/// The outcome of a connection that the peer has closed.
pub(super) const EOF: &str = "eof";

/// Waits for the end of a connection and returns how the application sees it; `None` if it sees none within the time.
pub(super) fn end(socket: &Socket, via: Via, within: Duration) -> io::Result<Option<String>> {
    let deadline = Instant::now() + within;
    match via {
        Via::Receive => loop {
            if ready(socket, PollFlags::POLLIN, deadline)?.is_empty() {
                return Ok(None);
            }
            if let Some(end) = end_of(received(socket)) {
                return Ok(Some(end));
            }
        },
        Via::BlockingReceive => loop {
            let left = deadline.saturating_duration_since(Instant::now());
            socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match received(socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                received => {
                    if let Some(end) = end_of(received) {
                        return Ok(Some(end));
                    }
                }
            }
        },
        Via::Poll => Ok(words(ready(socket, PollFlags::POLLIN, deadline)?)),
        Via::Send | Via::SoError => {
            if !is_over(socket, deadline)? {
                return Ok(None);
            }
            if via == Via::SoError {
                return Ok(Some(pending_error(socket)?.unwrap_or_else(|| "none".to_owned())));
            }
            let sent = socket.send(b"x");
            Ok(Some(sent.map_or_else(
                |error| crate::errno::name(&error),
                |_| "ok".to_owned(),
            )))
        }
    }
}

/// Whether the connection ends by the deadline. The pending error stays in the socket.
#[cfg(target_os = "linux")]
fn is_over(socket: &Socket, deadline: Instant) -> io::Result<bool> {
    Ok(!ready(socket, PollFlags::empty(), deadline)?.is_empty())
}

/// The BSDs do not wake a poll(2) that asks for no event, so this polls with `MSG_PEEK`, which shows the error and leaves
/// it in the socket. Received data would hide the error.
#[cfg(not(target_os = "linux"))]
fn is_over(socket: &Socket, deadline: Instant) -> io::Result<bool> {
    const BETWEEN_POLLS: Duration = Duration::from_millis(5);
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    loop {
        match socket.recv_with_flags(&mut [std::mem::MaybeUninit::uninit()], flags) {
            Err(error) if [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted].contains(&error.kind()) => {
            }
            Err(_) => return Ok(true),
            Ok(0) => {}
            Ok(_) => return Err(io::Error::other("received data hides the end of the connection")),
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(BETWEEN_POLLS);
    }
}

/// The outcome, if what recv(2) returned is the end of the connection; data is not.
fn end_of(received: io::Result<Vec<u8>>) -> Option<String> {
    match received {
        Ok(bytes) if bytes.is_empty() => Some(EOF.to_owned()),
        Ok(_) => None,
        Err(error) => Some(crate::errno::name(&error)),
    }
}

/// What poll(2) reports of the socket by the deadline; empty if nothing.
pub(super) fn ready(socket: &Socket, events: PollFlags, deadline: Instant) -> io::Result<PollFlags> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up to milliseconds: rounded down, the last one would be spent in a busy loop.
        let timeout = PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(socket.as_fd(), events)];
        match poll(&mut fds, timeout) {
            Ok(0) if left.is_zero() => return Ok(PollFlags::empty()),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(fds[0].revents().unwrap_or(PollFlags::empty())),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The events in words: `ERR+HUP+IN`.
fn words(reported: PollFlags) -> Option<String> {
    let names = [
        (PollFlags::POLLERR, "ERR"),
        (PollFlags::POLLHUP, "HUP"),
        (PollFlags::POLLIN, "IN"),
    ];
    let words: Vec<_> = names
        .into_iter()
        .filter_map(|(flag, name)| reported.contains(flag).then_some(name))
        .collect();
    (!words.is_empty()).then(|| words.join("+"))
}
