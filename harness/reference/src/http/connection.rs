//! The life of one connection: wait, read a head, answer, and decide whether to go on.
//!
//! What the switch means is decided by one question, whether a byte of a further request has arrived. If
//! so, the client could not know, and the request is served, with `close`. If not, an idle connection gets
//! FIN and no bytes, so that the client may send its request again elsewhere (RFC 9112 §9.3.1); one that
//! has never been used gets a grace, because its first request is probably on its way.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::exchange::Exchange;
use super::fault::{self, HttpFault};
use super::handlers;
use super::head::Head;
use super::input::Input;
use super::refusal::{ReadError, Refusal};
use super::reply::{self, Announced};
use super::settings::Settings;
use super::shared::{Mode, Shared};

pub(super) struct Connection {
    input: Input,
    mode: watch::Receiver<Mode>,
    shared: Arc<Shared>,
    /// Requests read so far.
    served: u32,
}

/// What waiting for a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    FirstByte,
    /// The peer has closed, the time is over, or the switch says so: nothing more is owed.
    End,
}

/// Serves a connection until its end, which is a FIN unless the peer is gone already.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mode = shared.watch_mode();
    let mut connection = Connection {
        input: Input::new(stream),
        mode,
        shared,
        served: 0,
    };
    // An error means that the peer is gone or does not read: there is nobody to tell.
    if connection.serve_requests().await.is_ok() && !connection.shared.has(HttpFault::ResetOnUnreadContent) {
        connection
            .input
            .close(connection.shared.settings.linger_timeout)
            .await;
    }
}

impl Connection {
    async fn serve_requests(&mut self) -> io::Result<()> {
        while self.first_byte().await? == Waited::FirstByte {
            let persists = match self.read_head().await? {
                Ok(head) => self.answer(&head).await?,
                Err(refusal) => self.refuse(refusal).await?,
            };
            let overrun = self.shared.has(HttpFault::ProcessesAfterClose) && !self.input.bytes().is_empty();
            if !persists && !overrun {
                break;
            }
        }
        Ok(())
    }

    /// Waits between requests. Empty lines before a request are none of its bytes (RFC 9112 §2.2).
    async fn first_byte(&mut self) -> io::Result<Waited> {
        let Settings {
            idle_timeout,
            unused_grace,
            ..
        } = self.shared.settings;
        let patience = if self.shared.has(HttpFault::IdleNeverTimesOut) {
            1000
        } else {
            1
        };
        let idle_end = Instant::now() + idle_timeout * patience;
        let mut grace_end = None;
        let mut is_entry = true;
        loop {
            if self.has_first_byte() {
                return Ok(Waited::FirstByte);
            }
            if self.input.has_ended() {
                return Ok(Waited::End);
            }
            let off = *self.mode.borrow_and_update() != Mode::Persist && !self.keeps_idle(is_entry);
            is_entry = false;
            if off {
                // What has arrived was sent before the client could know.
                if self.input.fill_ready()? > 0 {
                    continue;
                }
                if self.served > 0 || self.shared.has(HttpFault::UnusedClosedAtOnce) {
                    return self.end_idle().await;
                }
            }
            grace_end = off.then(|| grace_end.unwrap_or_else(|| Instant::now() + unused_grace));
            let end = grace_end.map_or(idle_end, |grace_end| grace_end.min(idle_end));
            tokio::select! {
                biased;
                filled = self.input.fill() => { filled?; }
                changed = self.mode.changed() => changed.expect("the server's state outlives its connections"),
                () = sleep_until(end) => return self.end_idle().await,
            }
        }
    }

    fn has_first_byte(&mut self) -> bool {
        if self.shared.has(HttpFault::EmptyLineRefused) {
            return !self.input.bytes().is_empty();
        }
        let bytes = self.input.bytes();
        let empty_lines = bytes
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        self.input.consume(empty_lines);
        !self.input.bytes().is_empty()
    }

    fn keeps_idle(&self, is_entry: bool) -> bool {
        let fault = if is_entry {
            HttpFault::OpenAfterSentHead
        } else {
            HttpFault::IdleLeftOpen
        };
        self.shared.has(fault)
    }

    async fn end_idle(&mut self) -> io::Result<Waited> {
        if self.shared.has(HttpFault::IdleTold408) {
            self.refuse(Refusal::Timeout).await?;
        }
        Ok(Waited::End)
    }

    async fn read_head(&mut self) -> io::Result<Result<Head, Refusal>> {
        let deadline = Instant::now() + self.shared.settings.head_timeout;
        let endless = self.shared.has(HttpFault::HeadUnlimited);
        let bytes_max = self.shared.settings.head_bytes_max * if endless { 1024 } else { 1 };
        let abort = self.served > 0 && self.shared.has(HttpFault::ClosesMidHeader);
        self.served += 1;
        loop {
            if self.shared.has(HttpFault::RepliesOutOfOrder) {
                fault::swap_pipelined(self.input.bytes_mut());
            }
            match Head::parse(self.input.bytes_mut(), &self.shared) {
                Ok(Some((head, length))) => {
                    self.input.consume(length);
                    return Ok(Ok(head));
                }
                Ok(None) if self.input.bytes().len() >= bytes_max => return Ok(Err(Refusal::Fields)),
                Ok(None) => {}
                Err(refusal) => return Ok(Err(refusal)),
            }
            let filled = if abort {
                fault::fill_unless_switched(&mut self.input, &self.mode, deadline).await
            } else {
                self.input.fill_until(deadline).await
            };
            match filled {
                Ok(0) => return Ok(Err(Refusal::Malformed)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(Err(Refusal::Timeout)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the connection goes on after the reply.
    async fn answer(&mut self, head: &Head) -> io::Result<bool> {
        let is_last = self
            .shared
            .settings
            .requests_max
            .is_some_and(|max| self.served >= max);
        let mut exchange = Exchange::new(head, &self.shared, &mut self.input, &self.mode, is_last);
        exchange.wait_as_some_do().await?;
        let mut outcome = handlers::handle(&mut exchange).await;
        let mut persists = false;
        if outcome.is_ok() {
            outcome = exchange.finish().await.map(|goes_on| persists = goes_on);
        }
        match outcome {
            Ok(()) => Ok(persists || (is_last && self.shared.has(HttpFault::CloseSaidNotDone))),
            // The reply is out or cut: closing is all that is left to say.
            Err(ReadError::Refused(_)) if exchange.has_started() => Ok(false),
            Err(ReadError::Refused(refusal)) => self.refuse(refusal).await,
            Err(ReadError::Gone(error)) => Err(error),
        }
    }

    async fn refuse(&mut self, refusal: Refusal) -> io::Result<bool> {
        let kept_open = self.shared.has(HttpFault::GarbageKeptOpen);
        let unsaid = kept_open || self.shared.has(HttpFault::CloseUnsaid);
        let announced = if unsaid {
            Announced::Nothing
        } else {
            Announced::Close
        };
        self.input
            .write(
                &reply::refusal(refusal, announced),
                self.shared.settings.write_timeout,
            )
            .await?;
        let all = self.input.bytes().len();
        self.input.consume(if kept_open { all } else { 0 });
        Ok(kept_open)
    }
}
