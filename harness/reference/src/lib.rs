//! The reference implementation: sockets, keepalive, FastCGI application, HTTP server.

pub mod fastcgi;
pub mod fault;
pub mod http;
pub mod keepalive;
pub mod sockets;
