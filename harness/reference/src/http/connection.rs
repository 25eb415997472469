//! Runs one connection: wait for a request, read its head, answer, and decide whether to go on.
//!
//! When keep-alives are switched off, the connection depends on whether a byte of another request has arrived. If so,
//! the client sent it before it could know, and the server answers with `close`. If not, an idle connection gets FIN
//! and no bytes, so that the client may retry elsewhere (RFC 9112 §9.3.1). A connection without any request gets a
//! grace, because its first request is probably in flight.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::exchange::Exchange;
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
    /// Requests begun so far.
    served: u32,
}

/// The result of waiting for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    FirstByte,
    /// The peer has closed, the wait timed out, or keep-alives are off: the connection ends without a reply.
    End,
}

/// Serves a connection until it ends, with FIN unless the peer is gone.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mode = shared.watch_mode();
    let mut connection = Connection {
        input: Input::new(stream),
        mode,
        shared,
        served: 0,
    };
    // After an error the peer is gone or does not read, so the error has no receiver.
    if connection.serve_requests().await.is_ok() && connection.shared.hooks.lingers() {
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
            if !self.shared.hooks.goes_on(self.input.bytes(), persists) {
                break;
            }
        }
        Ok(())
    }

    /// Waits for the first byte of a request. Empty lines before the request line do not count (RFC 9112 §2.2).
    async fn first_byte(&mut self) -> io::Result<Waited> {
        let Settings {
            idle_timeout,
            unused_grace,
            ..
        } = self.shared.settings;
        let hooks = self.shared.hooks;
        let idle_end = Instant::now() + hooks.idle_timeout(idle_timeout);
        let mut grace_end = None;
        let mut is_off = hooks.is_off_before_wait(self.is_off());
        loop {
            if self.has_first_byte() {
                return Ok(Waited::FirstByte);
            }
            if self.input.has_ended() {
                return Ok(Waited::End);
            }
            if is_off {
                // The client sent what has arrived before it could know.
                if self.input.fill_ready()? > 0 {
                    continue;
                }
                if hooks.has_been_used(self.served > 0) {
                    return self.end_idle().await;
                }
            }
            grace_end = is_off.then(|| grace_end.unwrap_or_else(|| Instant::now() + unused_grace));
            let end = grace_end.map_or(idle_end, |grace_end| grace_end.min(idle_end));
            tokio::select! {
                biased;
                filled = self.input.fill() => { filled?; }
                changed = self.mode.changed() => changed.expect("the server's state outlives its connections"),
                () = sleep_until(end) => return self.end_idle().await,
            }
            is_off = hooks.is_off_during_wait(self.is_off());
        }
    }

    /// Whether keep-alives are off; marks the state of the switch as seen.
    fn is_off(&mut self) -> bool {
        *self.mode.borrow_and_update() != Mode::Persist
    }

    fn has_first_byte(&mut self) -> bool {
        let bytes = self.input.bytes();
        let empty_lines = bytes
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        self.input
            .consume(self.shared.hooks.skipped_empty_lines(empty_lines));
        !self.input.bytes().is_empty()
    }

    async fn end_idle(&mut self) -> io::Result<Waited> {
        if let Some(refusal) = self.shared.hooks.reply_at_idle_end() {
            self.refuse(refusal).await?;
        }
        Ok(Waited::End)
    }

    async fn read_head(&mut self) -> io::Result<Result<Head, Refusal>> {
        let deadline = Instant::now() + self.shared.settings.head_timeout;
        let hooks = self.shared.hooks;
        let bytes_max = hooks.head_bytes_max(self.shared.settings.head_bytes_max);
        let is_first = self.served == 0;
        self.served += 1;
        loop {
            hooks.unparsed(self.input.bytes_mut());
            match Head::parse(self.input.bytes_mut(), &self.shared) {
                Ok(Some((head, length))) => {
                    self.input.consume(length);
                    return Ok(Ok(head));
                }
                Ok(None) if self.input.bytes().len() >= bytes_max => return Ok(Err(Refusal::Fields)),
                Ok(None) => {}
                Err(refusal) => return Ok(Err(refusal)),
            }
            match hooks
                .fill_head(&mut self.input, &self.mode, deadline, is_first)
                .await
            {
                Ok(0) => return Ok(Err(Refusal::Malformed)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(Err(Refusal::Timeout)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Answers a request and returns whether the connection goes on.
    async fn answer(&mut self, head: &Head) -> io::Result<bool> {
        let is_last = self
            .shared
            .settings
            .requests_max
            .is_some_and(|max| self.served >= max);
        let mut exchange = Exchange::new(head, &self.shared, &mut self.input, &self.mode, is_last);
        self.shared.hooks.before_handler(&mut exchange).await?;
        let mut outcome = handlers::handle(&mut exchange).await;
        let mut persists = false;
        if outcome.is_ok() {
            outcome = exchange.finish().await.map(|goes_on| persists = goes_on);
        }
        match outcome {
            Ok(()) => Ok(self.shared.hooks.goes_on_at_limit(is_last, persists)),
            // The reply has begun, so no other status can be sent: the connection closes.
            Err(ReadError::Refused(_)) if exchange.has_started() => Ok(false),
            Err(ReadError::Refused(refusal)) => self.refuse(refusal).await,
            Err(ReadError::Gone(error)) => Err(error),
        }
    }

    /// Sends a refusal, after which the connection closes.
    async fn refuse(&mut self, refusal: Refusal) -> io::Result<bool> {
        let hooks = self.shared.hooks;
        let announced = hooks.announced_in_refusal(Announced::Close);
        self.input
            .write(
                &reply::refusal(refusal, announced),
                self.shared.settings.write_timeout,
            )
            .await?;
        Ok(hooks.goes_on_after_refusal(&mut self.input, false))
    }
}
