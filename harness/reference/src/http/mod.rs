//! The reference HTTP/1.x server: the life of a connection, small enough to be read.
//!
//! The path of a request: `server` accepts, `connection` waits for a first byte and decides whether to go
//! on, `head` reads the request line and fields (`persistence` and `framing` say what they mean for the
//! connection), `body` takes content off the wire, `exchange` is what a handler sees and where a reply is
//! written, `handlers` are the replies every implementation under test offers.
//!
//! The connection loop is ours over `httparse` because that loop is what is under test: a library would
//! decide here when to close. The price is that this is no general server: one task a connection, bodies in
//! memory, no TLS, no upgrade. The rule it follows throughout: a connection is closed only where the last
//! reply said `close`, or where not one byte of a further request has arrived.

mod body;
mod connection;
mod exchange;
mod fault;
mod framing;
mod handlers;
mod head;
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
