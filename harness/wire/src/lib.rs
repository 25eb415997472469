//! FastCGI records, HTTP/1 messages and TCP segments; pure.

pub mod fastcgi;
pub mod http1;
pub mod segment;
