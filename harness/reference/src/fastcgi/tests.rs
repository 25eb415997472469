//! The server seen from the web server's side of a real connection, and every fault seen from there.

mod faults;
mod ids;
mod life;
mod peer;
mod streams;
