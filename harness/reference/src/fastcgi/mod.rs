//! The reference FastCGI application: the protocol obeyed, small enough to be read in an evening.
//!
//! Read in this order: [`Handler`] is what an application writes; `table` knows which ids are active;
//! `dialogue` says what each record means, with `admission`, `receive`, `running` and `management` for its
//! four subjects; `connection` moves the bytes; [`Server`] accepts and drains. [`FastCgiFault`] switches one
//! known historical bug on; every other file mentions a fault only where the bug lived.
//!
//! One task owns a connection: its table, its input, its output. Handlers are tasks of their own and hand
//! over finished records through a bounded channel. So an id becomes free in the same step that appends
//! END_REQUEST to the output, before the peer can possibly have seen it, and the table needs no lock. The
//! price is one task switch per request.
//!
//! Sections (§) are those of the FastCGI Specification 1.0. Where it is silent, what is done here is said
//! where it is done.

mod admission;
mod connection;
mod dialogue;
mod fault;
mod handler;
mod handlers;
mod input;
mod listen;
mod management;
mod misread;
mod output;
mod receive;
mod running;
mod server;
mod settings;
mod table;

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
