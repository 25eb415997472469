//! Raw bytes over a real listener: a script of steps, and the replies as a transcript.
//!
//! A connection that is expected to stay open is shown to be open by a further request on it, which also
//! ends it, so every script ends with FIN and no test waits for nothing to happen. What a step needs from
//! the server is waited for (`Replies`, `Counted`); bytes that have been written on the loopback have
//! arrived. The price is one time-out for the whole script, which only a failing test uses up.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use reusespec_wire::http1::{
    Closing, ConnectionEnd, Limits, Reader, ReplyPoint, RequestKind, RequestPoint, Tail, Transcript,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{HttpFault, Server, Settings, Shutdown};

mod faults;
mod framing;
mod persistence;
mod requests;
mod switch;

/// How long one script may take.
const BUDGET: Duration = Duration::from_secs(20);

/// A last request: it shows that the connection was open, and ends it.
const LAST: &str = "GET /echo?text=last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// What [`LAST`] is answered with.
const LAST_REPLY: &str = "< 200 HTTP/1.1 close content-length=4 \"last\"\n< FIN";

#[derive(Clone, Copy, Debug)]
enum Step<'s> {
    /// Writes these bytes.
    Send(&'s str),
    /// Waits until that many replies have come on this connection in all.
    Replies(usize),
    /// Waits until a handler has raised that counter.
    Counted(&'s str),
    Off,
    On,
    /// Begins a shutdown.
    ReadError,
    /// Ends our side of the connection.
    HalfClose,
    /// Opens a further connection; the steps that follow are about it.
    Connect,
    /// Goes back to the first connection.
    Back,
    /// Waits until connecting is refused.
    Refused,
}

struct Client {
    stream: TcpStream,
    reader: Reader,
    /// What has been sent since the last line end.
    line: String,
    replies: usize,
    transcript: Transcript,
}

impl Client {
    async fn connect(address: SocketAddr) -> io::Result<Self> {
        TcpStream::connect(address).await.map(Self::new)
    }

    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            reader: Reader::new(Limits::default()),
            line: String::new(),
            replies: 0,
            transcript: Transcript::default(),
        }
    }

    /// A server may have closed already: what it said shows in the transcript.
    async fn send(&mut self, text: &str) {
        self.line.push_str(text);
        let rest = self.line.rfind('\n').map_or(0, |end| end + 1);
        let lines: String = self.line.drain(..rest).collect();
        for line in lines.lines().filter(|line| line.contains(" HTTP/")) {
            let method = line.split(' ').next().unwrap_or_default();
            self.reader.expect_reply(RequestKind::of_method(method));
        }
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    /// Reads once; how the connection ended, if it did.
    async fn read(&mut self) -> Option<Closing> {
        let mut bytes = vec![0; 64 << 10];
        let closing = match self.stream.read(&mut bytes).await {
            Ok(0) => Some(Closing::Fin),
            Ok(count) => {
                self.reader.feed(&bytes[..count]);
                None
            }
            Err(_) => Some(Closing::Reset),
        };
        self.take();
        closing
    }

    fn take(&mut self) {
        while let Some(response) = self.reader.next_response() {
            self.replies += 1;
            self.transcript.received(&response);
        }
    }

    async fn until_replies(&mut self, count: usize) {
        while self.replies < count {
            let closing = self.read().await;
            assert!(
                closing.is_none() || self.replies >= count,
                "{closing:?} after\n{}",
                self.transcript
            );
        }
    }

    async fn until_end(mut self) -> String {
        let closing = loop {
            if let Some(closing) = self.read().await {
                break closing;
            }
        };
        let tail = self.reader.finish();
        self.take();
        self.transcript.remaining(&tail);
        let reply = if tail == Tail::Nothing {
            ReplyPoint::Between
        } else {
            ReplyPoint::Unknown
        };
        self.transcript.ended(&ConnectionEnd {
            closing,
            reply,
            request: RequestPoint::AfterLastByte,
        });
        self.transcript.to_string()
    }
}

fn start(settings: Settings, fault: Option<HttpFault>) -> Server {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    Server::start(listener, settings, fault).unwrap()
}

/// Runs a script against a server of its own; the transcripts of its connections, one behind the other.
async fn play(settings: Settings, fault: Option<HttpFault>, steps: &[Step<'_>]) -> String {
    timeout(BUDGET, play_unlimited(settings, fault, steps))
        .await
        .unwrap_or_else(|_| "out of time".to_owned())
}

async fn play_unlimited(settings: Settings, fault: Option<HttpFault>, steps: &[Step<'_>]) -> String {
    let server = start(settings, fault);
    let address = server.address();
    let mut server = Some(server);
    let mut shutdown = None;
    let mut clients = vec![Client::connect(address).await.unwrap()];
    let mut current = 0;
    for step in steps {
        let client = &mut clients[current];
        match *step {
            Step::Send(text) => client.send(text).await,
            Step::Replies(count) => client.until_replies(count).await,
            Step::Counted(key) => {
                while server.as_ref().is_some_and(|server| server.counted(key) == 0) {
                    tokio::task::yield_now().await;
                }
            }
            Step::Off => server
                .iter()
                .for_each(|server| server.set_keep_alives_enabled(false)),
            Step::On => server
                .iter()
                .for_each(|server| server.set_keep_alives_enabled(true)),
            Step::ReadError => shutdown = server.take().map(|server| tokio::spawn(server.shutdown(BUDGET))),
            Step::HalfClose => client.stream.shutdown().await.unwrap(),
            Step::Connect => match Client::connect(address).await {
                Ok(client) => {
                    current = clients.len();
                    clients.push(client);
                }
                Err(error) => return error.to_string(),
            },
            Step::Back => current = 0,
            Step::Refused => {
                while TcpStream::connect(address).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }
    let mut transcripts = Vec::new();
    for client in clients {
        transcripts.push(client.until_end().await);
    }
    if let Some(shutdown) = shutdown {
        assert_eq!(shutdown.await.unwrap(), Shutdown::Drained);
    }
    transcripts.join("\n")
}

/// The script's transcript against the server without a fault.
#[track_caller]
fn check(steps: &[Step<'_>], expected: &str) {
    check_with(Settings::default(), steps, expected);
}

#[track_caller]
fn check_with(settings: Settings, steps: &[Step<'_>], expected: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    assert_eq!(
        runtime.block_on(play(settings, None, steps)),
        expected,
        "{steps:?}"
    );
}

/// The bytes get that answer and leave the connection open.
#[track_caller]
fn check_open(bytes: &str, expected: &str) {
    check(
        &[Step::Send(bytes), Step::Send(LAST)],
        &format!("{expected}\n{LAST_REPLY}"),
    );
}

/// The bytes get that answer and FIN, and a request behind them is not served.
#[track_caller]
fn check_closed(bytes: &str, expected: &str) {
    check(
        &[Step::Send(bytes), Step::Send(LAST)],
        &format!("{expected}\n< FIN"),
    );
}

/// A GET for `/echo?text=a` of that version with these further field lines.
fn get(version: &str, fields: &str) -> String {
    let fields = if fields.is_empty() {
        String::new()
    } else {
        format!("{fields}\r\n")
    };
    format!("GET /echo?text=a {version}\r\nHost: a\r\n{fields}\r\n")
}

/// A POST in HTTP/1.1; `rest` is its further field lines, the empty line and what follows.
fn post(path: &str, rest: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\n{rest}")
}
