//! The FastCGI vocabulary: what a web server can say to an application, rightly and wrongly.
//!
//! The probe is the web server. A record is written as its meaning (`begin`, `stdin`) with every field a
//! scenario may want to spoil, and several records make one step, because what matters is often that they
//! arrive together. Sections (§) are those of the FastCGI Specification 1.0.
//!
//! `request` stands for the five records of a whole request: nearly every scenario needs one only to find out
//! whether the connection still works, and five lines would hide the one that matters.

mod clients;
mod needs;
mod records;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use clients::{Answering, Recorded, Visit, WebServer};
pub use records::{
    Begin, Body, GetValues, OnId, Params, RawBytes, RawRecord, Record, RoleName, StreamRecord, Unknown,
    WholeRequest,
};

/// The connection of steps that name none.
pub const MAIN: &str = "main";

/// One step of a web server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FastcgiStep {
    /// Start the application with settings of its own; without this step it has its defaults.
    Serve(Serve),
    /// Open a connection to the application.
    Connect(Connect),
    /// Write records; observed is `ok`, also where the application has gone, which `receive` then shows.
    Send(Send),
    /// Read records; observed is the transcript, `< FIN` or `< RST` where the connection ended (`< closed` where it
    /// ended before what was sent had been answered: it is then a race which of the two comes), `open` where
    /// nothing more came.
    Receive(Receive),
    /// Say that nothing more will be sent, and go on reading.
    HalfClose(On),
    /// Close the connection.
    Close(On),
    /// Send whole requests one after the other, each the instant the END of the one before has arrived;
    /// observed is how many were answered like the first: `all 1000`.
    Repeat(Repeat),
    /// Begin ids without finishing them, until the application refuses or there are `count`; observed is
    /// `refused` or `all accepted`.
    BeginMany(BeginMany),
    /// The other way round: start a web server that passes requests on to us.
    WebServer(WebServer),
    /// Ask the web server for a page; observed is what it answered.
    Visit(Visit),
    /// Observed is how the web server has used connections, ids, flags and streams so far.
    Recorded(Recorded),
}

step! {
    /// Keys of `serve`. An implementation that cannot be told a setting is `unsupported`.
    Serve {
        /// Where it listens.
        #[serde(default)]
        transport: Transport,
        /// Whether one connection carries concurrent requests (§5.5, FCGI_CANT_MPX_CONN).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        multiplex: Option<bool>,
        /// Requests served at once (§4.1, FCGI_MAX_REQS).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_requests: Option<usize>,
        /// Connections served at once (§4.1, FCGI_MAX_CONNS).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_connections: Option<usize>,
        /// Roles it plays (§6).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        roles: Option<Vec<RoleName>>,
        /// FCGI_WEB_SERVER_ADDRS (§3.2).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        web_server_addrs: Option<String>,
    }
    /// Keys of `connect`.
    Connect {
        /// What later steps call it.
        #[serde(default = "main")]
        connection: String,
    }
    /// Keys of a step that only names a connection.
    On {
        /// Which connection.
        #[serde(default = "main")]
        connection: String,
    }
    /// Keys of `send`.
    Send {
        /// On which connection.
        #[serde(default = "main")]
        connection: String,
        /// What, in this order.
        records: Vec<Record>,
        /// In how many writes.
        #[serde(default)]
        write: Write,
        /// Also end a write after so many bytes of the whole.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        cut_at: Vec<usize>,
        /// How many times the records are sent.
        #[serde(default = "once")]
        times: u32,
    }
    /// Keys of `receive`.
    Receive {
        /// On which connection.
        #[serde(default = "main")]
        connection: String,
        /// Until a line begins so (`END id=1`), the connection ends (`close`), or nothing comes any more
        /// (`silence`).
        #[serde(default = "until_end")]
        until: String,
        /// How many lines have to begin so.
        #[serde(default = "once")]
        count: u32,
        /// How lines are ordered.
        #[serde(default)]
        order: Order,
        /// What is shown of STDOUT.
        #[serde(default)]
        show: Show,
    }
    /// Keys of `repeat`.
    Repeat {
        /// On which connection.
        #[serde(default = "main")]
        connection: String,
        /// How many times.
        times: u32,
        /// The records of one round.
        records: Vec<Record>,
    }
    /// Keys of `begin-many`.
    BeginMany {
        /// On which connection.
        #[serde(default = "main")]
        connection: String,
        /// How many ids at most.
        count: u16,
    }
}
/// Kinds of socket an application listens on (§2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// TCP on `127.0.0.1:$port`.
    #[default]
    Tcp,
    /// A Unix-domain stream socket.
    Unix,
    /// TCP on `127.0.0.1:$port` by the probe, which leaves its listener in the application's descriptor 0, as web
    /// servers and spawn-fcgi do (§2.2, FCGI_LISTENSOCK_FILENO).
    Inherited,
}

/// How bytes are divided into writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Write {
    /// One write.
    #[default]
    Whole,
    /// One write a byte.
    EveryByte,
    /// One write for every seven bytes: no header is whole in one.
    EverySevenBytes,
}

/// How the lines of a transcript are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// As they arrived.
    #[default]
    Arrival,
    /// By id, and as they arrived for each: for requests that race.
    ById,
}

/// What is shown of the CGI response in STDOUT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Show {
    /// The status where it is not 200, and the body: headers differ between libraries.
    #[default]
    Body,
    /// Every byte.
    Everything,
    /// Only how the stream ends: for handlers that write until they are stopped.
    End,
    /// As `end`, and whether content and padding of every record make a multiple of eight bytes (§3.3 recommends it).
    Alignment,
    /// As `body`, but the lines `part 1`, `part 2`, … of `/stream` are one `part …`: how many come is a question of
    /// time.
    Once,
}

fn main() -> String {
    MAIN.to_owned()
}

fn until_end() -> String {
    "END".to_owned()
}

fn once() -> u32 {
    1
}
