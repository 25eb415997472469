//! Tests of the server over TCP connections, from the web server's side, with and without faults.

mod faults;
mod ids;
mod life;
mod peer;
mod streams;
