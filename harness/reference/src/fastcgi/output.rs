//! A handler's output: STDOUT and STDERR, cut into records and handed to the connection in batches.
//!
//! Records are written where they are produced, in the handler's task: a record is opened with an empty
//! header, grows with every write to the same stream, and gets its length when the other stream is written,
//! when it is full or when the batch leaves. So the order between STDOUT and STDERR is the order of the
//! writes, and a small response is one record and one message to the connection, whatever number of writes it
//! took.

use tokio::sync::mpsc;

use reusespec_wire::fastcgi::{CONTENT_LEN_MAX, HEADER_LEN, Kind, Record, Stream, VERSION};

use super::FastCgiFault;
use super::table::Serial;

/// Most content in one record: the multiple of eight below the limit, so that full records need no padding.
const RECORD_CONTENT_MAX: usize = CONTENT_LEN_MAX - 7;
/// Bytes after which a batch leaves by itself.
const BATCH_LEN: usize = 16 << 10;

/// Where a handler writes.
#[derive(Debug)]
pub struct Output {
    id: u16,
    serial: Serial,
    batch: Batch,
    /// The stream and the start of the record that can still grow.
    open: Option<(Stream, usize)>,
    to_connection: mpsc::Sender<(Serial, Batch)>,
    fault: Option<FastCgiFault>,
}

/// Whole records of one request, ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) records: Vec<u8>,
    /// Whether STDERR was written to, and so has to be closed.
    pub(super) stderr: bool,
}

impl Output {
    pub(super) fn new(
        id: u16,
        serial: Serial,
        to_connection: mpsc::Sender<(Serial, Batch)>,
        fault: Option<FastCgiFault>,
    ) -> Self {
        let mut output = Self {
            id,
            serial,
            batch: Batch::default(),
            open: None,
            to_connection,
            fault,
        };
        if output.has(FastCgiFault::HttpStatusLine) {
            output.open_record(Stream::Stdout);
            output.batch.records.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        }
        output
    }

    /// Writes response bytes: CGI headers, an empty line, the body (§6.1). Waits while the web server does
    /// not read; an empty write does nothing.
    pub async fn stdout(&mut self, bytes: &[u8]) {
        self.write(Stream::Stdout, bytes).await;
    }

    /// Writes an error message for the web server's log.
    pub async fn stderr(&mut self, bytes: &[u8]) {
        let stream = if self.has(FastCgiFault::StderrInStdout) {
            Stream::Stdout
        } else {
            Stream::Stderr
        };
        self.batch.stderr |= stream == Stream::Stderr;
        self.write(stream, bytes).await;
    }

    /// Sends what has been written so far.
    pub async fn flush(&mut self) {
        self.close_record();
        if self.has(FastCgiFault::EmptyRecordInStream) && !self.batch.records.is_empty() {
            self.open_record(Stream::Stdout);
            self.close_record();
        }
        if !self.batch.records.is_empty() {
            let batch = std::mem::take(&mut self.batch);
            // The receiver goes away only when the connection does, which drops this handler too.
            let _ = self.to_connection.send((self.serial, batch)).await;
        }
    }

    /// What has not been sent, for the connection to send together with END_REQUEST.
    pub(super) fn into_rest(mut self) -> Batch {
        self.close_record();
        self.batch
    }

    async fn write(&mut self, stream: Stream, mut bytes: &[u8]) {
        if self.has(FastCgiFault::ResponseLengthTruncated) {
            return self.write_uncut(stream, bytes).await;
        }
        while !bytes.is_empty() {
            if self.open.is_none_or(|(open, _)| open != stream) {
                self.close_record();
                self.open_record(stream);
            }
            let (now, later) = bytes.split_at(bytes.len().min(RECORD_CONTENT_MAX - self.open_content_len()));
            self.batch.records.extend_from_slice(now);
            bytes = later;
            if self.open_content_len() == RECORD_CONTENT_MAX {
                self.close_record();
            }
            if self.batch.records.len() >= BATCH_LEN {
                self.flush().await;
            }
        }
    }

    /// The fault: one record per write, its length cut to sixteen bits, its content not.
    async fn write_uncut(&mut self, stream: Stream, bytes: &[u8]) {
        self.close_record();
        self.open_record(stream);
        self.batch.records.extend_from_slice(bytes);
        self.close_record();
        self.flush().await;
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
        // Only the fault above has more content than a record can say.
        record.set_content_len(len as u16);
        record.set_padding_len(padding);
        let end = self.batch.records.len() + usize::from(padding);
        self.batch.records.resize(end, 0);
    }

    fn has(&self, fault: FastCgiFault) -> bool {
        self.fault == Some(fault)
    }
}
