//! The limits and timeouts of the server.
//!
//! Every wait for a peer has a timeout. The defaults suit manual use; the test suite shortens those it waits for.

use std::time::Duration;

/// Limits and timeouts of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// From the end of a reply (or from accept) to the first byte of a request; then FIN without a reply.
    pub idle_timeout: Duration,
    /// Replaces `idle_timeout` on a connection without any request once keep-alives are off, if it is shorter.
    pub unused_grace: Duration,
    /// From the first byte of a request to the end of its head; then 408.
    pub head_timeout: Duration,
    /// For each read of a request's content; then 408, or a close if the reply has begun.
    pub body_timeout: Duration,
    /// For each write of a reply; then the connection is dropped.
    pub write_timeout: Duration,
    /// How long the server still reads after its FIN.
    pub linger_timeout: Duration,
    /// Limit in bytes of a request's head, and of a trailer section; then 431.
    pub head_bytes_max: usize,
    /// Limit in bytes of the content that a handler reads; then 413.
    pub body_bytes_max: u64,
    /// Limit in bytes of unread content that the server reads and drops to keep the connection; otherwise it closes.
    pub discard_bytes_max: u64,
    /// Limit of requests on one connection; the last reply says `close`.
    pub requests_max: Option<u32>,
    /// Limit of concurrent connections; further ones wait in the listener's queue.
    pub connections_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(60),
            unused_grace: Duration::from_secs(5),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            linger_timeout: Duration::from_secs(1),
            head_bytes_max: 16 << 10,
            body_bytes_max: 1 << 20,
            discard_bytes_max: 64 << 10,
            requests_max: None,
            connections_max: 1024,
        }
    }
}
