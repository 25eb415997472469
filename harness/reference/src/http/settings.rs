//! The limits and time-outs of the server.
//!
//! Every wait for a peer has one. The defaults suit a person trying the server by hand; a suite shortens
//! those it waits for.

use std::time::Duration;

/// How long and how much the server takes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// From the end of a reply (or accept) to the first byte of a request; then FIN, no bytes.
    pub idle_timeout: Duration,
    /// What is left of `idle_timeout` for a connection without any request once keep-alives are off.
    pub unused_grace: Duration,
    /// From the first byte of a request to the end of its head; then 408.
    pub head_timeout: Duration,
    /// For each piece of a request's content; then 408, or the end where the reply is already out.
    pub body_timeout: Duration,
    /// For each write of a reply to a peer that does not read.
    pub write_timeout: Duration,
    /// From our FIN to the end of reading what the peer still sends.
    pub linger_timeout: Duration,
    /// Bytes of a request line, fields and the empty line, and of a trailer section; then 431.
    pub head_bytes_max: usize,
    /// Bytes of content a handler collects; then 413.
    pub body_bytes_max: u64,
    /// Bytes of content nobody read that are worth reading to keep the connection; otherwise it is closed.
    pub discard_bytes_max: u64,
    /// Requests on one connection; the last reply says `close`.
    pub requests_max: Option<u32>,
    /// Connections at once; further ones wait in the listener's queue.
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
