//! One request and its reply, as a handler sees them.
//!
//! The server decides whether the connection goes on when it writes the reply's head, because the head announces it.
//! After that only a failure changes the decision. Unread content counts: the server reads and drops up to
//! `discard_bytes_max` bytes of known length to keep the connection, and says `close` otherwise.

use std::io;

use tokio::sync::watch;
use tokio::time::Instant;

use super::body::Body;
use super::head::{Expect, Head};
use super::input::Input;
use super::persistence::Version;
use super::query::Query;
use super::refusal::{ReadError, Refusal};
use super::reply::{self, Announced, ReplyFraming};
use super::shared::{Mode, Shared};

/// Bytes of a reply that are buffered before they are written.
const WRITE_BYTES: usize = 64 << 10;
const INTERIM_REPLY: &str = "HTTP/1.1 100 Continue\r\n\r\n";

struct Reply {
    framing: ReplyFraming,
    /// Bytes of an announced length that are not written yet.
    left: u64,
    /// A reply to HEAD has the head of a reply to GET and no content (RFC 9110 §9.3.2).
    omits_content: bool,
    persists: bool,
}

pub(super) struct Exchange<'c> {
    pub(super) head: &'c Head,
    pub(super) shared: &'c Shared,
    pub(super) input: &'c mut Input,
    pub(super) mode: &'c watch::Receiver<Mode>,
    /// The switch when the request was read; only a hook reads this.
    pub(super) mode_at_start: Mode,
    /// Whether the limit of requests on this connection is reached.
    is_last: bool,
    close_asked: bool,
    pub(super) expects_continue: bool,
    body: Body,
    reply: Option<Reply>,
    pub(super) out: Vec<u8>,
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

    /// Makes this reply the last on its connection, at the handler's request.
    pub(super) fn ask_close(&mut self) {
        self.close_asked = self.shared.hooks.close_asked(true);
    }

    /// Reads all of the content; refuses more than `body_bytes_max`.
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

    /// Reads and drops the content; refuses more than `body_bytes_max`.
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

    /// Decodes what has arrived, and waits for more if the content is incomplete. Returns whether it is complete.
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
        let hooks = self.shared.hooks;
        match hooks.fill_content(self.input, self.mode, deadline).await {
            // The stream ends inside the content: the request is incomplete (RFC 9112 §8).
            Ok(0) => Ok(hooks.truncated_content(&mut self.body, Err(Refusal::Malformed))?),
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(Refusal::Timeout.into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn send_continue(&mut self) -> Result<(), ReadError> {
        if std::mem::take(&mut self.expects_continue) && self.reply.is_none() {
            let interim = self.shared.hooks.interim_reply(INTERIM_REPLY);
            self.input
                .write(interim.as_bytes(), self.shared.settings.write_timeout)
                .await?;
        }
        Ok(())
    }

    /// Sends a reply with all of its content.
    pub(super) async fn reply(&mut self, status: u16, content: &[u8]) -> Result<(), ReadError> {
        self.start(status, Some(content.len() as u64), "")?;
        self.write(content).await
    }

    /// Begins a reply. `length` is that of its content, where known; `fields` are further lines with their CRLF.
    pub(super) fn start(&mut self, status: u16, length: Option<u64>, fields: &str) -> Result<(), ReadError> {
        let hooks = self.shared.hooks;
        hooks.before_reply(self)?;
        let framing = hooks.reply_framing(status, self.reply_framing(status, length));
        let persists = hooks.may_persist(self.may_persist(framing));
        let announced = hooks.announced(self.head, self.is_last, self.announced(persists));
        reply::write_head(&mut self.out, status, framing, announced, fields);
        let left = match framing {
            ReplyFraming::Length(length) => length,
            ReplyFraming::Empty | ReplyFraming::Chunked | ReplyFraming::UntilClose => 0,
        };
        self.reply = Some(Reply {
            framing,
            left,
            omits_content: hooks.omits_content(self.head.method == "HEAD"),
            persists,
        });
        hooks.after_head(status, &mut self.out);
        Ok(())
    }

    /// RFC 9112 §6.3 from a server's side: never a length with 204, never chunked to HTTP/1.0.
    fn reply_framing(&self, status: u16, length: Option<u64>) -> ReplyFraming {
        match (status, length, self.head.version) {
            (204 | 304, ..) => ReplyFraming::Empty,
            (_, Some(length), _) => ReplyFraming::Length(length),
            (_, None, Version::V11) => ReplyFraming::Chunked,
            (_, None, Version::V10) => ReplyFraming::UntilClose,
        }
    }

    fn may_persist(&self, framing: ReplyFraming) -> bool {
        self.head.persists
            && framing != ReplyFraming::UntilClose
            && *self.mode.borrow() == Mode::Persist
            && !self.close_asked
            && !self.is_last
            && self.shared.hooks.can_skip_content(self.can_skip_content())
    }

    /// Whether the unread content can be read and dropped after the reply. A client that waits for a 100 and does not
    /// get it may or may not send the content (RFC 9110 §10.1.1), so then the answer is no.
    fn can_skip_content(&self) -> bool {
        match self.body {
            Body::Done => true,
            Body::Length { left } => !self.expects_continue && left <= self.shared.settings.discard_bytes_max,
            Body::ChunkSize | Body::ChunkData { .. } | Body::ChunkEnd | Body::Trailers => false,
        }
    }

    fn announced(&self, persists: bool) -> Announced {
        match (persists, self.head.version) {
            (true, Version::V10) => Announced::KeepAlive,
            (true, Version::V11) => Announced::Nothing,
            (false, _) => Announced::Close,
        }
    }

    /// Writes content of a reply that has been started.
    pub(super) async fn write(&mut self, content: &[u8]) -> Result<(), ReadError> {
        let reply = self.reply.as_mut().expect("start() comes before write()");
        if reply.omits_content || content.is_empty() {
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

    /// Sends what has been written.
    pub(super) async fn flush(&mut self) -> Result<(), ReadError> {
        self.input
            .write(&self.out, self.shared.settings.write_timeout)
            .await?;
        self.out.clear();
        Ok(())
    }

    /// Ends the reply and drops the rest of the request. Returns whether the connection goes on.
    pub(super) async fn finish(&mut self) -> Result<bool, ReadError> {
        let hooks = self.shared.hooks;
        let reply = self.reply.as_ref().expect("every handler starts a reply");
        if reply.framing == ReplyFraming::Chunked && !reply.omits_content {
            self.out.extend_from_slice(b"0\r\n\r\n");
        }
        // With less content than announced, only the end of the connection ends the reply (RFC 9112 §8).
        let is_short = hooks.is_short(reply.left > 0 && !reply.omits_content);
        let persists = hooks.before_last_write(&mut self.out, reply.persists && !is_short);
        self.flush().await?;
        if hooks.skips_content(persists) {
            self.discard().await?;
        }
        Ok(persists)
    }
}
