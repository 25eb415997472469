//! Requests per second on kept connections: the reference server beside a bare hyper server.
//!
//! `cargo run --release -p reusespec-reference --example http_throughput` needs `wrk`. The two take turns in
//! one process on one runtime, so that a busy machine slows both; only the ratio means something.

use std::convert::Infallible;
use std::error::Error;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use reusespec_reference::http::{Server, Settings};

const ROUNDS: usize = 3;

async fn hyper_server(listener: TcpListener) -> Result<(), Box<dyn Error + Send + Sync>> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let reply = |_: Request<hyper::body::Incoming>| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
        };
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(reply));
        tokio::spawn(connection);
    }
}

/// Requests per second over 32 connections for 4 seconds.
fn measure(address: SocketAddr) -> Result<f64, Box<dyn Error>> {
    let wrk = Command::new("wrk")
        .args(["-t1", "-c32", "-d4s"])
        .arg(format!("http://{address}/"))
        .output()?;
    let text = String::from_utf8(wrk.stdout)?;
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    Ok(rate.ok_or("wrk printed no rate")?.trim().parse()?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let hyper = listener.local_addr()?;
    tokio::spawn(hyper_server(listener));
    let server = Server::start(TcpListener::bind("127.0.0.1:0")?, Settings::default(), None)?;
    let reference = server.address();
    let mut out = std::io::stdout();
    for _ in 0..ROUNDS {
        let (bare, ours) = tokio::task::spawn_blocking(move || {
            let rates = |address| measure(address).map_err(|error| error.to_string());
            Ok::<_, String>((rates(hyper)?, rates(reference)?))
        })
        .await??;
        writeln!(
            out,
            "hyper {bare:.0}/s  reference {ours:.0}/s  ratio {:.2}",
            ours / bare
        )?;
    }
    Ok(())
}
