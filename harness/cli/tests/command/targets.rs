//! FastCGI servers that hang, close, send garbage or flood: each case still gets a verdict within its budget.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rstest::rstest;

use crate::fixture::{Fixture, Output, REQUEST};

/// The budgets of both cases, and ten seconds for a busy machine.
const WITHIN: Duration = Duration::from_secs(2 * 8 + 10);
const FLOOD_BYTES: usize = 100 << 20;

/// Calls `treat` with each connection, in threads that end with the test process.
fn server(treat: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || treat(socket));
        }
    });
    address
}

fn run(at: SocketAddr) -> (Output, String) {
    let fixture = Fixture::with(&[]);
    let family = fixture.path().join("fastcgi");
    fs::create_dir(&family).unwrap();
    fs::write(family.join("request.toml"), REQUEST).unwrap();
    let started = Instant::now();
    let output = fixture.run(&[
        "run",
        "fastcgi",
        "--target",
        &at.to_string(),
        "--format",
        "json",
        "--junit",
        "report.xml",
    ]);
    assert!(started.elapsed() < WITHIN, "took {:?}", started.elapsed());
    let report = fs::read_to_string(fixture.path().join("report.xml")).unwrap();
    (output, report)
}

/// Reads and never replies.
fn hang(mut socket: TcpStream) {
    let mut buffer = [0; 1 << 10];
    while socket.read(&mut buffer).is_ok_and(|len| len > 0) {}
}

/// Closes the connection at once.
fn close(socket: TcpStream) {
    drop(socket);
}

/// Replies with something that is not FastCGI.
fn send_garbage(mut socket: TcpStream) {
    let mut buffer = [0; 1 << 10];
    let _ = socket.read(&mut buffer);
    let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    hang(socket);
}

/// Sends STDOUT records until the connection is closed.
fn flood(mut socket: TcpStream) {
    let mut record = vec![1, 6, 0, 1, 0xff, 0xf8, 0, 0];
    record.resize(8 + 0xfff8, b'x');
    for _ in 0..FLOOD_BYTES / record.len() {
        if socket.write_all(&record).is_err() {
            return;
        }
    }
    hang(socket);
}

#[rstest]
#[case::that_hangs(hang, "< open")]
#[case::that_closes(close, "< closed")]
#[case::that_sends_garbage(send_garbage, "< no record: it begins with 72")]
#[case::that_floods(flood, "< more than 8 MiB")]
fn a_server_fails_within_its_budget(#[case] treat: fn(TcpStream), #[case] seen: &str) {
    let (output, report) = run(server(treat));
    assert_eq!(output.status, 1, "{}", output.stderr);
    let summary = output.summary();
    assert_eq!(
        (&summary["fail"], &summary["broken"]),
        (&2.into(), &0.into()),
        "{output:?}"
    );
    for line in &output.json()[..2] {
        let last = line["observed"]["reply"]
            .as_array()
            .and_then(|lines| lines.last());
        assert_eq!(last.and_then(|line| line.as_str()), Some(seen));
    }
    assert!(report.contains("failures=\"2\""), "{report}");
}

#[test]
fn a_target_that_refuses_connections_breaks_its_cases() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (output, report) = run(address);
    assert_eq!(output.status, 69, "{}", output.stderr);
    assert_eq!(output.summary()["broken"], 2);
    assert!(report.contains("ECONNREFUSED"), "{report}");
}
