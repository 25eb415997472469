//! The reference implementation: sockets, keepalive, FastCGI application, HTTP server.
//!
//! Each of the four can be started with a fault, a known bug. The modules contain the rules alone; faults act only in
//! the modules named `hooks`.

pub mod fastcgi;
pub mod fault;
pub mod http;
pub mod keepalive;
pub mod sockets;
