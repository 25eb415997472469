//! One connection of the client: the requests written, the replies received, and its end.
//!
//! A failed write is no error of the case. A server may close while the client still writes, and its reply can still be
//! read from the socket. The end is remembered, so that every later `receive` shows it.

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

/// Timeout of a connection attempt, and of one write.
const WRITE_WITHIN: Duration = Duration::from_secs(2);
const READ_BYTES: usize = 64 << 10;

pub(super) struct Connection {
    stream: TcpStream,
    reader: Reader,
    lines: RequestLines,
    replies: u32,
    request: RequestPoint,
    closing: Option<Closing>,
    /// Whether the end is already part of a transcript.
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

    /// Derives the end of the connection from a failed write. Linux fails with EPIPE when RST has followed FIN.
    fn write_failed(&mut self, error: &io::Error) {
        let kind = error.kind();
        if kind == ErrorKind::BrokenPipe && self.closing != Some(Closing::Reset) {
            self.closing = Some(Closing::FinThenReset);
        } else if kind == ErrorKind::ConnectionReset {
            self.closing = Some(Closing::Reset);
        }
        // Otherwise the write timed out: the peer does not read, but the connection is open.
        self.request = RequestPoint::BeforeLastByte;
        self.drain();
    }

    /// Reads until `count` more replies have come, the connection has ended, or the timeout has expired.
    pub(super) fn receive(&mut self, count: u32, within: Duration) {
        let until = Instant::now() + within;
        let wanted = self.replies + count;
        while self.replies < wanted && self.closing.is_none() && self.read_by(until) {}
    }

    /// Reads until the connection has ended or the timeout has expired.
    pub(super) fn receive_end(&mut self, within: Duration) {
        let until = Instant::now() + within;
        while self.closing.is_none() && self.read_by(until) {}
    }

    /// Reads until nothing has come in `looks` consecutive reads, the connection has ended, or the timeout has expired.
    ///
    /// Many short reads are better than a long one. On a busy machine each of them takes longer than its timeout, so
    /// that the server, which needs the same processors, gets more time.
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

    /// Reads once. Returns false if nothing came until then.
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

    /// Reads what the peer sent before its end. Nothing more can come.
    fn drain(&mut self) {
        let mut bytes = vec![0; READ_BYTES];
        if self.stream.set_nonblocking(true).is_ok() {
            while let Ok(count @ 1..) = self.stream.read(&mut bytes) {
                self.reader.feed(&bytes[..count]);
                self.take();
            }
            // If the socket stays non-blocking, later reads only do not wait.
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
        // It fails only if the connection has ended already. The transcript shows that end.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Sends RST. Nothing can be received afterwards.
    pub(super) fn reset(self) -> io::Result<()> {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }

    /// Adds an action on the server to the transcript.
    pub(super) fn did(&mut self, what: &str) {
        self.transcript.performed(what);
    }

    /// Whether the peer has ended the connection.
    pub(super) fn has_ended(&self) -> bool {
        self.closing.is_some()
    }

    /// Adds the state of the connection to the transcript: open, or how it ended.
    pub(super) fn tell_state(&mut self) {
        let point = self.reader.point();
        // In a tunnel, or after bytes that are no reply, no further reply can follow. What came there is shown although
        // the connection is open.
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
