//! One connection of the web server. Writes keep their order, reads happen at any time, and each wait has a timeout.
//!
//! The connection reads while it still has bytes to write. An application may have to finish a long response before it
//! reads on. If the agent did not read meanwhile, both would wait for each other.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use reusespec_core::step::fastcgi::{Receive, Show};
use reusespec_wire::fastcgi::{Decoder, VERSION};
use socket2::Socket;

use super::transcript::{Answering, Transcript};
use crate::listen_addr::Connected;

/// Idle timeout of an awaited answer. It is far longer than any handler of a scenario takes, so that a busy machine is
/// not mistaken for a silent application.
const BUDGET: Duration = Duration::from_secs(3);
/// After this time without any bytes the connection counts as silent.
pub(super) const QUIET: Duration = Duration::from_millis(120);
/// An idle timeout is this many consecutive waits. On a busy machine each of them takes longer than asked, so that the
/// application, which needs the same processors, gets more time.
const LOOKS: u32 = 12;
/// Idle timeout of an awaited answer after an earlier one has not come on the same connection.
const AFTER_HANG: Duration = Duration::from_millis(500);
/// If the application reads nothing for this time, `send` leaves the rest to later steps.
const STALL: Duration = Duration::from_millis(100);
/// More bytes than any scenario asks for. An application that sends more is taken to send without end.
const MOST_BYTES: usize = 8 << 20;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Fin,
    Rst,
}

/// A connection and what has been received on it.
pub(super) struct Connection {
    socket: Socket,
    outgoing: VecDeque<Vec<u8>>,
    half_close: bool,
    decoder: Decoder,
    answering: Answering,
    ended: Option<Ending>,
    received: usize,
    /// Something has been sent, and nothing has come since.
    unanswered: bool,
    /// The idle timeout of an awaited answer has expired once. Later timeouts are shorter.
    hung: bool,
}

/// When a wait ends.
#[derive(Clone, Copy)]
struct Timeout {
    /// After this time in which nothing was read or written.
    idle: Duration,
    /// At this time in any case.
    deadline: Instant,
}

