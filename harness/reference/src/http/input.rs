//! A socket with a buffer of bytes that have been read and not been consumed.
//!
//! Content is consumed from the front of the buffer, so a pipelined request follows without copying. The buffer records
//! the end of the stream and does not close: a client that has closed its sending side still gets replies to the
//! requests it sent (RFC 9112 §9.6, half-close).

use std::io::{self, Read};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// Bytes asked for in one read.
const READ_BYTES: usize = 16 << 10;

pub(super) struct Input {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
}

impl Input {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            start: 0,
            ended: false,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..]
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.buffer.len());
    }

    /// Whether the peer has closed its sending side.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Waits for more bytes and returns their number; 0 at the end of the stream. Cancel-safe.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        self.make_room();
        let count = self.stream.read_buf(&mut self.buffer).await?;
        self.ended |= count == 0;
        Ok(count)
    }

    /// As [`Self::fill`]; fails with `TimedOut` if nothing arrives before the deadline.
    pub(super) async fn fill_until(&mut self, deadline: Instant) -> io::Result<usize> {
        timeout_at(deadline, self.fill())
            .await
            .map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Reads what has arrived without waiting; returns 0 if nothing has arrived or the stream has ended.
    ///
    /// Calls `read` directly: tokio learns of bytes only when it polls, and a byte missed here would lose a request.
    pub(super) fn fill_ready(&mut self) -> io::Result<usize> {
        self.make_room();
        let mut arrived = [0; READ_BYTES];
        let mut socket = &*SockRef::from(&self.stream);
        match socket.read(&mut arrived) {
            Ok(count) => {
                self.buffer.extend_from_slice(&arrived[..count]);
                self.ended |= count == 0;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Writes all bytes; fails with `TimedOut` if the peer does not read them in time.
    pub(super) async fn write(&mut self, bytes: &[u8], within: Duration) -> io::Result<()> {
        timeout(within, self.stream.write_all(bytes))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Sends FIN, then reads and drops input until the peer closes too, for at most `within`.
    ///
    /// After an immediate close the kernel would answer bytes in flight with RST, which can discard the last reply from
    /// the peer's receive buffer before the peer reads it (RFC 9112 §9.6).
    pub(super) async fn close(mut self, within: Duration) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let deadline = Instant::now() + within;
        while !self.ended {
            self.start = self.buffer.len();
            if self.fill_until(deadline).await.is_err() {
                return;
            }
        }
    }

    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.reserve(READ_BYTES);
    }
}
