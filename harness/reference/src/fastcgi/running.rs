//! The handlers of one connection: starts them, and receives their output and their exit status.

use std::sync::Arc;

use reusespec_wire::fastcgi::ProtocolStatus;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinError, JoinSet};

use super::dialogue::Dialogue;
use super::output::{Batch, Output};
use super::table::Serial;
use super::{AppStatus, Handler, Request};

/// Limit of batches that wait in the channel of one connection.
const BATCHES_MAX: usize = 16;
/// The status of a handler that panicked: the exit status of a Rust program that panics.
const PANICKED: AppStatus = 101;

/// The handlers of one connection and the channel of their output.
#[derive(Debug)]
pub(super) struct Running {
    tasks: JoinSet<(Serial, AppStatus, Batch)>,
    batches: mpsc::Receiver<(Serial, Batch)>,
    sender: mpsc::Sender<(Serial, Batch)>,
}

/// News from a handler.
pub(super) enum News {
    Batch(Serial, Batch),
    Done(Result<(Serial, AppStatus, Batch), JoinError>),
}

impl Running {
    pub(super) fn new() -> Self {
        let (sender, batches) = mpsc::channel(BATCHES_MAX);
        Self {
            tasks: JoinSet::new(),
            batches,
            sender,
        }
    }

    /// Waits for news; never returns if no handler runs. Cancel-safe.
    pub(super) async fn news(&mut self) -> News {
        tokio::select! {
            biased;
            Some((serial, batch)) = self.batches.recv() => News::Batch(serial, batch),
            Some(done) = self.tasks.join_next() => News::Done(done),
            else => std::future::pending().await,
        }
    }
}

impl<H: Handler> Dialogue<H> {
    /// Starts the handler of a request.
    pub(super) fn spawn(&mut self, id: u16, serial: Serial, request: Request) -> AbortHandle {
        let sender = self.running.sender.clone();
        let mut output = Output::new(id, serial, sender, self.settings.hooks());
        let handler = Arc::clone(&self.handler);
        self.running.tasks.spawn(async move {
            let status = handler.serve(request, &mut output).await;
            (serial, status, output.into_rest())
        })
    }

    /// Handles output of a handler, or its end.
    pub(super) fn on_news(&mut self, news: News) {
        match news {
            News::Batch(serial, batch) => self.forward(serial, &batch),
            News::Done(done) => {
                // The channel already holds everything that the handler sent before it returned.
                while let Ok((serial, batch)) = self.running.batches.try_recv() {
                    self.forward(serial, &batch);
                }
                match done {
                    Ok((serial, status, rest)) => {
                        self.forward(serial, &rest);
                        self.end(serial, status, ProtocolStatus::Complete);
                    }
                    Err(error) if error.is_panic() => {
                        if let Some(serial) = self.table.by_task(error.id()) {
                            self.end(serial, PANICKED, ProtocolStatus::Complete);
                        }
                    }
                    // The handler was stopped, and its request has been ended.
                    Err(_) => {}
                }
            }
        }
    }

    fn forward(&mut self, serial: Serial, batch: &Batch) {
        if let Some(active) = self.table.get(serial) {
            active.stderr |= batch.stderr;
            self.append_records(&batch.records);
        }
    }
}
