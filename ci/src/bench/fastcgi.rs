//! Requests per second of the FastCGI reference, relative to Go's net/http/fcgi, on persistent connections.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use reusespec::implementations::{self, ImplementationError};
use reusespec::run::with_causes;
use reusespec_core::adapter::{ADAPTER_PROTOCOL, AdapterRequest};
use reusespec_wire::fastcgi::{Decoder, Kind, RawRecord, Stream, append_pair};

use super::process::{Process, free_address};
use super::rate::{ROUND, medians};
use super::serve::Served;

const CONNECTIONS: [usize; 2] = [1, 16];

pub(super) fn measure() -> io::Result<()> {
    let (_reference, ours) = Process::serving(Served::Fastcgi)?;
    let theirs = free_address()?;
    let _go = go(theirs)?;
    for connections in CONNECTIONS {
        let [ours, theirs] = medians([ours, theirs], connections, visit)?;
        writeln!(
            io::stdout(),
            "FastCGI, {connections:2} kept connections   reference {ours:7.0} requests/s   \
             net/http/fcgi {theirs:8.0}   {:.2} × it",
            ours / theirs
        )?;
    }
    Ok(())
}

/// Sends requests on one connection until the deadline. Returns how many were answered.
fn visit(at: SocketAddr, deadline: Instant) -> io::Result<u32> {
    let request = request();
    let mut socket = TcpStream::connect(at)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(2 * ROUND))?;
    let mut decoder = Decoder::new();
    let mut buffer = [0; 8 << 10];
    let mut count = 0;
    while Instant::now() < deadline {
        socket.write_all(&request)?;
        let mut ended = false;
        while !ended {
            let len = socket.read(&mut buffer)?;
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            decoder.feed(&buffer[..len]);
            while let Some(record) = decoder.next_record() {
                ended |= record.kind() == Kind::EndRequest;
            }
        }
        count += 1;
    }
    Ok(count)
}

fn request() -> Vec<u8> {
    let mut params = Vec::new();
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", "/echo"),
        ("REQUEST_URI", "/echo"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("HTTP_HOST", "localhost"),
    ] {
        append_pair(&mut params, name.as_bytes(), value.as_bytes());
    }
    let mut bytes = Vec::new();
    let begin = [0, 1, 1, 0, 0, 0, 0, 0];
    RawRecord::new(Kind::BeginRequest, 1, begin).append_to(&mut bytes);
    RawRecord::new(Kind::Stream(Stream::Params), 1, params).append_to(&mut bytes);
    RawRecord::new(Kind::Stream(Stream::Params), 1, []).append_to(&mut bytes);
    RawRecord::new(Kind::Stream(Stream::Stdin), 1, []).append_to(&mut bytes);
    bytes
}

/// Starts the Go adapter as a server.
fn go(at: SocketAddr) -> io::Result<Process> {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let broken = |error: ImplementationError| io::Error::other(with_causes(&error));
    let go = implementations::find(&scenarios, "go").map_err(broken)?;
    let go = go.ok_or_else(|| io::Error::other("no profile of go"))?;
    let external = go.external().map_err(broken)?;
    if let Some(missing) = external.missing {
        return Err(io::Error::other(missing));
    }
    let mut go = Process::start(Command::new(&external.start[0]).args(&external.start[1..]))?;
    let hello = AdapterRequest::Hello {
        protocol: ADAPTER_PROTOCOL,
    };
    let serve = AdapterRequest::ServeFastcgi { at: at.to_string() };
    for request in [hello, serve] {
        go.ask(&serde_json::to_string(&request)?)?;
    }
    Ok(go)
}
