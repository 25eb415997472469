//! The reference FastCGI application.
//!
//! Read in this order: an application implements [`Handler`]. `table` holds the active ids. `dialogue` implements what
//! each record means, together with `admission`, `receive`, `running` and `management`. `connection` moves the bytes.
//! [`Server`] accepts connections and shuts down. [`FastCgiFault`] switches a known historical bug on; `hooks` is the
//! only module that acts on it, the others contain the protocol alone.
//!
//! One task owns a connection with its table, input and output. Each handler is a task of its own that sends complete
//! records through a bounded channel. So an id becomes free in the same step that appends END_REQUEST to the output,
//! before the peer can have seen it, and the table needs no lock. The cost is one task switch per request.
//!
//! Section numbers (§) refer to the FastCGI Specification 1.0. Where it leaves a choice, a comment at the place of the
//! choice states what is done.

mod admission;
mod background;
mod connection;
mod dialogue;
mod fault;
mod handler;
mod handlers;
mod hooks;
mod input;
mod listen;
mod management;
mod output;
mod receive;
mod running;
mod server;
mod settings;
mod table;

pub use background::{At, Background};
pub use fault::FastCgiFault;
pub use handler::{AppStatus, Handler, Params, Request};
pub use handlers::Handlers;
pub use input::Input;
pub use listen::{ListenError, Listener, web_server_addrs};
pub use output::Output;
pub use server::Server;
pub use settings::Settings;

#[cfg(test)]
mod tests;
