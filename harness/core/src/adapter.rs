//! The lines an adapter and the harness exchange: one JSON object a line, an answer to each request.
//!
//! `harness/implementations/ADAPTERS.md` is this file for people who write adapters. An adapter is thin: it
//! lets its language's own API do what is asked, and says `unsupported` where that API has no such thing.

use serde::{Deserialize, Serialize};

/// What an adapter is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterRequest {
    /// The first line.
    Hello {
        /// 1.
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
        /// Close a connection that has been idle so long; the library's default if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idle_ms: Option<u64>,
        /// Close a connection after so many requests; no limit if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requests_max: Option<u32>,
    },
    /// Switch persistence off or on by the API's own switch.
    KeepAlives {
        /// On.
        enabled: bool,
    },
    /// Shut the server down the graceful way; answered when that has begun.
    Shutdown {
        /// How long the API is told to wait.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_ms: Option<u64>,
    },
    /// The value of a counter of the HTTP handlers; asked here because a server that shuts down takes no requests.
    Count {
        /// Its name.
        key: String,
    },
    /// Close what serves, the abrupt way.
    Close,
}

/// What an adapter answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterReply {
    /// To `hello`.
    Hello {
        /// 1.
        protocol: u32,
        /// `go`.
        name: String,
        /// `go1.19.8`.
        version: String,
    },
    /// Done.
    Ok,
    /// To `count`.
    Count(u64),
    /// The API has no such thing; the text says what is missing.
    Unsupported(String),
    /// It was tried and failed: an error name (`EADDRINUSE`) or the language's words.
    Failed(String),
}

/// The protocol's version.
pub const ADAPTER_PROTOCOL: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_those_the_page_shows() {
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
