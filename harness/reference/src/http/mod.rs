//! The reference HTTP/1.x server.
//!
//! The path of a request: `server` accepts a connection. `connection` waits for the first byte and decides whether to
//! go on after the reply. `head` parses the request line and fields; `persistence` and `framing` interpret those that
//! concern the connection. `body` decodes the content. `exchange` is the request and reply that a handler sees.
//! `handlers` are the handlers that every implementation under test offers. `hooks` is the only module that acts on an
//! [`HttpFault`]; the others contain the protocol alone.
//!
//! The connection loop is written here, over `httparse`, because the scenarios test that loop; in a library's loop the
//! library would decide when to close. So this is no general server: one task per connection, content in memory, no
//! TLS, no upgrade. The server closes a connection only after a reply that says `close`, or when no byte of another
//! request has arrived.

mod body;
mod connection;
mod exchange;
mod fault;
mod framing;
mod handlers;
mod head;
mod hooks;
mod input;
mod persistence;
mod query;
mod refusal;
mod reply;
mod server;
mod settings;
mod shared;

pub use fault::HttpFault;
pub use server::{Server, Shutdown};
pub use settings::Settings;

#[cfg(test)]
mod tests;
