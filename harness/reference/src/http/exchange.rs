//! One request and its reply, as a handler sees them.
//!
//! Whether the connection goes on is decided when the reply's head is written, because that is where it can
//! be said: from then on only a failure changes it. Content nobody read counts in that decision: a little
//! of known length is worth reading to keep the connection, anything else means `close`.

use std::io;

use tokio::sync::watch;
use tokio::time::Instant;

use super::body::Body;
use super::fault::{self, HttpFault};
use super::head::{Expect, Head};
use super::input::Input;
use super::persistence::Version;
use super::query::Query;
use super::refusal::{ReadError, Refusal};
use super::reply::{self, Announced, ReplyFraming};
use super::shared::{Mode, Shared};

/// Bytes of a reply that are collected before they are written.
const WRITE_BYTES: usize = 64 << 10;
/// Unwritten bytes at the end of a reply that make it a long one, for the fault that cuts those.
const LONG_BYTES: usize = 16 << 10;

struct Reply {
    framing: ReplyFraming,
    /// Bytes of a known length still owed.
    left: u64,
    /// A reply to HEAD: the head says what a GET would get, the content stays away (RFC 9110 §9.3.2).
    muted: bool,
    persists: bool,
}

pub(super) struct Exchange<'c> {
    pub(super) head: &'c Head,
    pub(super) shared: &'c Shared,
    input: &'c mut Input,
    mode: &'c watch::Receiver<Mode>,
    mode_at_start: Mode,
    /// Whether the limit of requests on this connection is reached.
    is_last: bool,
    close_asked: bool,
    expects_continue: bool,
    body: Body,
    reply: Option<Reply>,
    out: Vec<u8>,
}

impl<'c> Exchange<'c> {
    pub(super) fn new(
        head: &'c Head,
        shared: &'c Shared,
        input: &'c mut Input,
        mode: &'c watch::Receiver<Mode>,
        is_last: bool,
    ) -> Self {
        let body = Body::new(head.framing);
        Self {
            head,
            shared,
            input,
            mode_at_start: *mode.borrow(),
            mode,
            is_last,
            close_asked: false,
            expects_continue: head.expect == Expect::Continue && !body.is_done(),
            body,
            reply: None,
            out: Vec::new(),
        }
    }

