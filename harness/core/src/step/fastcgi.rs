//! The FastCGI vocabulary: records that a web server can send to an application, valid or not.
//!
//! The agent is the web server. A record is written by its meaning (`begin`, `stdin`), and a scenario can set every
//! field to a wrong value. One step sends several records, because it often matters that they arrive together. Sections
//! (§) are those of the FastCGI Specification 1.0.
//!
//! `request` stands for the five records of a whole request. Nearly every scenario needs one to find out whether the
//! connection still works, and five lines would distract from the record that matters.

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

/// The connection of steps that do not name one.
pub const MAIN: &str = "main";

/// A step of the web server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FastcgiStep {
    /// Starts the application with these settings. Without this step it starts with its defaults.
    Serve(Serve),
    /// Opens a connection to the application. The other steps do that too if their connection is not open.
    Connect(Connect),
    /// Writes records. Observed is `ok`, also if the application has closed the connection; `receive` then shows that.
    Send(Send),
    /// Reads records. Observed is the transcript, with `< FIN` or `< RST` if the connection ended, and `open` if
    /// nothing more came. `< closed` stands for FIN or RST if the connection ended before an answer to what was sent:
    /// which of the two comes is then a race.
    Receive(Receive),
    /// Shuts down the sending direction (FIN). Records can still be received.
    HalfClose(On),
    /// Closes the connection.
    Close(On),
    /// Sends the same records many times, each time as soon as END_REQUEST has arrived. Observed is how many times the
    /// answer was that of the first time: `all 1000`.
    Repeat(Repeat),
    /// Begins requests without finishing them, until the application refuses one or `count` are begun. Observed is
    /// `refused` or `all accepted`.
    BeginMany(BeginMany),
    /// Tests a web server: starts it, with the agent as its FastCGI application.
    WebServer(WebServer),
    /// Requests a page from the web server. Observed is the answer.
    Visit(Visit),
    /// Observes how the web server has used connections, ids, flags and streams so far.
    Recorded(Recorded),
}

step! {
    /// Keys of `serve`. If an implementation does not have a setting, the case is `unsupported`.
    Serve {
        /// The kind of socket that the application listens on.
        #[serde(default)]
        transport: Transport,
        /// Whether one connection carries concurrent requests (§5.5, FCGI_CANT_MPX_CONN).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        multiplex: Option<bool>,
        /// The maximum number of concurrent requests (§4.1, FCGI_MAX_REQS).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_requests: Option<usize>,
        /// The maximum number of concurrent connections (§4.1, FCGI_MAX_CONNS).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_connections: Option<usize>,
        /// The roles that the application plays (§6).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        roles: Option<Vec<RoleName>>,
        /// The value of FCGI_WEB_SERVER_ADDRS (§3.2).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        web_server_addrs: Option<String>,
    }
    /// Keys of `connect`.
    Connect {
        /// The name that later steps use.
        #[serde(default = "main")]
        connection: String,
    }
    /// Keys of steps that have only a connection.
    On {
        /// The name of the connection.
        #[serde(default = "main")]
        connection: String,
    }
    /// Keys of `send`.
    Send {
        /// The name of the connection.
        #[serde(default = "main")]
        connection: String,
        /// The records, in the order in which they are sent.
        records: Vec<Record>,
        /// How the bytes are divided into writes.
        #[serde(default)]
        write: Write,
        /// Positions, in bytes from the start, at which a write also ends.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        cut_at: Vec<usize>,
        /// The number of times that the records are sent.
        #[serde(default = "once")]
        times: u32,
    }
    /// Keys of `receive`.
    Receive {
        /// The name of the connection.
        #[serde(default = "main")]
        connection: String,
        /// Reads until a line begins with this text (`END id=1`), until the connection ends (`close`), or until nothing
        /// comes any more (`silence`).
        #[serde(default = "until_end")]
        until: String,
        /// The number of lines that have to begin with the text of `until`.
        #[serde(default = "once")]
        count: u32,
        /// The order of the lines.
        #[serde(default)]
        order: Order,
        /// The part of STDOUT that is shown.
        #[serde(default)]
        show: Show,
    }
    /// Keys of `repeat`.
    Repeat {
        /// The name of the connection.
        #[serde(default = "main")]
        connection: String,
        /// The number of times.
        times: u32,
        /// The records that are sent each time.
        records: Vec<Record>,
    }
    /// Keys of `begin-many`.
    BeginMany {
        /// The name of the connection.
        #[serde(default = "main")]
        connection: String,
        /// The maximum number of ids.
        count: u16,
    }
}
/// Kinds of socket that an application listens on (§2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// TCP on `127.0.0.1:$port`.
    #[default]
    Tcp,
    /// A Unix-domain stream socket.
    Unix,
    /// TCP on `127.0.0.1:$port`. The agent listens and passes the listener to the application as descriptor 0, as web
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
    /// A write for each byte.
    EveryByte,
    /// A write for every seven bytes, so that no write contains a whole header.
    EverySevenBytes,
}

/// The order of the lines of a transcript.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// As the records arrived.
    #[default]
    Arrival,
    /// By id, and for each id as the records arrived: for requests whose answers race.
    ById,
}

/// The part of the CGI response in STDOUT that is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Show {
    /// The status if it is not 200, and the body. Headers are not shown, because they differ between libraries.
    #[default]
    Body,
    /// Every byte.
    Everything,
    /// The end of the stream only, for handlers that write until they are stopped.
    End,
    /// As `end`, and whether the content and padding of each record have a multiple of eight bytes in total, as §3.3
    /// recommends.
    Alignment,
    /// As `body`, but the lines `part 1`, `part 2`, … of `/stream` are shown as one `part …`, because their number
    /// depends on time.
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
