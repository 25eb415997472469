//! Copies between the line and a local socket until the line or the local stream ends.
//!
//! The host's direction is compressed (zlib, flushed after each write): the requests of a family differ little from each
//! other, and the port of a BSD takes a few hundred bytes for each of the guest's reactions. The guest's direction is not,
//! because its CPU may be emulated.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::endpoint::{Endpoint, Event};
use crate::one_way;

/// What begins a line of the host's stream that the relay has written, and not the guest.
pub const NOTE: &str = "channel: ";
/// The window of the guest's direction on a serial port. QEMU waits until the host reads, so that nothing is lost; the limit
/// keeps the host's acknowledgements few, because they need room in the guest's ring too: 64 bytes are enough for four.
pub const TO_HOST_WINDOW: usize = 2048;

/// After this time without an acknowledgement the oldest data is repeated. The time doubles with each repetition.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest time between two repetitions.
const LONGEST_PATIENCE: Duration = Duration::from_secs(8);
/// How long the last data of an ended stream waits for its acknowledgement.
const LINGER: Duration = Duration::from_secs(10);
/// Bytes read at once.
const CHUNK: usize = 16 << 10;

/// One end of the channel: how it turns the local stream into what it sends, and back. A type for each, so that an agent has
/// no code that compresses.
pub trait End {
    /// Whether notes about losses are written into the stream that is delivered.
    const NOTES: bool;

    /// Appends to `sent` what is sent for these bytes of the local stream.
    ///
    /// # Errors
    /// When they cannot be compressed.
    fn encode(&mut self, bytes: &[u8], sent: &mut Vec<u8>) -> io::Result<()>;

    /// Appends to `delivered` what the local stream gets for these bytes.
    ///
    /// # Errors
    /// When they cannot be decompressed.
    fn decode(&mut self, bytes: &[u8], delivered: &mut Vec<u8>) -> io::Result<()>;
}

/// The host's end. It compresses what it sends.
#[derive(Debug)]
pub struct Host(Compress);

impl Default for Host {
    fn default() -> Self {
        Self(Compress::new(Compression::fast(), true))
    }
}

impl End for Host {
    const NOTES: bool = true;

    fn encode(&mut self, mut bytes: &[u8], sent: &mut Vec<u8>) -> io::Result<()> {
        loop {
            sent.reserve(CHUNK);
            let before = self.0.total_in();
            self.0
                .compress_vec(bytes, sent, FlushCompress::Sync)
                .map_err(io::Error::other)?;
            bytes = &bytes[(self.0.total_in() - before) as usize..];
            if bytes.is_empty() && sent.len() < sent.capacity() {
                return Ok(());
            }
        }
    }

    fn decode(&mut self, bytes: &[u8], delivered: &mut Vec<u8>) -> io::Result<()> {
        delivered.extend(bytes);
        Ok(())
    }
}

/// The guest's end. It decompresses what it receives.
#[derive(Debug)]
pub struct Guest(Decompress);

impl Default for Guest {
    fn default() -> Self {
        Self(Decompress::new(true))
    }
}

impl End for Guest {
    const NOTES: bool = false;

    fn encode(&mut self, bytes: &[u8], sent: &mut Vec<u8>) -> io::Result<()> {
        sent.extend(bytes);
        Ok(())
    }

