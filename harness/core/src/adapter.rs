//! The protocol between the agent and an adapter: each line is one JSON value, and the adapter answers each request.
//!
//! `harness/implementations/ADAPTERS.md` documents the protocol for authors of adapters. An adapter is thin: it calls
//! its language's own API, and answers `unsupported` where that API lacks what is requested.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A request to an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterRequest {
    /// The first request.
    Hello {
        /// [`ADAPTER_PROTOCOL`].
        protocol: u32,
    },
    /// Serve FastCGI with the handlers of `HANDLERS.md`.
    ServeFastcgi {
        /// `127.0.0.1:4001`, or the path of a Unix-domain socket.
        at: String,
    },
    /// Serve HTTP/1.1 with the handlers of `HANDLERS.md`.
    ServeHttp {
        /// `127.0.0.1:4001`.
        at: String,
        /// Close a connection that has been idle for this time; the library's default if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idle_ms: Option<u64>,
        /// Close a connection after this number of requests; no limit if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requests_max: Option<u32>,
    },
    /// Switch persistent connections on or off through the API.
    KeepAlives {
        /// Whether connections persist.
        enabled: bool,
    },
    /// Shut the server down gracefully. The adapter answers when the shutdown has begun.
    Shutdown {
        /// The API's timeout for open connections; the API's default if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_ms: Option<u64>,
    },
    /// The value of a counter of the HTTP handlers. The adapter answers it, because a server that shuts down accepts no
    /// requests.
    Count {
        /// The counter's name.
        key: String,
    },
    /// Close the server without waiting for connections.
    Close,
    /// Open a TCP listener.
    ListenTcp {
        /// The name of the listener in later requests.
        socket: String,
        /// `127.0.0.1:4001`; port 0 leaves the choice to the kernel.
        at: String,
        /// Share the port with other listeners, between which the kernel distributes connections.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        balanced: bool,
    },
    /// Open a UDP socket.
    BindUdp {
        /// The name of the socket in later requests.
        socket: String,
        /// `127.0.0.1:4001`.
        at: String,
    },
    /// Open a UDP socket that receives the datagrams to a multicast group.
    JoinMulticast {
        /// The name of the socket in later requests.
        socket: String,
        /// `224.0.0.251`.
        group: String,
        /// The address and port to bind to.
        at: String,
    },
    /// Connect a TCP socket.
    Dial {
        /// The name of the socket in later requests.
        socket: String,
        /// `10.0.0.2:7`.
        to: String,
    },
    /// Accept a connection that is waiting in a listener's queue or will come soon.
    Accept {
        /// The listener.
        socket: String,
        /// The name of the accepted socket in later requests.
        into: String,
        /// The timeout in milliseconds.
        within_ms: u64,
    },
    /// Switch TCP keepalive on. What is absent keeps the value that the API gives it.
    Keepalive {
        /// The socket.
        socket: String,
        /// Time without a segment before the first probe.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idle_ms: Option<u64>,
        /// Time between two probes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interval_ms: Option<u64>,
        /// The number of unanswered probes after which the connection is dropped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<u32>,
    },
    /// Switch TCP keepalive on through the API that takes one duration.
    KeepalivePeriod {
        /// The socket.
        socket: String,
        /// The duration.
        period_ms: u64,
    },
    /// Switch TCP keepalive off.
    KeepaliveOff {
        /// The socket.
        socket: String,
    },
    /// Send text.
    Send {
        /// The socket.
        socket: String,
        /// The text.
        text: String,
        /// The remote address, for a UDP socket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Receive what has arrived, or arrives within the time.
    Receive {
        /// The socket.
        socket: String,
        /// The timeout in milliseconds.
        within_ms: u64,
    },
    /// Close a socket.
    CloseSocket {
        /// The socket.
        socket: String,
    },
    /// Read the options of a socket back, as far as the API can.
    Options {
        /// The socket.
        socket: String,
    },
}

/// An adapter's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterReply {
    /// The answer to `hello`.
    Hello {
        /// [`ADAPTER_PROTOCOL`].
        protocol: u32,
        /// `go`.
        name: String,
        /// `go1.19.8`.
        version: String,
    },
    /// The request has been carried out.
    Ok,
    /// The answer to `count`.
    Count(u64),
    /// The answer to `listen-tcp`, `bind-udp`, `join-multicast`, `dial` and `accept`.
    Opened {
        /// The local address of the new socket: `127.0.0.1:4001`.
        local: String,
    },
    /// The answer to `receive` if data has arrived.
    Received(String),
    /// The answer to `receive` and `accept` if nothing came within the time.
    Nothing,
    /// The answer to `receive` if the peer has closed the connection.
    Eof,
    /// The answer to `options`: the value of each option by its name in the manual pages, such as `TCP_KEEPIDLE`.
    Options(BTreeMap<String, i64>),
    /// The API itself refuses a value, before any system call.
    Refused(String),
    /// The API lacks what is requested; the text says what is missing.
    Unsupported(String),
    /// The call failed: the name of the kernel's error (`EADDRINUSE`), or the language's message if it has none.
    Failed(String),
}

/// The protocol's version.
pub const ADAPTER_PROTOCOL: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_those_in_the_documentation() {
        let line = |request: &AdapterRequest| serde_json::to_string(request).unwrap();
        assert_eq!(
            line(&AdapterRequest::Hello { protocol: 2 }),
            r#"{"hello":{"protocol":2}}"#
        );
        let serve = AdapterRequest::ServeFastcgi {
            at: "127.0.0.1:4001".to_owned(),
        };
        assert_eq!(line(&serve), r#"{"serve-fastcgi":{"at":"127.0.0.1:4001"}}"#);
        assert_eq!(line(&AdapterRequest::Close), r#""close""#);
        let keepalive = AdapterRequest::Keepalive {
            socket: "c".to_owned(),
            idle_ms: Some(1500),
            interval_ms: None,
            count: Some(3),
        };
        assert_eq!(
            line(&keepalive),
            r#"{"keepalive":{"socket":"c","idle_ms":1500,"count":3}}"#
        );
        let reply = |text: &str| serde_json::from_str::<AdapterReply>(text).unwrap();
        assert_eq!(reply(r#""ok""#), AdapterReply::Ok);
        assert_eq!(
            reply(r#"{"unsupported":"no switch"}"#),
            AdapterReply::Unsupported("no switch".to_owned())
        );
        assert_eq!(
            reply(r#"{"opened":{"local":"127.0.0.1:4001"}}"#),
            AdapterReply::Opened {
                local: "127.0.0.1:4001".to_owned()
            }
        );
    }
}
