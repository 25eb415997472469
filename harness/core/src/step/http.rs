//! The HTTP vocabulary: a client that sends requests or any bytes, and controls of the server under test.
//!
//! The server is started before the first step. A step names its connection. The name may be left out, because most
//! scenarios have one connection. A labelled `receive` observes the transcript of its connection since the last
//! labelled `receive`. An unlabelled one only brings the exchange to a state.

mod needs;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A step of an HTTP exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum HttpStep {
    /// Starts the server with other limits than its defaults. The step must come before all other steps.
    Serve(Serve),
    /// Opens a connection. With a label a refusal is observed, e.g. `ECONNREFUSED`.
    Connect(On),
    /// Writes requests or bytes in one write, or in several if `cut` says so.
    Send(Send),
    /// Reads replies, and then until the connection ends or is silent. Without keys it reads one reply.
    Receive(Receive),
    /// Shuts down the client's direction of the connection. The server can still reply.
    HalfClose(On),
    /// Resets the connection: the client sends RST.
    Reset(On),
    /// Changes the server's behaviour while it runs.
    Control(Control),
    /// Waits until a handler has incremented a counter, which means that its request has reached the handler.
    Await(Counter),
    /// Reads a counter of the server's handlers. Observed is the number.
    Count(Counter),
    /// Waits until a new connection is refused. Observed is the error's name, e.g. `ECONNREFUSED`, or `ok` if no
    /// connection is refused within three seconds.
    AwaitRefusal(Nothing),
}

step! {
    /// Keys of `serve`.
    Serve {
        /// Milliseconds from a reply until the server closes an idle connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idle_ms: Option<u64>,
        /// Milliseconds that a connection without any request stays open after keep-alives are disabled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_ms: Option<u64>,
        /// The maximum number of requests on one connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requests_max: Option<u32>,
    }
    /// Keys of `connect`, `half-close` and `reset`.
    On {
        /// The name of the connection. The default is `client`.
        #[serde(default = "client", skip_serializing_if = "is_client")]
        connection: String,
    }
    /// Keys of `send`. The bytes are those of `request`, `requests`, `raw` and `behind`, in this order.
    Send {
        /// The name of the connection. The default is `client`.
        #[serde(default = "client", skip_serializing_if = "is_client")]
        connection: String,
        /// A request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<Box<Request>>,
        /// Several requests, pipelined.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        requests: Vec<Request>,
        /// Bytes that are sent unchanged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw: Option<String>,
        /// Requests after the raw bytes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        behind: Vec<Request>,
        /// Where the bytes are divided into writes. The default is one write.
        #[serde(default, skip_serializing_if = "Cut::is_whole")]
        cut: Cut,
    }
    /// The parts of a request. They are not checked, so that a request can be wrong.
    Request {
        /// The method. The default is `GET`.
        #[serde(default = "get", skip_serializing_if = "is_get")]
        method: String,
        /// The request target. The default is `/`.
        #[serde(default = "root", skip_serializing_if = "is_root")]
        target: String,
        /// The protocol version. The default is `HTTP/1.1`.
        #[serde(default = "http_1_1", skip_serializing_if = "is_http_1_1")]
        version: String,
        /// Field lines after `Host: localhost`, each `Name: value`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fields: Vec<FieldLine>,
        /// The length in bytes of an additional last field, which makes the head long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        padding: Option<u32>,
        /// The content. `Content-Length` is its length.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// Content of this many bytes `x`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fill: Option<u32>,
        /// The value of `Content-Length`, if it is not to be the length of the content.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length: Option<u64>,
        /// The content in chunks (`Transfer-Encoding: chunked`).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        chunks: Vec<String>,
    }
    /// Keys of `receive`.
    Receive {
        /// The name of the connection. The default is `client`.
        #[serde(default = "client", skip_serializing_if = "is_client")]
        connection: String,
        /// The number of replies to read. Reading stops earlier if the connection ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        responses: Option<u32>,
        /// What to read until after the replies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Until>,
    }
    /// Keys of `await` and `count`.
    Counter {
        /// The counter's name: that of `count=…` in a request's query.
        counter: String,
    }
    /// The step has no keys.
    Nothing {}
}

/// A field line, divided into name and value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldLine {
    /// The text before the first `: `.
    pub name: String,
    /// The text after it.
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

/// When `receive` stops reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// At the end of the connection, by FIN or RST. The transcript says `open` if the connection does not end.
    Eof,
    /// When nothing has come for about 120 ms. The transcript says `open` if the connection has not ended by then.
    Silence,
}

/// Where the bytes of a `send` are divided into writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Cut {
    /// Nowhere: one write.
    #[default]
    Whole,
    /// After each byte.
    ByteByByte,
    /// After the first occurrence of each of these texts.
    After(Vec<String>),
}

impl Cut {
    fn is_whole(&self) -> bool {
        *self == Self::Whole
    }
}

/// A change of the server's behaviour while it runs: `control = "shutdown"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// Connections end after their current reply, idle connections at once.
    DisableKeepAlives,
    /// Connections persist again after a reply.
    EnableKeepAlives,
    /// As `disable-keep-alives`, and no connection is accepted any more. The step ends when the shutdown has begun, not
    /// when it is over.
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
