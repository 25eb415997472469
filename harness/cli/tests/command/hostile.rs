//! Servers that do their worst: whatever comes, each case gets a verdict within its budget, and memory stays small.
//!
//! They are reached by `--target`, so the tests also show that a server which runs already needs no file. What
//! they send is taken by the same reader as every other reply; none of it is an error of ours.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use reusespec_reference::http::{Server, Settings};

use crate::fixture::{Answer, Fixture};

/// Every case of the scenario waits for one end, at most three seconds; the rest is for a busy machine.
const BUDGET: Duration = Duration::from_secs(20);
const SCENARIO: &str = "http/reply-version";

/// Lets `serve` have each connection; the threads end with the test's process.
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

fn run(filter: &str, target: SocketAddr) -> Answer {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let fixture = Fixture::with(&[]);
    let mut command = fixture.command();
    command.env("REUSESPEC_SCENARIOS", scenarios);
    command.args(["run", filter, "--format", "json", "--target", &target.to_string()]);
    Answer::of(command.output().unwrap())
}

/// Writes until nobody takes it.
fn flood(mut stream: TcpStream, head: &str, piece: &[u8]) {
    let mut written = stream.write_all(head.as_bytes());
    while written.is_ok() {
        written = stream.write_all(piece);
    }
}

fn every_case_fails_in_time(serve: fn(TcpStream)) {
    let started = Instant::now();
    let answer = run(SCENARIO, listen(serve));
    assert!(started.elapsed() < BUDGET, "took {:?}", started.elapsed());
    let summary = answer.summary();
    assert_eq!(answer.status, 1, "{answer:?}");
    assert_eq!(summary["broken"], 0, "{answer:?}");
    assert!(summary["fail"].as_u64() > Some(0), "{answer:?}");
}

#[test]
fn a_server_that_says_nothing_fails() {
    every_case_fails_in_time(|mut stream| {
        // Reads until the client gives up.
        let _ = stream.read_to_end(&mut Vec::new());
    });
}

#[test]
fn a_server_that_resets_fails() {
    every_case_fails_in_time(|stream| {
        let linger = nix::libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::Linger, &linger).unwrap();
    });
}

#[test]
fn a_head_without_end_fails() {
    every_case_fails_in_time(|stream| flood(stream, "HTTP/1.1 200 OK\r\nX-Padding: ", &[b'x'; 65536]));
}

#[test]
fn interim_replies_without_end_fail() {
    every_case_fails_in_time(|stream| flood(stream, "", b"HTTP/1.1 102 Processing\r\n\r\n"));
}

#[test]
fn a_gigabyte_that_is_not_over_fails() {
    every_case_fails_in_time(|stream| {
        flood(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 1073741824000\r\n\r\n",
            &[b'x'; 65536],
        );
    });
}

#[test]
fn a_reply_that_drips_fails() {
    every_case_fails_in_time(|mut stream| {
        let mut written = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
        while written.is_ok() {
            // The pause between two bytes, as long as the client is there.
            let _ = stream.read(&mut [0; 64]);
            written = stream.write_all(b"x");
        }
    });
}

#[test]
fn nobody_at_the_target_is_broken_and_not_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let answer = run(SCENARIO, nobody);
    assert_eq!(answer.status, 69, "{answer:?}");
    assert_eq!(answer.summary()["fail"], 0, "{answer:?}");
}

#[test]
fn a_server_that_runs_already_is_tested_with_what_needs_no_handler() {
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
    let answer = run("http", server.address());
    let summary = answer.summary();
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(summary["pass"].as_u64() >= Some(50), "{summary}");
    assert_eq!(summary["broken"], 0, "{summary}");
}
