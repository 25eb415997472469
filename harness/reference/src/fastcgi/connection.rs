//! One connection: moves bytes between the socket and the dialogue until both are done.
//!
//! Reading, writing and listening to handlers happen in one loop, none waiting for another: a peer that does
//! not read its output can still send ABORT_REQUEST, and one that sends a long body gets answers meanwhile.
//! News from handlers come first and are written together, so a small response is one `write`.

use std::sync::Arc;
use std::time::Duration;

use reusespec_wire::fastcgi::{Decoder, VERSION};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::dialogue::{Dialogue, Life};
use super::receive::{Flow, Piece};
use super::running::News;
use super::{FastCgiFault, Handler, Settings};

/// Bytes asked for at once.
const READ_LEN: usize = 32 << 10;

/// What the loop woke up for.
enum Woke {
    News(News),
    Written(usize),
    Read(usize),
    Paid(OwnedSemaphorePermit),
    Drain,
    /// The peer is gone, or does not read.
    Lost,
}

/// What a connection needs from its server.
pub(super) struct Serve<H> {
    pub(super) handler: Arc<H>,
    pub(super) settings: Arc<Settings>,
    /// One permit per active request, for all connections.
    pub(super) requests: Arc<Semaphore>,
    /// Becomes true when the server drains.
    pub(super) drain: watch::Receiver<bool>,
}

impl<H: Handler> Serve<H> {
    /// Serves a connection until it is closed; handlers still running then are dropped.
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
            let hears = *life != Life::Closing && out.len() < settings.output_held_max;
            // Handlers stop at the limit; only replies to a peer that floods us and does not read get beyond
            // it.
            let reads = *life == Life::Open && unpaid.is_none() && out.len() < 2 * settings.output_held_max;
            let writes = !out.is_empty();
            let price = unpaid.as_ref().map_or(0, |piece| piece.content.len());
            let woke = tokio::select! {
                biased;
                news = running.news(), if hears => Woke::News(news),
                written = writer.write(out), if writes => written.map_or(Woke::Lost, Woke::Written),
                permit = pay(budget, price), if unpaid.is_some() => Woke::Paid(permit),
                read = reader.read(&mut buffer), if reads => read.map_or(Woke::Lost, Woke::Read),
                _ = drain.wait_for(|drain| *drain), if !is_draining => Woke::Drain,
                () = tokio::time::sleep(settings.stall_timeout), if writes => Woke::Lost,
            };
            match woke {
                Woke::News(news) => dialogue.heard(news),
                Woke::Written(len) => drop(dialogue.out.drain(..len)),
                Woke::Read(0) => dialogue.end_of_input(),
                Woke::Read(len) => {
                    decoder.feed(&buffer[..len]);
                    unpaid = take_records(&mut decoder, &mut dialogue, &settings);
                    if settings.has(FastCgiFault::ShortReadIsRecord) {
                        decoder = Decoder::new();
                    }
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
        if !settings.has(FastCgiFault::ResetOnClose) {
            linger(reader, writer, &mut buffer, settings.linger_timeout).await;
        }
    }
}

/// Hands whole records to the dialogue until one has to wait, none is left, or no more are wanted.
fn take_records<H: Handler>(
    decoder: &mut Decoder,
    dialogue: &mut Dialogue<H>,
    settings: &Settings,
) -> Option<Piece> {
    while dialogue.life == Life::Open {
        let version = decoder.peek_version()?;
        if version != VERSION && !settings.has(FastCgiFault::VersionIgnored) {
            // What its lengths would mean is unknown, so the rest of the record is not waited for.
            dialogue.end_of_input();
            return None;
        }
        if let Flow::Pay(piece) = dialogue.take(&decoder.next_record()?) {
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

/// Says that nothing more comes and reads what nobody wants, so that the kernel does not answer it with RST.
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
    // Whatever happens now, the connection is given up.
    let _ = tokio::time::timeout(timeout, rest).await;
}