    pub(super) fn query(&self) -> Query<'c> {
        Query(&self.head.query)
    }

    pub(super) fn has_started(&self) -> bool {
        self.reply.is_some()
    }

    /// The handler wants this reply to be the last on its connection.
    pub(super) fn ask_close(&mut self) {
        self.close_asked = true;
    }

    /// All of the content; refused past `body_bytes_max`.
    pub(super) async fn collect(&mut self) -> Result<Vec<u8>, ReadError> {
        let max = self.shared.settings.body_bytes_max;
        if matches!(self.body, Body::Length { left } if left > max) {
            return Err(Refusal::Content.into());
        }
        let mut content = Vec::new();
        while !self.advance(&mut content).await? {
            if content.len() as u64 > max {
                return Err(Refusal::Content.into());
            }
        }
        Ok(content)
    }

    /// Reads the content away; refused past `body_bytes_max`.
    pub(super) async fn discard(&mut self) -> Result<(), ReadError> {
        let mut content = Vec::new();
        let mut total = 0;
        while !self.advance(&mut content).await? {
            total += content.len() as u64;
            content.clear();
            if total > self.shared.settings.body_bytes_max {
                return Err(Refusal::Content.into());
            }
        }
        Ok(())
    }

    /// Takes what has arrived; waits for more where the content is not complete. True once it is.
    async fn advance(&mut self, content: &mut Vec<u8>) -> Result<bool, ReadError> {
        let taken = self.body.take(self.input.bytes(), content, self.shared)?;
        self.input.consume(taken);
        // A client that sends content at once does not wait for the 100 (RFC 9110 §10.1.1).
        self.expects_continue &= taken == 0;
        if self.body.is_done() {
            return Ok(true);
        }
        self.send_continue().await?;
        let deadline = Instant::now() + self.shared.settings.body_timeout;
        let filled = if self.shared.has(HttpFault::BodyDroppedOnDisable) {
            fault::fill_unless_switched(self.input, self.mode, deadline).await
        } else {
            self.input.fill_until(deadline).await
        };
        match filled {
            Ok(0) if self.shared.has(HttpFault::TruncatedContentServed) => {
                self.body = Body::Done;
                Ok(true)
            }
            // The end of the stream inside content: an incomplete request (RFC 9112 §8).
            Ok(0) => Err(Refusal::Malformed.into()),
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(Refusal::Timeout.into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn send_continue(&mut self) -> Result<(), ReadError> {
        let due = std::mem::take(&mut self.expects_continue) && self.reply.is_none();
        if !due || self.shared.has(HttpFault::ContinueNeverSent) {
            return Ok(());
        }
        let bytes: &[u8] = if self.shared.has(HttpFault::CloseInContinue) {
            b"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n"
        } else {
            b"HTTP/1.1 100 Continue\r\n\r\n"
        };
        Ok(self
            .input
            .write(bytes, self.shared.settings.write_timeout)
            .await?)
    }

    /// A reply whose content is at hand.
    pub(super) async fn reply(&mut self, status: u16, content: &[u8]) -> Result<(), ReadError> {
        self.start(status, Some(content.len() as u64), "")?;
        self.write(content).await
    }

    /// Begins a reply: `length` of its content where it is known, further field lines with their CRLF.
    pub(super) fn start(&mut self, status: u16, length: Option<u64>, fields: &str) -> Result<(), ReadError> {
        self.fail_as_some_do()?;
        let framing = self.reply_framing(status, length);
        let persists = self.may_persist(framing);
        let announced = self.announced(persists);
        reply::write_head(&mut self.out, status, framing, announced, fields);
        let left = match framing {
            ReplyFraming::Length(length) => length,
            _ => 0,
        };
        let muted = self.head.method == "HEAD" && !self.shared.has(HttpFault::HeadWithContent);
        self.reply = Some(Reply {
            framing,
            left,
            muted,
            persists,
        });
        if self.shared.has(HttpFault::NotModifiedWithContent) && status == 304 {
            self.out.extend_from_slice(b"not modified");
        }
        Ok(())
    }

    /// RFC 9112 §6.3 from a server's side: never a length with 204, never chunked to HTTP/1.0.
    fn reply_framing(&self, status: u16, length: Option<u64>) -> ReplyFraming {
        match (status, length, self.head.version) {
            (204, ..) if self.shared.has(HttpFault::NoContentWithLength) => ReplyFraming::Length(0),
            (204 | 304, ..) => ReplyFraming::Empty,
            (_, Some(length), _) => ReplyFraming::Length(length),
            (_, None, Version::V11) => ReplyFraming::Chunked,
            (_, None, Version::V10) if self.shared.has(HttpFault::ChunkedTo10) => ReplyFraming::Chunked,
            (_, None, Version::V10) => ReplyFraming::UntilClose,
        }
    }

    fn may_persist(&self, framing: ReplyFraming) -> bool {
        let told_to_close = self.close_asked && !self.shared.has(HttpFault::HandlerCloseIgnored);
        self.head.persists
            && framing != ReplyFraming::UntilClose
            && *self.mode.borrow() == Mode::Persist
            && !told_to_close
            && !self.is_last
            && self.can_skip_content()
            && !self.shared.has(HttpFault::NeverPersists)
    }

    /// Whether what is left of the content can be read away after the reply. A client that waits for a 100
    /// it will not get may send the content or not (RFC 9110 §10.1.1), so there the answer is no.
    fn can_skip_content(&self) -> bool {
        match self.body {
            Body::Done => true,
            _ if self.shared.has(HttpFault::ContentLeftInStream) => true,
            Body::Length { left } => !self.expects_continue && left <= self.shared.settings.discard_bytes_max,
            _ => false,
        }
    }

    fn announced(&self, persists: bool) -> Announced {
        let old = self.head.version == Version::V10;
        let has = |fault| self.shared.has(fault);
        if persists {
            let said = old && !has(HttpFault::KeepAliveUnsaidTo10);
            return if said {
                Announced::KeepAlive
            } else {
                Announced::Nothing
            };
        }
        if has(HttpFault::KeepAliveToldTo10) && old && self.head.persists {
            return Announced::KeepAlive;
        }
        let unsaid = has(HttpFault::CloseUnsaid) || (self.is_last && has(HttpFault::LimitUnannounced));
        if unsaid {
            Announced::Nothing
        } else {
            Announced::Close
        }
    }

    /// Content of a reply that has been started.
    pub(super) async fn write(&mut self, content: &[u8]) -> Result<(), ReadError> {
        let reply = self.reply.as_mut().expect("start() comes before write()");
        if reply.muted || content.is_empty() {
            return Ok(());
        }
        match reply.framing {
            ReplyFraming::Empty => return Ok(()),
            ReplyFraming::Length(_) => reply.left = reply.left.saturating_sub(content.len() as u64),
            ReplyFraming::Chunked => self
                .out
                .extend_from_slice(format!("{:x}\r\n", content.len()).as_bytes()),
            ReplyFraming::UntilClose => {}
        }
        self.out.extend_from_slice(content);
        if reply.framing == ReplyFraming::Chunked {
            self.out.extend_from_slice(b"\r\n");
        }
        if self.out.len() >= WRITE_BYTES {
            self.flush().await
        } else {
            Ok(())
        }
    }

    /// Puts on the wire what has been written.
    pub(super) async fn flush(&mut self) -> Result<(), ReadError> {
        self.input
            .write(&self.out, self.shared.settings.write_timeout)
            .await?;
        self.out.clear();
        Ok(())
    }

    /// Ends the reply and reads away what is left of the request; whether the connection goes on.
    pub(super) async fn finish(&mut self) -> Result<bool, ReadError> {
        let reply = self.reply.as_ref().expect("every handler starts a reply");
        if reply.framing == ReplyFraming::Chunked && !reply.muted {
            self.out.extend_from_slice(b"0\r\n\r\n");
        }
        // Less content than announced: only the end of the connection tells the client (RFC 9112 §8).
        let short = reply.left > 0 && !reply.muted && !self.shared.has(HttpFault::ShortReplyReused);
        let persists = reply.persists && !short;
        if self.shared.has(HttpFault::LongReplyCut) && self.out.len() > LONG_BYTES {
            self.out.truncate(LONG_BYTES);
            self.flush().await?;
            return Ok(false);
        }
        self.flush().await?;
        if persists && !self.shared.has(HttpFault::ContentLeftInStream) {
            self.discard().await?;
        }
        Ok(persists)
    }

    /// What some do before the handler has the request.
    pub(super) async fn wait_as_some_do(&mut self) -> io::Result<()> {
        if self.expects_continue && self.shared.has(HttpFault::ContinueNeverSent) {
            let deadline = Instant::now() + self.shared.settings.body_timeout;
            fault::await_content(self.input, deadline).await?;
        }
        Ok(())
    }

    fn fail_as_some_do(&mut self) -> io::Result<()> {
        let gone = Err(io::ErrorKind::ConnectionAborted.into());
        if self.head.offers_upgrade && self.shared.has(HttpFault::UnknownUpgraded) {
            self.out
                .extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n");
        }
        if self.shared.has(HttpFault::InFlightDroppedOnDisable) && *self.mode.borrow() != self.mode_at_start {
            return gone;
        }
        if self.shared.has(HttpFault::HalfClosedDropped) {
            while self.input.fill_ready()? > 0 {}
            if self.input.has_ended() {
                return gone;
            }
        }
        Ok(())
    }
}
