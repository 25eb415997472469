//! Splits a byte stream into lines.
//!
//! The caller decides when to read, because it polls several streams. A line longer than the limit is dropped: on a
//! serial line the peer may be a kernel that prints something else.

use std::io;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;

/// The bytes read so far that no line has been taken from.
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// The first `searched` bytes hold no line feed.
    searched: usize,
    max_bytes: usize,
}

impl Lines {
    /// Drops what it has buffered whenever that exceeds `max_bytes`.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            buffer: Vec::new(),
            searched: 0,
            max_bytes,
        }
    }

    /// Reads once, and blocks if no byte is available. Returns the number of bytes read, which is 0 at the end of the
    /// stream.
    pub(super) fn fill(&mut self, input: BorrowedFd<'_>) -> io::Result<usize> {
        let mut chunk = [0; 64 * 1024];
        loop {
            match nix::unistd::read(input, &mut chunk) {
                Ok(count) => {
                    self.buffer.extend_from_slice(&chunk[..count]);
                    if self.buffer.len() > self.max_bytes {
                        self.buffer.clear();
                        self.searched = 0;
                    }
                    return Ok(count);
                }
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The bytes behind the last line that [`next`](Self::next) returned.
    pub(super) fn into_rest(self) -> Vec<u8> {
        self.buffer
    }

    /// The next complete line, without its line feed.
    pub(super) fn next(&mut self) -> Option<String> {
        let end = self.buffer[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n');
        let Some(end) = end.map(|end| end + self.searched) else {
            self.searched = self.buffer.len();
            return None;
        };
        let line = String::from_utf8_lossy(&self.buffer[..end]).trim_end().to_owned();
        self.buffer.drain(..=end);
        self.searched = 0;
        Some(line)
    }
}
