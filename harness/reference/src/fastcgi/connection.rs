//! Moves bytes between a connection's socket and its dialogue until both are done.
//!
//! One loop reads, writes and receives the handlers' output, and none of the three waits for another. So a peer that
//! does not read can still send ABORT_REQUEST, and a peer that sends a long body gets responses meanwhile. The loop
//! takes the handlers' output first and writes it together, so that a small response is one `write`.

use std::sync::Arc;
use std::time::Duration;

use reusespec_wire::fastcgi::{Decoder, VERSION};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::dialogue::{Dialogue, Life};
use super::receive::{Flow, Piece};
use super::running::News;
use super::{Handler, Settings, hooks};

/// The length of the read buffer in bytes.
const READ_LEN: usize = 32 << 10;

/// Why the loop woke.
enum Woke {
    News(News),
    Written(usize),
    Read(usize),
    Paid(OwnedSemaphorePermit),
    Drain,
    /// The peer is gone, or `stall_timeout` has passed without it reading.
    Lost,
}

/// The state that a connection needs from its server.
pub(super) struct Serve<H> {
    pub(super) handler: Arc<H>,
    pub(super) settings: Arc<Settings>,
    /// One permit per active request, for all connections.
    pub(super) requests: Arc<Semaphore>,
    /// Becomes true when the server drains.
    pub(super) drain: watch::Receiver<bool>,
}

impl<H: Handler> Serve<H> {
    /// Serves a connection until it is closed, then drops the handlers that still run.
    pub(super) async fn connection(
        self,
        mut reader: impl AsyncRead + Unpin,
        mut writer: impl AsyncWrite + Unpin,
    ) {
        let Self {
            handler,
            settings,
            requests,
            mut drain,
        } = self;
        let mut dialogue = Dialogue::new(handler, Arc::clone(&settings), requests);
        let mut decoder = Decoder::new();
        let mut unpaid: Option<Piece> = None;
        let mut buffer = vec![0; READ_LEN];
        let mut is_draining = false;
        while dialogue.life != Life::Closing || !dialogue.out.is_empty() {
            let Dialogue {
                running,
                out,
                budget,
                life,
                ..
            } = &mut dialogue;
            let takes_news = *life != Life::Closing && out.len() < settings.output_held_max;
            // Handlers stop at the limit. Only replies to a peer that sends records and does not read exceed it.
            let reads = *life == Life::Open && unpaid.is_none() && out.len() < 2 * settings.output_held_max;
            let writes = !out.is_empty();
            let price = unpaid.as_ref().map_or(0, |piece| piece.content.len());
            let woke = tokio::select! {
                biased;
                news = running.news(), if takes_news => Woke::News(news),
                written = writer.write(out), if writes => written.map_or(Woke::Lost, Woke::Written),
                permit = pay(budget, price), if unpaid.is_some() => Woke::Paid(permit),
                read = reader.read(&mut buffer), if reads => read.map_or(Woke::Lost, Woke::Read),
                _ = drain.wait_for(|drain| *drain), if !is_draining => Woke::Drain,
                () = tokio::time::sleep(settings.stall_timeout), if writes => Woke::Lost,
            };
            match woke {
                Woke::News(news) => dialogue.on_news(news),
                Woke::Written(len) => drop(dialogue.out.drain(..len)),
                Woke::Read(0) => dialogue.end_of_input(),
                Woke::Read(len) => {
                    decoder.feed(&buffer[..len]);
                    unpaid = take_records(&mut decoder, &mut dialogue, &settings);
                    settings.hooks().after_read(&mut decoder);
                }
                Woke::Paid(permit) => {
                    if let Some(piece) = unpaid.take() {
                        dialogue.deliver(piece, permit);
                    }
                    unpaid = take_records(&mut decoder, &mut dialogue, &settings);
                }
                Woke::Drain => {
                    is_draining = true;
                    dialogue.drain();
                }
                Woke::Lost => return,
            }
        }
        if settings.hooks().lingers() {
            linger(reader, writer, &mut buffer, settings.linger_timeout).await;
        }
    }
}

/// Hands whole records to the dialogue until one has to wait for memory, none is left, or the dialogue stops reading.
fn take_records<H: Handler>(
    decoder: &mut Decoder,
    dialogue: &mut Dialogue<H>,
    settings: &Settings,
) -> Option<Piece> {
    while dialogue.life == Life::Open {
        let version = decoder.peek_version()?;
        if !settings.hooks().supports_version(version == VERSION) {
            // The meaning of its length fields is unknown, so the rest of the record is not waited for.
            dialogue.end_of_input();
            return None;
        }
        if let Flow::Pay(piece) = hooks::take(dialogue, &decoder.next_record()?) {
            return Some(piece);
        }
    }
    None
}

async fn pay(budget: &Arc<Semaphore>, len: usize) -> OwnedSemaphorePermit {
    let price = u32::try_from(len).expect("content has a sixteen-bit length");
    Arc::clone(budget)
        .acquire_many_owned(price)
        .await
        .expect("the budget is never closed")
}

/// Sends FIN, then reads and drops the input, so that the kernel does not answer it with RST.
async fn linger(
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    buffer: &mut [u8],
    timeout: Duration,
) {
    let rest = async {
        writer.shutdown().await?;
        while reader.read(buffer).await? > 0 {}
        std::io::Result::Ok(())
    };
    // The connection closes after a timeout or an error too.
    let _ = tokio::time::timeout(timeout, rest).await;
}
