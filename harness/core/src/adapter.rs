//! The protocol between the agent and an adapter: each line is one JSON value, and the adapter answers each request.
//!
//! `harness/implementations/ADAPTERS.md` documents the protocol for authors of adapters. An adapter is thin: it calls
//! its language's own API, and answers `unsupported` where that API lacks what is requested.

use serde::{Deserialize, Serialize};

/// A request to an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// An adapter's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The API lacks what is requested; the text says what is missing.
    Unsupported(String),
    /// The API returned an error: its name (`EADDRINUSE`) or the language's message.
    Failed(String),
}

/// The protocol's version.
pub const ADAPTER_PROTOCOL: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_those_in_the_documentation() {
        let line = |request: &AdapterRequest| serde_json::to_string(request).unwrap();
        assert_eq!(
            line(&AdapterRequest::Hello { protocol: 1 }),
            r#"{"hello":{"protocol":1}}"#
        );
        let serve = AdapterRequest::ServeFastcgi {
            at: "127.0.0.1:4001".to_owned(),
        };
        assert_eq!(line(&serve), r#"{"serve-fastcgi":{"at":"127.0.0.1:4001"}}"#);
        assert_eq!(line(&AdapterRequest::Close), r#""close""#);
        let reply = |text: &str| serde_json::from_str::<AdapterReply>(text).unwrap();
        assert_eq!(reply(r#""ok""#), AdapterReply::Ok);
        assert_eq!(
            reply(r#"{"unsupported":"no switch"}"#),
            AdapterReply::Unsupported("no switch".to_owned())
        );
    }
}
