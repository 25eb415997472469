//! The servers that the benchmarks measure. Each prints its address and serves until standard input ends.
//!
//! hyper has its default settings and a constant reply. It and the HTTP reference run on the same kind of runtime, with
//! one thread per processor.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use clap::ValueEnum;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use reusespec_reference::fastcgi::{At, Background, Settings};
use reusespec_reference::http;
use tokio::net::TcpListener;

use super::process::free_address;

/// A server to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Served {
    /// The FastCGI reference.
    Fastcgi,
    /// The HTTP reference.
    Http,
    /// hyper with a constant reply.
    Hyper,
}

impl Served {
    /// The name on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Fastcgi => "fastcgi",
            Self::Http => "http",
            Self::Hyper => "hyper",
        }
    }
}

/// Serves until standard input ends.
pub(crate) fn serve(what: Served) -> io::Result<()> {
    match what {
        Served::Fastcgi => {
            let at = free_address()?;
            let _serving = Background::start(At::Tcp(at), Settings::default()).map_err(io::Error::other)?;
            until_input_ends(at)
        }
        Served::Http | Served::Hyper => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let _inside = runtime.enter();
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            let at = listener.local_addr()?;
            if what == Served::Http {
                let _serving = http::Server::start(listener, http::Settings::default(), None)?;
                return until_input_ends(at);
            }
            listener.set_nonblocking(true)?;
            tokio::spawn(accept(TcpListener::from_std(listener)?));
            until_input_ends(at)
        }
    }
}

fn until_input_ends(at: SocketAddr) -> io::Result<()> {
    writeln!(io::stdout(), "{at}")?;
    io::stdin().read_to_end(&mut Vec::new()).map(|_| ())
}

async fn accept(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let reply = |_: Request<Incoming>| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
        };
        tokio::spawn(Builder::new().serve_connection(TokioIo::new(stream), service_fn(reply)));
    }
}
