//! Runs scripts of steps with raw bytes over TCP connections and compares the transcripts of the replies.
//!
//! A script shows that a connection stays open with another request, which also closes it. So every script ends with
//! FIN, and no test waits for nothing to happen. A step that depends on the server waits for it (`Replies`, `Counted`);
//! bytes written on the loopback have arrived. One timeout covers the whole script; only a failing test reaches it.

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

/// The timeout of a script.
const BUDGET: Duration = Duration::from_secs(20);

/// The last request of a script: shows that the connection is open, and closes it.
const LAST: &str = "GET /echo?text=last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// The answer to [`LAST`].
const LAST_REPLY: &str = "< 200 HTTP/1.1 close content-length=4 \"last\"\n< FIN";

#[derive(Clone, Copy, Debug)]
enum Step<'s> {
    /// Writes these bytes.
    Send(&'s str),
    /// Waits until this connection has received that many replies in total.
    Replies(usize),
    /// Waits until a handler has incremented the counter.
    Counted(&'s str),
    Off,
    On,
    /// Begins a shutdown.
    Stop,
    /// Closes our sending side of the connection.
    HalfClose,
    /// Opens another connection, which the following steps use.
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

    /// Ignores errors: if the server has closed already, the transcript shows it.
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

    /// Reads once and returns how the connection ended, if it did.
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

/// Runs a script against a new server and returns the concatenated transcripts of its connections.
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
            Step::Stop => shutdown = server.take().map(|server| tokio::spawn(server.shutdown(BUDGET))),
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

/// Checks the transcript of a script against a server without a fault.
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

/// Checks that the bytes get this answer and leave the connection open.
#[track_caller]
fn check_open(bytes: &str, expected: &str) {
    check(
        &[Step::Send(bytes), Step::Send(LAST)],
        &format!("{expected}\n{LAST_REPLY}"),
    );
}

/// Checks that the bytes get this answer and FIN, and that a request behind them is not served.
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

/// A POST in HTTP/1.1; `rest` has further field lines, the empty line and the content.
fn post(path: &str, rest: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\n{rest}")
}
