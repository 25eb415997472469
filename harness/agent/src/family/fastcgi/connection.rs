//! One connection of the web server: writes in their order, reads at any time, no wait without an end.
//!
//! Reading goes on while something is still to be written: an application that has to get rid of a long
//! response before it reads on would otherwise wait for us while we wait for it.

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

/// How long nothing may happen before an awaited answer is said not to come. Far more than any handler of a
/// scenario takes, so that a busy machine is not mistaken for a silent application.
const BUDGET: Duration = Duration::from_secs(3);
/// How long nothing may happen before there is silence.
pub(super) const QUIET: Duration = Duration::from_millis(120);
/// How long nothing may happen on a connection where an awaited answer has not come before.
const AFTER_HANG: Duration = Duration::from_millis(500);
/// How long a peer may not read before `send` leaves the rest for later.
const STALL: Duration = Duration::from_millis(100);
/// More than any scenario asks for; whoever sends more will not stop.
const MOST_BYTES: usize = 8 << 20;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Fin,
    Rst,
}

/// A connection and what has come in on it.
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
    /// A budget has run out once: it is not spent a second time.
    hung: bool,
}

/// When to stop waiting.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// Longest time without anything happening.
    pub(super) idle: Duration,
    /// In any case.
    pub(super) deadline: Instant,
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

    /// Writes as far as the application reads; the rest goes out while `receive` waits.
    pub(super) fn send(&mut self, writes: Vec<Vec<u8>>, deadline: Instant) {
        self.outgoing.extend(writes);
        self.unanswered = true;
        let patience = Patience {
            idle: STALL,
            deadline,
        };
        while !self.outgoing.is_empty() && self.turn(patience) {}
    }

    /// Says that nothing follows what has been sent.
    pub(super) fn half_close(&mut self) {
        self.half_close = true;
        self.unanswered = false;
        self.shut_down_if_written();
    }

    /// What a `receive` waits for without anything happening.
    pub(super) fn budget(&self, step: &Receive) -> Duration {
        match step.until.as_str() {
            "silence" => QUIET,
            _ if self.hung => AFTER_HANG,
            _ => BUDGET,
        }
    }

    /// Reads until what the step waits for, the end of the connection, or silence.
    pub(super) fn receive(&mut self, step: &Receive, deadline: Instant) -> Vec<String> {
        let idle = self.budget(step);
        // Where output may never end, waiting must.
        let deadline = match step.show {
            Show::End | Show::Once => deadline.min(Instant::now() + idle),
            _ => deadline,
        };
        let patience = Patience { idle, deadline };
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
            if !self.turn(patience) {
                self.hung |= step.until != "silence";
                transcript.say("open");
                break;
            }
        }
        transcript.lines(step.order)
    }

    /// An application that closes before it has answered what was sent may or may not have read it by then, and so
    /// sends FIN or RST: which of them says who was faster, nothing about the application.
    fn how_it_ended(&self, ending: Ending) -> &'static str {
        match ending {
            _ if self.unanswered => "closed",
            Ending::Fin => "FIN",
            Ending::Rst => "RST",
        }
    }

    /// Lets come in what comes within the time.
    pub(super) fn peek(&mut self, within: Duration) {
        if self.ended.is_none() && self.decoder.is_empty() {
            let deadline = Instant::now() + within;
            self.turn(Patience {
                idle: within,
                deadline,
            });
        }
    }

    /// Whether anything has come, or comes before there is silence.
    pub(super) fn is_answered(&mut self, deadline: Instant) -> bool {
        let patience = Patience {
            idle: QUIET,
            deadline,
        };
        while self.received == 0 && self.ended.is_none() && self.turn(patience) {}
        self.received > 0 || self.ended.is_some()
    }

    /// Whether something has come or the connection has ended, without waiting.
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

    /// What makes further reading pointless.
    fn gone_wrong(&self) -> Option<String> {
        if let Some(version) = self.decoder.peek_version().filter(|version| *version != VERSION) {
            return Some(format!("no record: it begins with {version}"));
        }
        (self.received > MOST_BYTES).then(|| format!("more than {} MiB", MOST_BYTES >> 20))
    }

    /// Waits for the socket once, and writes and reads what can be. Returns whether anything happened.
    fn turn(&mut self, patience: Patience) -> bool {
        let left = patience.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            // There may be more: an application that writes faster than we read would never let us go.
            return false;
        }
        let mut wanted = PollFlags::empty();
        let reads = self.ended.is_none() && self.received <= MOST_BYTES;
        wanted.set(PollFlags::POLLIN, reads);
        wanted.set(PollFlags::POLLOUT, !self.outgoing.is_empty());
        if wanted.is_empty() {
            return false;
        }
        let mut fds = [PollFd::new(self.socket.as_fd(), wanted)];
        let timeout = PollTimeout::try_from(patience.idle.min(left)).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(0) => return false,
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return false,
        }
        let wrote = self.write();
        let read = reads && self.read();
        wrote || read
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
            // The application has gone; what it has said before can still be read.
            Err(_) => self.outgoing.clear(),
        }
        self.shut_down_if_written();
        true
    }

    fn read(&mut self) -> bool {
        // An application that writes a response in pieces would otherwise wait 40 ms for each acknowledgement, and a
        // thousand requests for most of a minute. Where the system has no such option, they do.
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
            // Where the application has gone there is nothing left to shut down.
            let _ = self.socket.shutdown(std::net::Shutdown::Write);
        }
    }
}
