//! The adapter for Rust's sockets: executes requests, which arrive as JSON lines, with the API that the first argument
//! names.
//!
//! `../ADAPTERS.md` describes the lines. The four APIs share one program, because they are built and sent to guests
//! together; each has a file and a profile.

mod answer;
mod api;
mod lines;
mod mio_net;
mod ready;
mod socket2_socket;
mod std_net;
mod tokio_net;

use std::io;
use std::process::ExitCode;

fn serve(name: Option<&str>) -> io::Result<()> {
    match name {
        Some("std") => lines::serve(std_net::Std),
        Some("socket2") => lines::serve(socket2_socket::Socket2),
        Some("tokio") => lines::serve(tokio_net::Tokio::new()?),
        Some("mio") => lines::serve(mio_net::Mio::new()?),
        _ => Err(io::Error::other(
            "the first argument is not std, socket2, tokio or mio",
        )),
    }
}

fn main() -> ExitCode {
    match serve(std::env::args().nth(1).as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rust-sockets: {error}");
            ExitCode::FAILURE
        }
    }
}
