//! The agent's side of the adapter protocol: sends a request as a JSON line and reads one line in reply.
//!
//! Every read has a deadline, so that an adapter that hangs costs its case only the timeout.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use reusespec_core::adapter::{AdapterReply, AdapterRequest};

/// A longer reply is an error.
const LONGEST_LINE_BYTES: usize = 64 * 1024;

/// Why an adapter sent no valid reply. The text completes a sentence that begins with its name.
#[derive(Debug)]
pub struct NoReply(pub String);

/// The standard streams of an adapter.
#[derive(Debug)]
pub struct Lines {
    requests: ChildStdin,
    replies: ChildStdout,
    received: Vec<u8>,
}

impl Lines {
    /// Takes the pipes of a child. `None` if it has none.
    pub fn of(child: &mut Child) -> Option<Self> {
        let streams = child.stdin.take().zip(child.stdout.take());
        streams.map(|(requests, replies)| Self {
            requests,
            replies,
            received: Vec::new(),
        })
    }

    /// Sends a request and waits for its reply until `deadline`.
    ///
    /// # Errors
    /// When the adapter has ended, does not answer, or answers with a line that is no reply.
    pub fn request(&mut self, request: &AdapterRequest, deadline: Instant) -> Result<AdapterReply, NoReply> {
        let text = serde_json::to_string(request).map_err(|error| NoReply(error.to_string()))?;
        self.request_text(&text, deadline)
    }

    /// Sends a line and waits for its reply until `deadline`.
    ///
    /// # Errors
    /// As [`Lines::request`].
    pub fn request_text(&mut self, text: &str, deadline: Instant) -> Result<AdapterReply, NoReply> {
        let failed = |error: io::Error| NoReply(format!("cannot be written to: {error}"));
        self.requests
            .write_all(format!("{text}\n").as_bytes())
            .map_err(failed)?;
        let line = self.read_line(deadline)?;
        serde_json::from_str(&line).map_err(|_| NoReply(format!("sent an invalid reply: `{line:.80}`")))
    }

    fn read_line(&mut self, deadline: Instant) -> Result<String, NoReply> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim().to_owned());
            }
            if self.received.len() > LONGEST_LINE_BYTES {
                return Err(NoReply("sent a reply that is too long".to_owned()));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(self.replies.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut fds, timeout) {
                Ok(0) => return Err(NoReply("did not answer".to_owned())),
                Ok(_) => {}
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => return Err(NoReply(format!("cannot be read from: {error}"))),
            }
            let mut buffer = [0; 4096];
            match self.replies.read(&mut buffer) {
                Ok(0) => return Err(NoReply("has ended".to_owned())),
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
                Err(error) => return Err(NoReply(format!("cannot be read from: {error}"))),
            }
        }
    }
}
