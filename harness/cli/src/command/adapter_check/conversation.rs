//! A running adapter, and the requests of the checks.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reusespec_agent::{Lines, NoReply};
use reusespec_core::adapter::{ADAPTER_PROTOCOL, AdapterReply, AdapterRequest};

/// The time in which an adapter must answer, beyond the time that the request itself allows.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A wrong answer, in a sentence.
#[derive(Debug)]
pub(super) struct Mistake(pub(super) String);

/// A running adapter. Dropping it kills the adapter.
pub(super) struct Conversation {
    child: Child,
    lines: Option<Lines>,
}

impl Conversation {
    /// Starts the adapter and exchanges hello.
    pub(super) fn start(command: &[String]) -> Result<Self, Mistake> {
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| Mistake("the command is empty".to_owned()))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Mistake(format!("cannot start `{program}`: {error}")))?;
        let lines = Lines::of(&mut child);
        let mut adapter = Self { child, lines };
        let hello = AdapterRequest::Hello {
            protocol: ADAPTER_PROTOCOL,
        };
        match adapter.ask(&hello, Duration::ZERO)? {
            AdapterReply::Hello { protocol, .. } if protocol != ADAPTER_PROTOCOL => Err(Mistake(format!(
                "it speaks protocol {protocol}, and the current one is {ADAPTER_PROTOCOL}"
            ))),
            AdapterReply::Hello { name, version, .. } if name.is_empty() || version.is_empty() => {
                Err(Mistake("hello has an empty name or version".to_owned()))
            }
            AdapterReply::Hello { .. } => Ok(adapter),
            other => Err(unexpected("hello", &other)),
        }
    }

    /// The process of the adapter.
    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request and returns the reply. `waits` is how long the request itself allows.
    pub(super) fn ask(&mut self, request: &AdapterRequest, waits: Duration) -> Result<AdapterReply, Mistake> {
        let text = serde_json::to_string(request).map_err(|error| Mistake(error.to_string()))?;
        self.ask_text(&text, waits)
    }

    /// Sends a line and returns the reply.
    pub(super) fn ask_text(&mut self, text: &str, waits: Duration) -> Result<AdapterReply, Mistake> {
        let lines = self.lines.as_mut();
        let lines = lines.ok_or_else(|| Mistake("its standard input is closed".to_owned()))?;
        let reply = lines.request_text(text, Instant::now() + waits + ANSWER_TIMEOUT);
        reply.map_err(|NoReply(what)| Mistake(format!("after `{text}` it {what}")))
    }

    /// Sends a request that opens a socket, and returns the local address; the reason if it is unsupported.
    pub(super) fn open(&mut self, request: &AdapterRequest) -> Result<Result<SocketAddr, String>, Mistake> {
        let waits = match request {
            AdapterRequest::Accept { within_ms, .. } => Duration::from_millis(*within_ms),
            _ => Duration::ZERO,
        };
        match self.ask(request, waits)? {
            AdapterReply::Opened { local } => match local.parse() {
                Ok(local) => Ok(Ok(local)),
                Err(_) => Err(Mistake(format!(
                    "`{local}` is not an address as `127.0.0.1:4001`"
                ))),
            },
            AdapterReply::Unsupported(reason) => Ok(Err(reason)),
            other => Err(unexpected("a request that opens a socket", &other)),
        }
    }

    /// Sends a request whose answer is `ok`, and returns the reason if it is unsupported.
    pub(super) fn done(&mut self, request: &AdapterRequest) -> Result<Result<(), String>, Mistake> {
        match self.ask(request, Duration::ZERO)? {
            AdapterReply::Ok => Ok(Ok(())),
            AdapterReply::Unsupported(reason) => Ok(Err(reason)),
            other => Err(unexpected("this request", &other)),
        }
    }

    /// Closes the adapter's standard input. Returns whether the adapter exits within the time.
    pub(super) fn ends_at_end_of_input(&mut self, within: Duration) -> bool {
        self.lines = None;
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return true;
            }
            // The standard library has no wait with a timeout, so this polls.
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A reply that does not answer this kind of request.
pub(super) fn unexpected(request: &str, reply: &AdapterReply) -> Mistake {
    let reply = serde_json::to_string(reply).unwrap_or_default();
    Mistake(format!("{reply} is no answer to {request}"))
}
