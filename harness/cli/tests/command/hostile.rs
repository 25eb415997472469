//! HTTP servers that misbehave: each case still gets a verdict within its budget, and memory use stays small.
//!
//! The servers are named by `--target`, so the tests also show that a running server needs no profile. The same reader
//! handles their replies and all others, and a bad reply is never an error of the harness.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use reusespec_reference::http::{Server, Settings};

use crate::fixture::{Fixture, Output};

/// Each case of the scenario waits at most three seconds for the end of a reply; the rest allows for a busy machine.
const BUDGET: Duration = Duration::from_secs(20);
const SCENARIO: &str = "http/reply-version";

/// Calls `serve` with each connection, in threads that end with the test process.
fn listen(serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn run(filter: &str, target: SocketAddr) -> Output {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let fixture = Fixture::with(&[]);
    let mut command = fixture.command();
    command.env("REUSESPEC_SCENARIOS", scenarios);
    command.args(["run", filter, "--format", "json", "--target", &target.to_string()]);
    Output::of(command.output().unwrap())
}

/// Writes until the connection is closed.
fn flood(mut stream: TcpStream, head: &str, piece: &[u8]) {
    let mut written = stream.write_all(head.as_bytes());
    while written.is_ok() {
        written = stream.write_all(piece);
    }
}

fn every_case_fails_in_time(serve: fn(TcpStream)) {
    let started = Instant::now();
    let output = run(SCENARIO, listen(serve));
    assert!(started.elapsed() < BUDGET, "took {:?}", started.elapsed());
    let summary = output.summary();
    assert_eq!(output.status, 1, "{output:?}");
    assert_eq!(summary["broken"], 0, "{output:?}");
    assert!(summary["fail"].as_u64() > Some(0), "{output:?}");
}

#[test]
fn a_silent_server_fails() {
    every_case_fails_in_time(|mut stream| {
        // Reads until the client gives up.
        let _ = stream.read_to_end(&mut Vec::new());
    });
}

#[test]
fn a_server_that_resets_connections_fails() {
    every_case_fails_in_time(|stream| {
        let linger = nix::libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::Linger, &linger).unwrap();
    });
}

#[test]
fn an_endless_reply_head_fails() {
    every_case_fails_in_time(|stream| flood(stream, "HTTP/1.1 200 OK\r\nX-Padding: ", &[b'x'; 65536]));
}

#[test]
fn endless_interim_replies_fail() {
    every_case_fails_in_time(|stream| flood(stream, "", b"HTTP/1.1 102 Processing\r\n\r\n"));
}

#[test]
fn an_endless_reply_body_fails() {
    every_case_fails_in_time(|stream| {
        flood(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 1073741824000\r\n\r\n",
            &[b'x'; 65536],
        );
    });
}

#[test]
fn a_reply_of_single_octets_fails() {
    every_case_fails_in_time(|mut stream| {
        let mut written = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
        while written.is_ok() {
            // Waits between two octets until the read timeout; returns at once when the client has closed.
            let _ = stream.read(&mut [0; 64]);
            written = stream.write_all(b"x");
        }
    });
}

#[test]
fn a_target_that_refuses_connections_is_broken() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let unused = listener.local_addr().unwrap();
    drop(listener);
    let output = run(SCENARIO, unused);
    assert_eq!(output.status, 69, "{output:?}");
    assert_eq!(output.summary()["fail"], 0, "{output:?}");
}

#[test]
fn a_running_server_passes_the_scenarios_that_need_no_handler() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let server = {
        let _inside = runtime.enter();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Server::start(listener, Settings::default(), None).unwrap()
    };
    let output = run("http", server.address());
    let summary = output.summary();
    assert_eq!(output.status, 0, "{output:?}");
    assert!(summary["pass"].as_u64() >= Some(50), "{summary}");
    assert_eq!(summary["broken"], 0, "{summary}");
}
