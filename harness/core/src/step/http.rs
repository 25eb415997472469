//! The HTTP vocabulary: a client that sends what it is told, byte by byte if need be, and a server that can be
//! told to let its connections go.
//!
//! The server of the implementation under test is started before the first step. A step names its connection;
//! most scenarios have one, so the name may be left out. What a labelled step observes on a connection is the
//! transcript since the last labelled step on it: unlabelled `receive`s only bring the exchange to a state.

mod needs;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One step of an HTTP exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum HttpStep {
    /// Give the server other limits than its defaults; comes before all other steps.
    Serve(Serve),
    /// Open a connection.
    Connect(On),
    /// Write requests or bytes in one go.
    Send(Send),
    /// Read replies, or wait for the end, or see that nothing happens; one reply if left empty.
    Receive(Receive),
    /// End the client's side of the connection; the server can still reply.
    HalfClose(On),
    /// Reset the connection from the client's side.
    Reset(On),
    /// Tell the server something at run time.
    Control(Control),
    /// Wait until a handler has raised a counter: its request is in the handler.
    Await(Counter),
    /// Read a counter of the server's handlers; observed as a number.
    Count(Counter),
    /// Wait until a new connection is refused; observed as `ECONNREFUSED`, or `ok` if one never is.
    AwaitRefusal(Nothing),
}

step! {
    /// Keys of `serve`.
    Serve {
        /// Milliseconds from a reply to the end of an idle connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idle_ms: Option<u64>,
        /// Milliseconds a connection without any request is kept once keep-alives are off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_ms: Option<u64>,
        /// Requests on one connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requests_max: Option<u32>,
    }
    /// Keys of `connect`, `half-close` and `reset`.
    On {
        /// Which connection.
        #[serde(default = "client", skip_serializing_if = "is_client")]
        connection: String,
    }
    /// Keys of `send`: the request, the requests, the raw bytes, what is behind them, all in one write unless cut.
    Send {
        /// Which connection.
        #[serde(default = "client", skip_serializing_if = "is_client")]
        connection: String,
        /// A request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<Box<Request>>,
        /// Several, pipelined.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        requests: Vec<Request>,
        /// Bytes as they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw: Option<String>,
        /// Requests behind the raw bytes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        behind: Vec<Request>,
        /// Where the bytes are cut into writes; one write if left out.
        #[serde(default, skip_serializing_if = "Cut::is_whole")]
        cut: Cut,
    }
    /// A request, by its parts. Nothing is checked: a wrong one goes out as it stands.
    Request {
        /// `GET` if left out.
        #[serde(default = "get", skip_serializing_if = "is_get")]
        method: String,
        /// `/` if left out.
        #[serde(default = "root", skip_serializing_if = "is_root")]
        target: String,
        /// `HTTP/1.1` if left out.
        #[serde(default = "http_1_1", skip_serializing_if = "is_http_1_1")]
        version: String,
        /// Field lines behind `Host: localhost`, each `Name: value`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fields: Vec<FieldLine>,
        /// A last field of so many bytes, to make the head long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        padding: Option<u32>,
        /// Content, with its length in `Content-Length`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// Content of so many bytes `x`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fill: Option<u32>,
        /// What `Content-Length` says, if not the truth.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length: Option<u64>,
        /// Content in chunks.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        chunks: Vec<String>,
    }
    /// Keys of `receive`: first the replies, then the rest.
    Receive {
        /// Which connection.
        #[serde(default = "client", skip_serializing_if = "is_client")]
        connection: String,
        /// So many replies, or the end if it comes before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        responses: Option<u32>,
        /// Read on until then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Until>,
    }
    /// Keys of `await` and `count`.
    Counter {
        /// The name that requests have in `count=…`.
        counter: String,
    }
    /// A step without keys of its own.
    Nothing {}
}

/// A field line, its name and value apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldLine {
    /// Everything before the first `: `.
    pub name: String,
    /// Everything behind it.
    pub value: String,
}

impl TryFrom<String> for FieldLine {
    type Error = String;

    fn try_from(line: String) -> Result<Self, String> {
        let (name, value) = line
            .split_once(": ")
            .ok_or_else(|| format!("bad field line `{line}`, expected `Name: value`"))?;
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl From<FieldLine> for String {
    fn from(line: FieldLine) -> Self {
        format!("{}: {}", line.name, line.value)
    }
}

impl JsonSchema for FieldLine {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FieldLine".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "a field line: `Connection: close`",
            "pattern": r"^(\$.+|[^:]+: .*)$"
        })
    }
}

/// How far `receive` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// The end of the connection, FIN or RST; `open` if it does not come.
    Eof,
    /// Nothing comes for a short while; `open` if the connection has not ended by then.
    Silence,
}

/// Where the bytes of a `send` are cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Cut {
    /// Nowhere.
    #[default]
    Whole,
    /// Behind every byte.
    ByteByByte,
    /// Behind the first occurrence of each of these texts.
    After(Vec<String>),
}

impl Cut {
    fn is_whole(&self) -> bool {
        *self == Self::Whole
    }
}

/// What a server can be told at run time. `control = "shutdown"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// Connections end behind their current reply, idle ones at once.
    DisableKeepAlives,
    /// Connections persist again.
    EnableKeepAlives,
    /// As disabling, and nothing is accepted any more. Returns when it has begun, not when it is over.
    Shutdown,
}

impl Control {
    /// The word scenarios use.
    pub fn name(self) -> &'static str {
        match self {
            Self::DisableKeepAlives => "disable-keep-alives",
            Self::EnableKeepAlives => "enable-keep-alives",
            Self::Shutdown => "shutdown",
        }
    }
}

impl JsonSchema for Control {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Control".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^(\$.+|disable-keep-alives|enable-keep-alives|shutdown)$"
        })
    }
}

fn client() -> String {
    "client".to_owned()
}

fn is_client(name: &str) -> bool {
    name == "client"
}

fn get() -> String {
    "GET".to_owned()
}

fn is_get(method: &str) -> bool {
    method == "GET"
}

fn root() -> String {
    "/".to_owned()
}

fn is_root(target: &str) -> bool {
    target == "/"
}

fn http_1_1() -> String {
    "HTTP/1.1".to_owned()
}

fn is_http_1_1(version: &str) -> bool {
    version == "HTTP/1.1"
}
