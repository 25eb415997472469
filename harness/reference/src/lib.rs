//! The reference implementation: sockets, keepalive, FastCGI application, HTTP server.

pub mod fastcgi;
