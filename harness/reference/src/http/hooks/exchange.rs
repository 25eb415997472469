//! Faults in one request and its reply.

use std::io;

use tokio::sync::watch;
use tokio::time::Instant;

use super::super::body::Body;
use super::super::exchange::Exchange;
use super::super::head::Head;
use super::super::input::Input;
use super::super::persistence::Version;
use super::super::refusal::Refusal;
use super::super::reply::{Announced, ReplyFraming};
use super::super::shared::Mode;
use super::connection::fill_unless_switched;
use super::{Hooks, HttpFault};

/// Unwritten bytes at the end of a reply above which `LongReplyCut` cuts it.
const LONG_BYTES: usize = 16 << 10;

impl Hooks {
    /// Reads more content, as [`Input::fill_until`] does.
    pub(in crate::http) async fn fill_content(
        self,
        input: &mut Input,
        mode: &watch::Receiver<Mode>,
        deadline: Instant,
    ) -> io::Result<usize> {
        if self.has(HttpFault::BodyDroppedOnDisable) {
            return fill_unless_switched(input, mode, deadline).await;
        }
        input.fill_until(deadline).await
    }

    /// Whether content that the end of the stream has cut counts as complete.
    pub(in crate::http) fn truncated_content(
        self,
        body: &mut Body,
        decided: Result<bool, Refusal>,
    ) -> Result<bool, Refusal> {
        if self.has(HttpFault::TruncatedContentServed) {
            *body = Body::Done;
            return Ok(true);
        }
        decided
    }

    /// The bytes of the interim reply 100.
    pub(in crate::http) fn interim_reply(self, decided: &'static str) -> &'static str {
        if self.has(HttpFault::ContinueNeverSent) {
            ""
        } else if self.has(HttpFault::CloseInContinue) {
            "HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n"
        } else {
            decided
        }
    }

    /// Whether the handler's wish to close is obeyed.
    pub(in crate::http) fn close_asked(self, decided: bool) -> bool {
        decided && !self.has(HttpFault::HandlerCloseIgnored)
    }

    /// Runs before the head of a reply is written.
    pub(in crate::http) fn before_reply(self, exchange: &mut Exchange<'_>) -> io::Result<()> {
        let gone = Err(io::ErrorKind::ConnectionAborted.into());
        if self.has(HttpFault::UnknownUpgraded) && exchange.head.offers_upgrade {
            exchange
                .out
                .extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n");
        }
        if self.has(HttpFault::InFlightDroppedOnDisable) && *exchange.mode.borrow() != exchange.mode_at_start
        {
            return gone;
        }
        if self.has(HttpFault::HalfClosedDropped) {
            while exchange.input.fill_ready()? > 0 {}
            if exchange.input.has_ended() {
                return gone;
            }
        }
        Ok(())
    }

    pub(in crate::http) fn reply_framing(self, status: u16, decided: ReplyFraming) -> ReplyFraming {
        if self.has(HttpFault::NoContentWithLength) && status == 204 {
            ReplyFraming::Length(0)
        } else if self.has(HttpFault::ChunkedTo10) && decided == ReplyFraming::UntilClose {
            ReplyFraming::Chunked
        } else {
            decided
        }
    }

    /// Whether the reply's head announces that the connection goes on.
    pub(in crate::http) fn may_persist(self, decided: bool) -> bool {
        decided && !self.has(HttpFault::NeverPersists)
    }

    /// Whether unread content still allows the connection to go on.
    pub(in crate::http) fn can_skip_content(self, decided: bool) -> bool {
        decided || self.has(HttpFault::ContentLeftInStream)
    }

    /// Whether unread content is read and dropped after the reply.
    pub(in crate::http) fn skips_content(self, decided: bool) -> bool {
        decided && !self.has(HttpFault::ContentLeftInStream)
    }

    /// The `Connection` option of a reply; `is_last` at the limit of requests.
    pub(in crate::http) fn announced(self, head: &Head, is_last: bool, decided: Announced) -> Announced {
        let asked_by_10 = head.version == Version::V10 && head.persists;
        match decided {
            Announced::KeepAlive if self.has(HttpFault::KeepAliveUnsaidTo10) => Announced::Nothing,
            Announced::Close if self.has(HttpFault::KeepAliveToldTo10) && asked_by_10 => Announced::KeepAlive,
            Announced::Close if self.has(HttpFault::CloseUnsaid) => Announced::Nothing,
            Announced::Close if self.has(HttpFault::LimitUnannounced) && is_last => Announced::Nothing,
            Announced::Nothing | Announced::KeepAlive | Announced::Close => decided,
        }
    }

    /// Whether the content of a reply is left out.
    pub(in crate::http) fn omits_content(self, decided: bool) -> bool {
        decided && !self.has(HttpFault::HeadWithContent)
    }

    /// Runs after the head of a reply has been written to `out`.
    pub(in crate::http) fn after_head(self, status: u16, out: &mut Vec<u8>) {
        if self.has(HttpFault::NotModifiedWithContent) && status == 304 {
            out.extend_from_slice(b"not modified");
        }
    }

    /// Whether the reply has less content than it announced, so that the connection has to close.
    pub(in crate::http) fn is_short(self, decided: bool) -> bool {
        decided && !self.has(HttpFault::ShortReplyReused)
    }

    /// Whether the connection goes on after the last bytes of a reply, which `out` holds.
    pub(in crate::http) fn before_last_write(self, out: &mut Vec<u8>, decided: bool) -> bool {
        if self.has(HttpFault::LongReplyCut) && out.len() > LONG_BYTES {
            out.truncate(LONG_BYTES);
            return false;
        }
        decided
    }
}
