//! Requests per second of the FastCGI reference beside Go's net/http/fcgi, on kept connections.
//!
//! They take turns in one run, so that other work on the machine is in the way of both. The visitor is a thread a
//! connection and needs a processor itself; it is the same for both, so the ratio flatters neither.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use reusespec::implementations;
use reusespec_core::adapter::AdapterRequest;
use reusespec_reference::fastcgi::{At, Background, Settings};
use reusespec_wire::fastcgi::{Decoder, Kind, RawRecord, Stream, append_pair};

const CONNECTIONS: [usize; 2] = [1, 16];
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(1);

pub(crate) fn measure() -> io::Result<()> {
    let ours = free_address()?;
    let _reference = Background::start(At::Tcp(ours), Settings::default()).map_err(io::Error::other)?;
    let theirs = free_address()?;
    let _go = Go::start(theirs)?;
    for connections in CONNECTIONS {
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (rates, at) in rates.iter_mut().zip([ours, theirs]) {
                rates.push(rate(at, connections)?);
            }
        }
        let [ours, theirs] = rates.map(median);
        writeln!(
            io::stdout(),
            "FastCGI, {connections:2} kept connections   reference {ours:7.0} requests/s   \
             net/http/fcgi {theirs:7.0}   {:.2} × it",
            ours / theirs
        )?;
    }
    Ok(())
}

/// Requests a second, all connections together.
fn rate(at: SocketAddr, connections: usize) -> io::Result<f64> {
    let deadline = Instant::now() + ROUND;
    let visitors: Vec<_> = (0..connections)
        .map(|_| thread::spawn(move || visit(at, deadline)))
        .collect();
    let counts = visitors.into_iter().map(|visitor| {
        visitor
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a visitor panicked")))
    });
    let count: u32 = counts.sum::<io::Result<u32>>()?;
    Ok(f64::from(count) / ROUND.as_secs_f64())
}

/// Sends requests on one connection, each when the one before has ended. Returns how many were answered in time.
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

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The adapter for Go, killed when dropped. The end of its input would end it, too.
struct Go(Child, ChildStdin);

impl Go {
    fn start(at: SocketAddr) -> io::Result<Self> {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let go =
            implementations::find(&scenarios, "go").ok_or_else(|| io::Error::other("no profile of go"))?;
        let external = go.external().map_err(io::Error::other)?;
        if let Some(missing) = external.missing {
            return Err(io::Error::other(missing));
        }
        let mut child = Command::new(&external.start[0])
            .args(&external.start[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the adapter has no streams"));
        };
        let mut go = Self(child, input);
        let mut lines = BufReader::new(output).lines();
        let serve = AdapterRequest::ServeFastcgi { at: at.to_string() };
        for request in [AdapterRequest::Hello { protocol: 1 }, serve] {
            writeln!(go.1, "{}", serde_json::to_string(&request)?)?;
            lines.next().transpose()?;
        }
        Ok(go)
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
