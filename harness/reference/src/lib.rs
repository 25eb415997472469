//! The reference implementation: sockets, keepalive, FastCGI application, HTTP server.

pub mod fault;
pub mod keepalive;
pub mod sockets;
