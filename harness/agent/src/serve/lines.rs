//! Lines out of a stream that is read only when it has something. A line over the limit is dropped whole.

use std::io;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;

pub(super) struct Lines {
    buffer: Vec<u8>,
    searched: usize,
    longest: usize,
}

impl Lines {
    pub(super) fn new(longest: usize) -> Self {
        Self {
            buffer: Vec::new(),
            searched: 0,
            longest,
        }
    }

    /// Reads once; blocks if there is nothing. Returns how much was read, 0 at the end of the stream.
    pub(super) fn fill(&mut self, input: BorrowedFd<'_>) -> io::Result<usize> {
        let mut chunk = [0; 64 * 1024];
        loop {
            match nix::unistd::read(input, &mut chunk) {
                Ok(count) => {
                    self.buffer.extend_from_slice(&chunk[..count]);
                    if self.buffer.len() > self.longest {
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

    /// What has been read and is no line yet: the beginning of something else.
    pub(super) fn into_rest(self) -> Vec<u8> {
        self.buffer
    }

    /// The next whole line, without its end.
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
