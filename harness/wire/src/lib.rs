//! FastCGI records, HTTP/1 messages and TCP segments; pure.

pub mod segment;
