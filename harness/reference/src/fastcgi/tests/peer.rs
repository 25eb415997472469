//! The web server's side of the tests: sends raw bytes over a TCP connection and returns answers as transcript lines.

use std::time::Duration;

use reusespec_wire::fastcgi::{Decoder, Kind, RawRecord, Repr, Role, Stream, append_pair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;

use crate::fastcgi::{Handlers, Listener, Server, Settings};

/// The timeout of a step, far longer than any step takes; only a failing test reaches it.
pub(super) const BUDGET: Duration = Duration::from_secs(20);

/// A server with the standard handlers on a free port.
pub(super) async fn server(settings: Settings) -> Server {
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    Server::start(listener, Handlers, settings)
}

/// A connection to a server.
pub(super) struct Peer {
    reader: OwnedReadHalf,
    writer: Option<OwnedWriteHalf>,
    sending: Option<JoinHandle<OwnedWriteHalf>>,
    decoder: Decoder,
    budget: Duration,
}

impl Peer {
    pub(super) async fn connect(server: &Server, budget: Duration) -> Self {
        let stream = TcpStream::connect(server.address().unwrap()).await.unwrap();
        let (reader, writer) = stream.into_split();
        Self {
            reader,
            writer: Some(writer),
            sending: None,
            decoder: Decoder::new(),
            budget,
        }
    }

    /// Sends in the background, so that a long body does not block reading. Ignores errors: reading shows what the
    /// server did.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let mut writer = self.take_writer().await;
        let bytes = bytes.to_vec();
        self.sending = Some(tokio::spawn(async move {
            let _ = writer.write_all(&bytes).await;
            writer
        }));
    }

    async fn take_writer(&mut self) -> OwnedWriteHalf {
        if let Some(sending) = self.sending.take() {
            return sending.await.unwrap();
        }
        self.writer
            .take()
            .expect("the writer is here or in the sending task")
    }

    pub(super) async fn half_close(&mut self) {
        let mut writer = self.take_writer().await;
        let _ = writer.shutdown().await;
        self.writer = Some(writer);
    }

    /// The next record, or how the connection ended: `eof`, `reset`, `silence`.
    pub(super) async fn line(&mut self) -> String {
        let mut buffer = [0; 4096];
        loop {
            if self.decoder.peek_version().is_some_and(|version| version != 1) {
                return "garbage".to_owned();
            }
            if let Some(record) = self.decoder.next_record() {
                return record.to_string();
            }
            match tokio::time::timeout(self.budget, self.reader.read(&mut buffer)).await {
                Ok(Ok(0)) if self.decoder.is_empty() => return "eof".to_owned(),
                Ok(Ok(0)) => return "eof in a record".to_owned(),
                Ok(Ok(len)) => self.decoder.feed(&buffer[..len]),
                Ok(Err(_)) => return "reset".to_owned(),
                Err(_) => return "silence".to_owned(),
            }
        }
    }

    /// The lines up to and including the first with this prefix, or up to the end of the connection.
    pub(super) async fn until(&mut self, start: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.line().await);
            let last = lines.last().unwrap();
            if last.starts_with(start) || is_ending(last) {
                return lines;
            }
        }
    }

    /// The lines up to the end of the connection.
    pub(super) async fn rest(&mut self) -> Vec<String> {
        self.until("eof").await
    }
}

pub(super) fn is_ending(line: &str) -> bool {
    ["eof", "reset", "silence", "garbage"]
        .iter()
        .any(|ending| line.starts_with(ending))
}

/// The bytes of a record.
pub(super) fn record(repr: Repr<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    repr.append_to(&mut bytes).unwrap();
    bytes
}

pub(super) fn raw(record: RawRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.append_to(&mut bytes);
    bytes
}

pub(super) fn begin(id: u16, keep_conn: bool) -> Vec<u8> {
    record(Repr::Begin {
        id,
        role: Role::Responder,
        keep_conn,
    })
}

pub(super) fn begin_as(role: Role, id: u16) -> Vec<u8> {
    record(Repr::Begin {
        id,
        role,
        keep_conn: true,
    })
}

pub(super) fn abort(id: u16) -> Vec<u8> {
    record(Repr::Abort { id })
}

/// A stream record for each 65535 bytes; none if `bytes` is empty.
pub(super) fn stream(stream: Stream, id: u16, bytes: &[u8]) -> Vec<u8> {
    bytes
        .chunks(65535)
        .flat_map(|content| record(Repr::Stream { stream, id, content }))
        .collect()
}

pub(super) fn end_of(stream: Stream, id: u16) -> Vec<u8> {
    record(Repr::Stream {
        stream,
        id,
        content: &[],
    })
}

pub(super) fn pairs(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    pairs
        .iter()
        .for_each(|(name, value)| append_pair(&mut bytes, name.as_bytes(), value.as_bytes()));
    bytes
}

/// The PARAMS stream for a handler and its query, such as `/slow?ms=5`.
pub(super) fn params(id: u16, uri: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let (script, query) = uri.split_once('?').unwrap_or((uri, ""));
    let content = [
        pairs(&[("SCRIPT_NAME", script), ("QUERY_STRING", query)]),
        pairs(more),
    ]
    .concat();
    [stream(Stream::Params, id, &content), end_of(Stream::Params, id)].concat()
}

pub(super) fn body(id: u16, bytes: &[u8]) -> Vec<u8> {
    [stream(Stream::Stdin, id, bytes), end_of(Stream::Stdin, id)].concat()
}

/// A complete request with KEEP_CONN.
pub(super) fn request(id: u16, uri: &str, bytes: &[u8]) -> Vec<u8> {
    [begin(id, true), params(id, uri, &[]), body(id, bytes)].concat()
}

/// A complete request without KEEP_CONN.
pub(super) fn last_request(id: u16, uri: &str, bytes: &[u8]) -> Vec<u8> {
    [begin(id, false), params(id, uri, &[]), body(id, bytes)].concat()
}

pub(super) fn get_values(names: &[&str]) -> Vec<u8> {
    let names: Vec<_> = names.iter().map(|name| (*name, "")).collect();
    record(Repr::GetValues {
        content: &pairs(&names),
    })
}

pub(super) fn padded(kind: Kind, id: u16, content: &[u8], padding: &[u8]) -> Vec<u8> {
    raw(RawRecord {
        padding: padding.to_vec(),
        ..RawRecord::new(kind, id, content)
    })
}