    fn decode(&mut self, mut bytes: &[u8], delivered: &mut Vec<u8>) -> io::Result<()> {
        while !bytes.is_empty() {
            delivered.reserve(CHUNK);
            let before = self.0.total_in();
            let status = self
                .0
                .decompress_vec(bytes, delivered, FlushDecompress::Sync)
                .map_err(io::Error::other)?;
            bytes = &bytes[(self.0.total_in() - before) as usize..];
            if status == Status::StreamEnd {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Relays between `line` and `local`. `begin` are bytes that `local` reads before those of the line.
///
/// Returns when the line has ended, or when `local` has ended and the other end has acknowledged everything.
///
/// # Errors
/// Fails when a descriptor fails, or when the received bytes cannot be decompressed.
pub fn run(
    line: impl AsFd,
    local: &UnixStream,
    end: impl End,
    window: usize,
    begin: Vec<u8>,
) -> io::Result<()> {
    make_nonblocking(line.as_fd())?;
    local.set_nonblocking(true)?;
    let relay = Relay {
        line: line.as_fd(),
        local,
        end,
        endpoint: Endpoint::new(window),
        to_line: Vec::new(),
        to_local: begin,
        notes: Vec::new(),
        at_line_start: true,
        local_ended: None,
        end_sent: false,
        told_local: false,
        waits_for: None,
        patience: PATIENCE,
        deadline: None,
    };
    relay.run()
}

/// Copies the one-way frames of `line` to `local` as a stream, until one of them ends.
///
/// # Errors
/// Fails when a descriptor fails.
pub fn receive_only(mut line: impl io::Read, mut local: &UnixStream) -> io::Result<()> {
    let mut receiver = one_way::Receiver::default();
    let mut chunk = [0; CHUNK];
    loop {
        match line.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => io::Write::write_all(&mut local, &receiver.on_line(&chunk[..count]))?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

struct Relay<'r, E> {
    line: BorrowedFd<'r>,
    local: &'r UnixStream,
    end: E,
    endpoint: Endpoint,
    /// Bytes of `local` that the window does not allow yet.
    to_line: Vec<u8>,
    /// Bytes that `local` has not taken yet.
    to_local: Vec<u8>,
    /// Lines to write to `local` between two lines of the stream.
    notes: Vec<String>,
    at_line_start: bool,
    local_ended: Option<Instant>,
    end_sent: bool,
    told_local: bool,
    /// The oldest data that has not been acknowledged.
    waits_for: Option<u32>,
    patience: Duration,
    /// When the oldest data is repeated.
    deadline: Option<Instant>,
}

impl<E: End> Relay<'_, E> {
    fn run(mut self) -> io::Result<()> {
        loop {
            self.fill_window();
            if self.is_done() {
                return Ok(());
            }
            let ready = self.wait()?;
            if ready.local_in {
                self.read_local()?;
            }
            if ready.line_in && !self.read_line()? {
                return self.deliver_rest();
            }
            self.endpoint.acknowledge(self.to_local.len());
            self.write_line()?;
            self.write_local()?;
        }
    }

    /// Sends what the window allows, and sets the deadline of the repetition.
    fn fill_window(&mut self) {
        let sent = self.endpoint.send(&self.to_line);
        self.to_line.drain(..sent);
        if self.local_ended.is_some() && self.to_line.is_empty() && !self.end_sent {
            self.end_sent = self.endpoint.send_end();
        }
        let oldest = self.endpoint.oldest();
        if oldest != self.waits_for || (oldest.is_none() && self.to_line.is_empty()) {
            (self.waits_for, self.deadline, self.patience) = (oldest, None, PATIENCE);
        }
        if self.deadline.is_none() && (oldest.is_some() || !self.to_line.is_empty()) {
            self.deadline = Some(Instant::now() + self.patience);
        }
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.endpoint.time_out();
            self.patience = (self.patience * 2).min(LONGEST_PATIENCE);
            self.deadline = Some(Instant::now() + self.patience);
        }
    }

    fn is_done(&self) -> bool {
        self.local_ended.is_some_and(|since| {
            let acknowledged = self.end_sent && self.endpoint.is_acknowledged();
            acknowledged || since.elapsed() > LINGER
        })
    }

    fn wait(&mut self) -> io::Result<Ready> {
        let mut line = PollFlags::POLLIN;
        line.set(PollFlags::POLLOUT, !self.endpoint.wire().is_empty());
        let mut local = PollFlags::empty();
        local.set(
            PollFlags::POLLIN,
            self.local_ended.is_none() && self.to_line.len() < CHUNK,
        );
        local.set(PollFlags::POLLOUT, !self.to_local.is_empty());
        let mut fds = vec![PollFd::new(self.line, line)];
        if !local.is_empty() {
            fds.push(PollFd::new(self.local.as_fd(), local));
        }
        let linger = self.local_ended.map(|since| since + LINGER);
        let until = [self.deadline, linger].into_iter().flatten().min();
        let timeout = until.map_or(PollTimeout::NONE, |until| {
            let left = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is = |fd: Option<&PollFd<'_>>, flag: PollFlags| {
            let events = fd.and_then(PollFd::revents).unwrap_or(PollFlags::empty());
            events.intersects(flag | PollFlags::POLLHUP | PollFlags::POLLERR)
        };
        Ok(Ready {
            line_in: is(fds.first(), PollFlags::POLLIN),
            local_in: local.contains(PollFlags::POLLIN) && is(fds.get(1), PollFlags::POLLIN),
        })
    }

    fn read_local(&mut self) -> io::Result<()> {
        let mut chunk = [0; CHUNK];
        match nix::unistd::read(self.local, &mut chunk) {
            Ok(0) | Err(Errno::ECONNRESET) => self.local_ended = Some(Instant::now()),
            Ok(count) => self.end.encode(&chunk[..count], &mut self.to_line)?,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Reads from the line. Returns false at its end.
    fn read_line(&mut self) -> io::Result<bool> {
        let mut chunk = [0; CHUNK];
        match nix::unistd::read(self.line, &mut chunk) {
            // QEMU was killed before it had read everything.
            Ok(0) | Err(Errno::ECONNRESET) => return Ok(false),
            Ok(count) => self.endpoint.on_line(&chunk[..count]),
            Err(Errno::EINTR | Errno::EAGAIN) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        let received = self.endpoint.take_received();
        let events = self.endpoint.take_events();
        if let Some(last) = received.last() {
            self.at_line_start = *last == b'\n';
        }
        self.end.decode(&received, &mut self.to_local)?;
        if E::NOTES {
            self.notes.extend(events.into_iter().map(note));
            if self.at_line_start {
                self.to_local
                    .extend(self.notes.drain(..).flat_map(String::into_bytes));
            }
        }
        Ok(true)
    }

    fn write_line(&mut self) -> io::Result<()> {
        let wire = self.endpoint.wire();
        while !wire.is_empty() {
            match nix::unistd::write(self.line, wire) {
                Ok(count) => drop(wire.drain(..count)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                // The next read reports the end.
                Err(Errno::EPIPE | Errno::ECONNRESET) => wire.clear(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn write_local(&mut self) -> io::Result<()> {
        let was_full = self.to_local.len() >= CHUNK;
        while !self.to_local.is_empty() {
            match nix::unistd::write(self.local, &self.to_local) {
                Ok(count) => drop(self.to_local.drain(..count)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(Errno::EPIPE | Errno::ECONNRESET) => {
                    self.to_local.clear();
                    self.local_ended.get_or_insert_with(Instant::now);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if was_full && self.to_local.len() < CHUNK {
            self.endpoint.announce_room();
            self.endpoint.acknowledge(self.to_local.len());
        }
        if self.endpoint.has_ended()
            && self.to_local.is_empty()
            && !std::mem::replace(&mut self.told_local, true)
        {
            // It fails only if the local end is gone.
            let _ = self.local.shutdown(std::net::Shutdown::Write);
        }
        Ok(())
    }

    /// The line has ended: writes what has arrived.
    fn deliver_rest(mut self) -> io::Result<()> {
        self.local.set_nonblocking(false)?;
        self.local.set_write_timeout(Some(LINGER))?;
        self.write_local()
    }
}

struct Ready {
    line_in: bool,
    local_in: bool,
}

/// The line about an event in the host's stream.
fn note(event: Event) -> String {
    match event {
        Event::SentAgain(number) => {
            format!("{NOTE}the guest did not receive frame {number}; it was sent again\n")
        }
        Event::Unacknowledged(number) => {
            format!("{NOTE}the guest did not acknowledge frame {number} in time; it was sent again\n")
        }
        Event::Missing(number) => {
            format!("{NOTE}frame {number} of the guest did not arrive; it was asked for again\n")
        }
        Event::Noise(text) => format!("{text}\n"),
    }
}

fn make_nonblocking(file: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    fcntl(file, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

#[cfg(test)]
mod tests;
