//! Waits until a blocking socket can be read.
//!
//! It polls, because a read timeout of std or socket2 would set an option of the socket, and listeners have none.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::answer::{Answer, Outcome};

/// Waits for data, a connection, the end or an error.
pub(crate) fn readable(socket: &impl AsFd, within: Duration) -> Outcome<()> {
    let mut polled = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
    match poll(&mut polled, timeout) {
        Ok(0) => Err(Answer::Nothing),
        Ok(_) => Ok(()),
        Err(errno) => Err(io::Error::from(errno).into()),
    }
}