impl Connection {
    pub(super) fn new(Connected { socket, is_reset }: Connected) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            outgoing: VecDeque::new(),
            half_close: false,
            decoder: Decoder::new(),
            answering: Answering::default(),
            ended: is_reset.then_some(Ending::Rst),
            received: 0,
            unanswered: false,
            hung: false,
        })
    }

    /// Writes as long as the application reads. `receive` writes the rest while it waits.
    pub(super) fn send(&mut self, writes: Vec<Vec<u8>>, deadline: Instant) {
        self.outgoing.extend(writes);
        self.unanswered = true;
        let timeout = Timeout {
            idle: STALL,
            deadline,
        };
        while !self.outgoing.is_empty() && self.turn(timeout) {}
    }

    /// Shuts down the sending direction, after all bytes are written.
    pub(super) fn half_close(&mut self) {
        self.half_close = true;
        self.unanswered = false;
        self.shut_down_if_written();
    }

    /// The idle timeout of a `receive`.
    pub(super) fn budget(&self, step: &Receive) -> Duration {
        match step.until.as_str() {
            "silence" => QUIET,
            _ if self.hung => AFTER_HANG,
            _ => BUDGET,
        }
    }

    /// Reads until the line that the step waits for, the end of the connection, or silence. Returns the transcript.
    pub(super) fn receive(&mut self, step: &Receive, deadline: Instant) -> Vec<String> {
        let idle = self.budget(step);
        // The output may never end, so the idle timeout is the timeout of the whole step.
        let deadline = match step.show {
            Show::End | Show::Once => deadline.min(Instant::now() + idle),
            Show::Body | Show::Everything | Show::Alignment => deadline,
        };
        let timeout = Timeout { idle, deadline };
        let mut transcript = Transcript::new(step.show);
        let mut missing = step.count;
        loop {
            if self.take_records(&mut transcript, &step.until, &mut missing) {
                break;
            }
            if let Some(said) = self.gone_wrong() {
                transcript.say(said);
                break;
            }
            if let Some(ending) = self.ended {
                if let Err(cut) = self.decoder.finish() {
                    transcript.say(format!("cut record ({cut})"));
                }
                transcript.say(self.how_it_ended(ending));
                break;
            }
            if !self.turn(timeout) {
                self.hung |= step.until != "silence";
                transcript.say("open");
                break;
            }
        }
        transcript.lines(step.order)
    }

    /// An application that closes without an answer may or may not have read what was sent. The kernel sends FIN or RST
    /// accordingly. That is a race and no property of the application, so both are shown as `closed`.
    fn how_it_ended(&self, ending: Ending) -> &'static str {
        match (self.unanswered, ending) {
            (true, _) => "closed",
            (false, Ending::Fin) => "FIN",
            (false, Ending::Rst) => "RST",
        }
    }

    /// Waits for bytes and receives them, unless some have been received already.
    pub(super) fn peek(&mut self, within: Duration) {
        if self.ended.is_none() && self.decoder.is_empty() {
            let deadline = Instant::now() + within;
            self.turn(Timeout {
                idle: within,
                deadline,
            });
        }
    }

    /// Whether anything has come or the connection has ended, after waiting until it is silent.
    pub(super) fn is_answered(&mut self, deadline: Instant) -> bool {
        let timeout = Timeout {
            idle: QUIET,
            deadline,
        };
        while self.received == 0 && self.ended.is_none() && self.turn(timeout) {}
        self.received > 0 || self.ended.is_some()
    }

    /// Whether anything has come or the connection has ended, without waiting.
    pub(super) fn has_news(&self) -> bool {
        self.received > 0 || self.ended.is_some()
    }

    fn take_records(&mut self, transcript: &mut Transcript, until: &str, missing: &mut u32) -> bool {
        while self.decoder.peek_version() == Some(VERSION) {
            let Some(record) = self.decoder.next_record() else {
                break;
            };
            self.unanswered = false;
            if transcript.take(&record, &mut self.answering, until) {
                *missing = missing.saturating_sub(1);
                if *missing == 0 {
                    return true;
                }
            }
        }
        false
    }

    /// The reason why the received bytes cannot be records, or are too many.
    fn gone_wrong(&self) -> Option<String> {
        if let Some(version) = self.decoder.peek_version().filter(|version| *version != VERSION) {
            return Some(format!("no record: it begins with {version}"));
        }
        (self.received > MOST_BYTES).then(|| format!("more than {} MiB", MOST_BYTES >> 20))
    }

    /// Waits for the socket once, and writes and reads what is possible. Returns whether anything was written or read.
    fn turn(&mut self, timeout: Timeout) -> bool {
        let left = timeout.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            // Even if there is more to read: an application that writes without end would keep the agent here.
            return false;
        }
        let mut wanted = PollFlags::empty();
        let reads = self.ended.is_none() && self.received <= MOST_BYTES;
        wanted.set(PollFlags::POLLIN, reads);
        wanted.set(PollFlags::POLLOUT, !self.outgoing.is_empty());
        if wanted.is_empty() {
            return false;
        }
        if !self.becomes_ready(wanted, timeout.idle.min(left)) {
            return false;
        }
        let wrote = self.write();
        let read = reads && self.read();
        wrote || read
    }

    /// Waits until the socket is ready or [`LOOKS`] consecutive waits have ended without that.
    fn becomes_ready(&self, wanted: PollFlags, within: Duration) -> bool {
        let look = PollTimeout::try_from(within / LOOKS).unwrap_or(PollTimeout::MAX);
        (0..LOOKS).any(|_| {
            let mut fds = [PollFd::new(self.socket.as_fd(), wanted)];
            !matches!(poll(&mut fds, look), Ok(0) | Err(nix::errno::Errno::EINTR))
        })
    }

    fn write(&mut self) -> bool {
        let Some(next) = self.outgoing.front_mut() else {
            return false;
        };
        match (&self.socket).write(next) {
            Ok(count) if count == next.len() => drop(self.outgoing.pop_front()),
            Ok(count) => drop(next.drain(..count)),
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => {
                return false;
            }
            // The application has closed the connection. What it sent before can still be read.
            Err(_) => self.outgoing.clear(),
        }
        self.shut_down_if_written();
        true
    }

    fn read(&mut self) -> bool {
        // Without quick acknowledgements an application that writes a response in pieces waits 40 ms for each, so that
        // a thousand requests take most of a minute. Other systems do not have the option.
        #[cfg(target_os = "linux")]
        let _ = self.socket.set_tcp_quickack(true);
        let mut buffer = [0; 32 << 10];
        match (&self.socket).read(&mut buffer) {
            Ok(0) => self.ended = Some(Ending::Fin),
            Ok(count) => {
                self.decoder.feed(&buffer[..count]);
                self.received += count;
            }
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => {
                return false;
            }
            Err(_) => self.ended = Some(Ending::Rst),
        }
        true
    }

    fn shut_down_if_written(&mut self) {
        if self.half_close && self.outgoing.is_empty() {
            self.half_close = false;
            // It fails only if the application has closed the connection already.
            let _ = self.socket.shutdown(std::net::Shutdown::Write);
        }
    }
}
