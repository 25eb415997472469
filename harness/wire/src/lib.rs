//! FastCGI records, HTTP/1 messages and TCP segments. This crate does no I/O and reads no clock.

pub mod fastcgi;
pub mod http1;
pub mod segment;
