//! Steps that use sockets: connect, accept, send, receive, shutdown, close. Every wait has a timeout.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use reusespec_core::Observed;
use reusespec_core::step::socket::{Accept, Close, Connect, Direction, Send, Shutdown};
use socket2::{SockAddr, Socket};

use super::{Answer, Sockets, Stop};
use crate::socket_owner::Owner;

/// Timeout of `receive`, after which `nothing` is observed. Loopback delivers before `send` returns on Linux, and
/// within a few timer ticks on the BSDs.
const NOTHING_AFTER: Duration = Duration::from_millis(100);

/// Whether the socket becomes readable within the time.
pub(super) fn readable_within(socket: &Socket, time: Duration) -> io::Result<bool> {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    loop {
        match poll(&mut fds, timeout) {
            Ok(count) => return Ok(count > 0),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// connect(2) with a timeout. SO_SNDTIMEO limits connect(2) only on Linux (socket(7)).
pub(super) fn connect_within(socket: &Socket, to: &SockAddr, time: Duration) -> io::Result<()> {
    if cfg!(target_os = "linux") {
        socket.set_write_timeout(Some(time))?;
        return socket.connect(to);
    }
    socket.connect_timeout(to, time).map_err(|error| {
        if error.kind() == io::ErrorKind::TimedOut {
            io::Error::from_raw_os_error(libc::ETIMEDOUT)
        } else {
            error
        }
    })
}

impl Sockets<'_, '_> {
    pub(super) fn connect(&mut self, step: &Connect) -> Answer {
        let to = self.address(&step.to);
        let left = self.run.left();
        self.as_owner(&step.socket, |socket| {
            connect_within(socket, &to, left.max(Duration::from_millis(1)))
        })?;
        Ok(Observed::ok())
    }

    pub(super) fn accept(&mut self, step: &Accept) -> Answer {
        let listener = self.named(&step.socket)?;
        let (kind, user) = (listener.kind, listener.user);
        let none = || Stop::Broken(format!("no connection came to `{}`", step.socket));
        if let Owner::Adapter(_) = listener.owner {
            let within = self.run.left();
            let accepted = self.adapter()?.accept(&step.socket, &step.into, within)?;
            let owner = Owner::Adapter(accepted.ok_or_else(none)?);
            return self.add_owned(&step.into, owner, kind, user);
        }
        if !readable_within(self.own(&step.socket)?, self.run.left())? {
            return Err(none());
        }
        let (socket, _) = self.as_owner(&step.socket, Socket::accept)?;
        self.add(&step.into, socket, kind, user)
    }

    pub(super) fn send(&mut self, step: &Send) -> Answer {
        if let Owner::Adapter(_) = self.named(&step.socket)?.owner {
            let to = step.to.as_ref().map(|to| to.resolve(&self.run.sandbox.ports));
            self.adapter()?.send(&step.socket, &step.text, to)?;
            return Ok(Observed::ok());
        }
        let to = step.to.as_ref().map(|to| self.address(to));
        let bytes = step.text.as_bytes();
        self.as_owner(&step.socket, |socket| match &to {
            Some(to) => socket.send_to(bytes, to),
            None => socket.send(bytes),
        })?;
        Ok(Observed::ok())
    }

    pub(super) fn receive(&mut self, name: &str) -> Answer {
        if let Owner::Adapter(_) = self.named(name)?.owner {
            let received = self.adapter()?.receive(name, NOTHING_AFTER)?;
            return Ok(Observed::Word(received.word()));
        }
        if !readable_within(self.own(name)?, Duration::ZERO)? {
            // The step only waits, so another case may run meanwhile.
            let socket = self.own(name)?.try_clone()?;
            if !self
                .run
                .reporter
                .waiting(|| readable_within(&socket, NOTHING_AFTER))??
            {
                return Ok(Observed::Word("nothing".to_owned()));
            }
        }
        let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
        let count = self.own(name)?.recv(&mut buffer)?;
        // SAFETY: the kernel has written `count` bytes.
        let bytes: Vec<u8> = buffer[..count]
            .iter()
            .map(|byte| unsafe { byte.assume_init() })
            .collect();
        if bytes.is_empty() && self.named(name)?.kind.is_tcp() {
            return Ok(Observed::Word("eof".to_owned()));
        }
        Ok(Observed::Word(String::from_utf8_lossy(&bytes).into_owned()))
    }

    pub(super) fn shutdown(&mut self, step: &Shutdown) -> Answer {
        let how = match step.how {
            Direction::Read => std::net::Shutdown::Read,
            Direction::Write => std::net::Shutdown::Write,
            Direction::Both => std::net::Shutdown::Both,
        };
        self.as_owner(&step.socket, |socket| socket.shutdown(how))?;
        Ok(Observed::ok())
    }

    pub(super) fn close(&mut self, step: &Close) -> Answer {
        if step.reset {
            self.own(&step.socket)?.set_linger(Some(Duration::ZERO))?;
        }
        if let Owner::Adapter(_) = self.named(&step.socket)?.owner {
            self.adapter()?.close(&step.socket)?;
        }
        self.named.retain(|named| named.name != step.socket);
        Ok(Observed::ok())
    }
}
