//! Faults in the life of a connection.

use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::super::exchange::Exchange;
use super::super::input::Input;
use super::super::refusal::Refusal;
use super::super::reply::Announced;
use super::super::shared::Mode;
use super::{Hooks, HttpFault};

impl Hooks {
    /// Whether the server reads on after its FIN, so that unread input does not turn the close into a reset.
    pub(in crate::http) fn lingers(self) -> bool {
        !self.has(HttpFault::ResetOnUnreadContent)
    }

    /// Whether the connection goes on after a reply; `pipelined` are the bytes that have arrived behind the request.
    pub(in crate::http) fn goes_on(self, pipelined: &[u8], decided: bool) -> bool {
        decided || (self.has(HttpFault::ProcessesAfterClose) && !pipelined.is_empty())
    }

    /// Whether the connection goes on after a complete reply; `is_last` at the limit of requests.
    pub(in crate::http) fn goes_on_at_limit(self, is_last: bool, decided: bool) -> bool {
        decided || (is_last && self.has(HttpFault::CloseSaidNotDone))
    }

    pub(in crate::http) fn idle_timeout(self, decided: Duration) -> Duration {
        decided
            * if self.has(HttpFault::IdleNeverTimesOut) {
                1000
            } else {
                1
            }
    }

    /// Whether keep-alives are off when the wait for a request begins.
    pub(in crate::http) fn is_off_before_wait(self, decided: bool) -> bool {
        decided && !self.has(HttpFault::OpenAfterSentHead)
    }

    /// Whether keep-alives are off after something has woken the wait for a request.
    pub(in crate::http) fn is_off_during_wait(self, decided: bool) -> bool {
        decided && !self.has(HttpFault::IdleLeftOpen)
    }

    /// Whether the connection is closed without a grace because it has carried a request.
    pub(in crate::http) fn has_been_used(self, decided: bool) -> bool {
        decided || self.has(HttpFault::UnusedClosedAtOnce)
    }

    /// How many bytes of empty lines before a request line are skipped.
    pub(in crate::http) fn skipped_empty_lines(self, decided: usize) -> usize {
        if self.has(HttpFault::EmptyLineRefused) {
            0
        } else {
            decided
        }
    }

    /// The reply sent on an idle connection before it is closed: none.
    pub(in crate::http) fn reply_at_idle_end(self) -> Option<Refusal> {
        self.has(HttpFault::IdleTold408).then_some(Refusal::Timeout)
    }

    pub(in crate::http) fn head_bytes_max(self, decided: usize) -> usize {
        decided
            * if self.has(HttpFault::HeadUnlimited) {
                1024
            } else {
                1
            }
    }

    /// What has been read and not parsed, before a head is parsed from it.
    pub(in crate::http) fn unparsed(self, bytes: &mut [u8]) {
        if self.has(HttpFault::RepliesOutOfOrder) {
            swap_pipelined(bytes);
        }
    }

    /// Reads more of a head, as [`Input::fill_until`] does; `is_first` for the first request of a connection.
    pub(in crate::http) async fn fill_head(
        self,
        input: &mut Input,
        mode: &watch::Receiver<Mode>,
        deadline: Instant,
        is_first: bool,
    ) -> io::Result<usize> {
        if self.has(HttpFault::ClosesMidHeader) && !is_first {
            return fill_unless_switched(input, mode, deadline).await;
        }
        input.fill_until(deadline).await
    }

    /// Runs before the handler gets the request.
    pub(in crate::http) async fn before_handler(self, exchange: &mut Exchange<'_>) -> io::Result<()> {
        let waits = exchange.expects_continue && self.has(HttpFault::ContinueNeverSent);
        if waits && exchange.input.bytes().is_empty() {
            let deadline = Instant::now() + exchange.shared.settings.body_timeout;
            exchange.input.fill_until(deadline).await?;
        }
        Ok(())
    }

    /// The `Connection` option of a refusal.
    pub(in crate::http) fn announced_in_refusal(self, decided: Announced) -> Announced {
        if self.has(HttpFault::GarbageKeptOpen) || self.has(HttpFault::CloseUnsaid) {
            Announced::Nothing
        } else {
            decided
        }
    }

    /// Whether the connection goes on after a refusal.
    pub(in crate::http) fn goes_on_after_refusal(self, input: &mut Input, decided: bool) -> bool {
        if self.has(HttpFault::GarbageKeptOpen) {
            input.consume(input.bytes().len());
            return true;
        }
        decided
    }
}

/// Waits for bytes as [`Input::fill_until`] does, but fails when keep-alives are off or are switched.
pub(super) async fn fill_unless_switched(
    input: &mut Input,
    mode: &watch::Receiver<Mode>,
    deadline: Instant,
) -> io::Result<usize> {
    let mut mode = mode.clone();
    if *mode.borrow_and_update() != Mode::Persist {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    tokio::select! {
        filled = input.fill_until(deadline) => filled,
        _ = mode.changed() => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

/// Exchanges the first two of several requests without content that are in the buffer.
fn swap_pipelined(bytes: &mut [u8]) {
    let end = |from: usize| {
        let rest = bytes.get(from..)?;
        rest.windows(4)
            .position(|window| window == b"\r\n\r\n")
            .map(|at| from + at + 4)
    };
    if let Some((first, second)) = end(0).and_then(|first| Some((first, end(first)?))) {
        bytes[..second].rotate_left(first);
    }
}
