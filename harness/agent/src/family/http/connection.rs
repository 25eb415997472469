//! One connection of the client: what was written, what came back, how it ended.
//!
//! A write that fails is not the case's failure: a server may close while the client still writes, and what
//! it said before is on the socket. The end is remembered, so that every later `receive` can say it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use reusespec_wire::http1::{
    Closing, ConnectionEnd, Limits, Reader, ReplyPoint, Request, RequestKind, RequestPoint, SplitError, Tail,
    Transcript,
};
use socket2::SockRef;

use super::request::{Outgoing, RequestLines};
use crate::listen_addr::{Connected, ListenAddr};

/// How long a connection attempt, or one write, may take.
const WRITE_WITHIN: Duration = Duration::from_secs(2);
const READ_BYTES: usize = 64 << 10;

pub(super) struct Connection {
    stream: TcpStream,
    reader: Reader,
    lines: RequestLines,
    replies: u32,
    request: RequestPoint,
    closing: Option<Closing>,
    /// Whether the transcript has the end already.
    told: bool,
    transcript: Transcript,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        let Connected { socket, is_reset } = ListenAddr::Tcp(address).connect(WRITE_WITHIN)?;
        socket.set_write_timeout(Some(WRITE_WITHIN))?;
        Ok(Self {
            stream: socket.into(),
            reader: Reader::new(Limits::default()),
            lines: RequestLines::default(),
            replies: 0,
            request: RequestPoint::AfterLastByte,
            closing: is_reset.then_some(Closing::Reset),
            told: false,
            transcript: Transcript::default(),
        })
    }

    pub(super) fn send(&mut self, outgoing: &Outgoing) -> Result<(), SplitError> {
        self.ask(&outgoing.requests);
        if !outgoing.raw.is_empty() {
            self.lines
                .feed(&outgoing.raw)
                .into_iter()
                .for_each(|request| self.reader.expect_reply(request));
            self.transcript.sent_raw(&outgoing.raw);
        }
        self.ask(&outgoing.behind);
        let bytes = outgoing.bytes();
        for piece in outgoing.pieces(&bytes)? {
            if let Err(error) = self.stream.write_all(piece) {
                self.write_failed(&error);
                break;
            }
        }
        Ok(())
    }

    fn ask(&mut self, requests: &[Request]) {
        for request in requests {
            self.reader.expect_reply(RequestKind::of_method(&request.method));
            self.transcript.sent(request);
        }
    }

    /// What a failed write says about the peer. Linux answers EPIPE once a reset has followed a FIN.
    fn write_failed(&mut self, error: &io::Error) {
        match error.kind() {
            ErrorKind::BrokenPipe if self.closing != Some(Closing::Reset) => {
                self.closing = Some(Closing::FinThenReset);
            }
            ErrorKind::ConnectionReset => self.closing = Some(Closing::Reset),
            // Nobody reads: the peer has done nothing to the connection.
            _ => {}
        }
        self.request = RequestPoint::BeforeLastByte;
        self.drain();
    }

    /// Reads until so many more replies have come, the connection has ended, or the time is over.
    pub(super) fn receive(&mut self, count: u32, within: Duration) {
        let until = Instant::now() + within;
        let wanted = self.replies + count;
        while self.replies < wanted && self.closing.is_none() && self.read_by(until) {}
    }

    /// Reads until the connection has ended or the time is over.
    pub(super) fn receive_end(&mut self, within: Duration) {
        let until = Instant::now() + within;
        while self.closing.is_none() && self.read_by(until) {}
    }

    /// Reads until nothing has come for so many looks in a row, the connection has ended, or the time is over.
    ///
    /// Looks and not one long wait: on a busy machine each look is late, and so the server, which needs the same
    /// processors, is given more time before its silence counts.
    pub(super) fn receive_silence(&mut self, looks: u32, each: Duration, within: Duration) {
        let until = Instant::now() + within;
        let mut silent = 0;
        while silent < looks && self.closing.is_none() && Instant::now() < until {
            silent = if self.read_by(Instant::now() + each) {
                0
            } else {
                silent + 1
            };
        }
    }

    /// Whether another look may bring more: false once the time is over.
    fn read_by(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
            return false;
        }
        self.read()
    }

    fn read(&mut self) -> bool {
        let mut bytes = vec![0; READ_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.end(Closing::Fin),
            Ok(count) => self.reader.feed(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return false;
            }
            Err(_) => self.end(Closing::Reset),
        }
        self.take();
        true
    }

    /// Takes what the peer said before its end; nothing more can come.
    fn drain(&mut self) {
        let mut bytes = vec![0; READ_BYTES];
        if self.stream.set_nonblocking(true).is_ok() {
            while let Ok(count @ 1..) = self.stream.read(&mut bytes) {
                self.reader.feed(&bytes[..count]);
                self.take();
            }
            // A socket that cannot be made to wait again is read without waiting.
            let _ = self.stream.set_nonblocking(false);
        }
    }

    fn end(&mut self, closing: Closing) {
        self.closing.get_or_insert(closing);
    }

    fn take(&mut self) {
        while let Some(response) = self.reader.next_response() {
            self.replies += 1;
            self.transcript.received(&response);
        }
    }

    pub(super) fn half_close(&mut self) {
        self.transcript.performed("half-close");
        // Refused only where the connection has ended already, and that is told with the end.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Sends RST; nothing can be received afterwards.
    pub(super) fn reset(self) -> io::Result<()> {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }

    /// Notes something that was done to the server.
    pub(super) fn did(&mut self, what: &str) {
        self.transcript.performed(what);
    }

    /// Whether the peer has ended the connection.
    pub(super) fn has_ended(&self) -> bool {
        self.closing.is_some()
    }

    /// Writes down how the connection stands: ended and how, or open.
    pub(super) fn tell_state(&mut self) {
        let point = self.reader.point();
        // No reply can follow in a tunnel or behind what is none: what came there is told though the connection is open.
        let over = self.closing.is_some() || point == ReplyPoint::Unknown;
        if over && !std::mem::replace(&mut self.told, true) {
            let tail = self.reader.finish();
            self.take();
            if tail != Tail::Nothing {
                self.transcript.remaining(&tail);
            }
        }
        self.transcript.ended(&ConnectionEnd {
            closing: self.closing.unwrap_or(Closing::Open),
            reply: point,
            request: self.request,
        });
    }

    /// The lines since the last call.
    pub(super) fn take_lines(&mut self) -> Vec<String> {
        let transcript = std::mem::take(&mut self.transcript);
        transcript.to_string().lines().map(str::to_owned).collect()
    }
}
