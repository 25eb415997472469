//! A handler's output: STDOUT and STDERR, cut into records and sent to the connection in batches.
//!
//! The handler's task formats the records. A record begins with an empty header and grows with every write to the same
//! stream. It gets its length when the other stream is written, when the record is full or when the batch is sent. So
//! STDOUT and STDERR keep the order of the writes, and a small response is one record and one message to the
//! connection, however many writes it took.

use tokio::sync::mpsc;

use reusespec_wire::fastcgi::{CONTENT_LEN_MAX, HEADER_LEN, Kind, Record, Stream, VERSION};

use super::hooks::Hooks;
use super::table::Serial;

/// Limit of content in one record: the largest multiple of 8 that fits, so that full records need no padding.
const RECORD_CONTENT_MAX: usize = CONTENT_LEN_MAX - 7;
/// The length in bytes at which a batch is sent without a flush.
const BATCH_LEN: usize = 16 << 10;

/// The output of one request, which its handler writes to.
#[derive(Debug)]
pub struct Output {
    id: u16,
    serial: Serial,
    batch: Batch,
    /// Stream and offset of the record that can still grow.
    open: Option<(Stream, usize)>,
    to_connection: mpsc::Sender<(Serial, Batch)>,
    hooks: Hooks,
}

/// Complete records of one request, ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) records: Vec<u8>,
    /// Whether STDERR was written to, so that it has to be closed.
    pub(super) stderr: bool,
}

impl Output {
    pub(super) fn new(
        id: u16,
        serial: Serial,
        to_connection: mpsc::Sender<(Serial, Batch)>,
        hooks: Hooks,
    ) -> Self {
        Self {
            id,
            serial,
            batch: Batch::default(),
            open: None,
            to_connection,
            hooks,
        }
    }

    /// Writes bytes of the response: CGI headers, an empty line, the body (§6.1). Waits while the web server does not
    /// read. An empty write does nothing.
    pub async fn stdout(&mut self, bytes: &[u8]) {
        self.write(Stream::Stdout, bytes).await;
    }

    /// Writes an error message for the web server's log.
    pub async fn stderr(&mut self, bytes: &[u8]) {
        self.batch.stderr = true;
        self.write(Stream::Stderr, bytes).await;
    }

    /// Sends what has been written so far.
    pub async fn flush(&mut self) {
        self.close_record();
        if !self.batch.records.is_empty() {
            if self.hooks.flushes_empty_record() {
                self.open_record(Stream::Stdout);
                self.close_record();
            }
            let batch = std::mem::take(&mut self.batch);
            // Without a receiver there is no connection, and this handler is about to be dropped.
            let _ = self.to_connection.send((self.serial, batch)).await;
        }
    }

    /// The records not yet sent, which the connection sends together with END_REQUEST.
    pub(super) fn into_rest(mut self) -> Batch {
        self.close_record();
        self.batch
    }

    async fn write(&mut self, stream: Stream, mut bytes: &[u8]) {
        let content_max = self.hooks.record_content_max(RECORD_CONTENT_MAX);
        while !bytes.is_empty() {
            if self.open.is_none_or(|(open, _)| open != stream) {
                self.close_record();
                self.open_record(stream);
            }
            let (now, later) = bytes.split_at(bytes.len().min(content_max - self.open_content_len()));
            self.batch.records.extend_from_slice(now);
            bytes = later;
            if self.open_content_len() == content_max {
                self.close_record();
            }
            if self.batch.records.len() >= BATCH_LEN {
                self.flush().await;
            }
        }
    }

    fn open_record(&mut self, stream: Stream) {
        let start = self.batch.records.len();
        self.batch.records.resize(start + HEADER_LEN, 0);
        let mut record = Record::new_unchecked(&mut self.batch.records[start..]);
        record.set_version(VERSION);
        record.set_kind(Kind::Stream(stream));
        record.set_id(self.id);
        self.open = Some((stream, start));
    }

    fn open_content_len(&self) -> usize {
        self.open
            .map_or(0, |(_, start)| self.batch.records.len() - start - HEADER_LEN)
    }

    fn close_record(&mut self) {
        let len = self.open_content_len();
        let Some((_, start)) = self.open.take() else {
            return;
        };
        let padding = u8::try_from(len.wrapping_neg() % 8).expect("a remainder of 8 fits");
        let mut record = Record::new_unchecked(&mut self.batch.records[start..]);
        // `RECORD_CONTENT_MAX` fits; the hook that lifts it wants the length truncated.
        record.set_content_len(len as u16);
        record.set_padding_len(padding);
        let end = self.batch.records.len() + usize::from(padding);
        self.batch.records.resize(end, 0);
    }
}
