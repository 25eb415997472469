//! Requests per second of the HTTP reference, relative to hyper, on persistent connections; and the cost of its
//! keep-alive switch.
//!
//! The reference cannot be built without the switch. So the operations that one request performs on it are timed
//! alone, a million times, and compared with the time of a request.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::process::Process;
use super::rate::{ROUND, medians};
use super::serve::Served;

const CONNECTIONS: [usize; 2] = [1, 16];
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// The end of the replies of both servers.
const END: &[u8] = b"\r\n\r\nok";
/// Repetitions for the cost of the switch.
const ASKED: u32 = 1_000_000;

pub(super) fn measure() -> io::Result<()> {
    let (_reference, ours) = Process::serving(Served::Http)?;
    let (_hyper, theirs) = Process::serving(Served::Hyper)?;
    let mut alone = None;
    for connections in CONNECTIONS {
        let [ours, theirs] = medians([ours, theirs], connections, visit)?;
        alone = alone.or(Some(ours));
        writeln!(
            io::stdout(),
            "HTTP, {connections:2} kept connections      reference {ours:7.0} requests/s   \
             bare hyper {theirs:11.0}   {:.2} × it",
            ours / theirs
        )?;
    }
    let asking = asking_the_switch()?;
    let rate = alone.ok_or_else(|| io::Error::other("no rate was measured"))?;
    let request = Duration::from_secs_f64(1.0 / rate);
    writeln!(
        io::stdout(),
        "HTTP, the switch for keep-alives   {} ns of the {} ns of a request: {:.3} × the rate without it",
        asking.as_nanos(),
        request.as_nanos(),
        (request.saturating_sub(asking)).as_secs_f64() / request.as_secs_f64()
    )
}

/// Sends requests on one connection until the deadline. Returns how many were answered.
fn visit(at: SocketAddr, deadline: Instant) -> io::Result<u32> {
    let mut socket = TcpStream::connect(at)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(2 * ROUND))?;
    let mut buffer = [0; 8 << 10];
    let mut count = 0;
    while Instant::now() < deadline {
        socket.write_all(REQUEST)?;
        let mut len = 0;
        while !buffer[..len].ends_with(END) {
            match socket.read(&mut buffer[len..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => len += more,
            }
        }
        count += 1;
    }
    Ok(count)
}

/// The operations of one request on the switch: three reads of its state, and one registration for a wake-up.
fn asking_the_switch() -> io::Result<Duration> {
    let (_switch, mut switched) = watch::channel(true);
    let ask = async {
        let began = Instant::now();
        for _ in 0..ASKED {
            black_box(*switched.borrow_and_update());
            poll_fn(|context| {
                let _ = black_box(pin!(switched.changed()).poll(context));
                Poll::Ready(())
            })
            .await;
            black_box((*switched.borrow(), *switched.borrow()));
        }
        began.elapsed() / ASKED
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(runtime.block_on(ask))
}
