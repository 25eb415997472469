//! Somebody's FastCGI server that hangs, dies, talks nonsense or does not stop talking: a verdict, and soon.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rstest::rstest;

use crate::fixture::{Answer, Fixture};

/// A request, and its claim.
const REQUEST: &str = r#"
title = "A request"
why = "a test"
source = ["FastCGI 1.0 §5.5"]
budget = "8s"
matrix.id = [1, 2]
steps = [
  { send = { records = [{ request = { id = "$id" } }] } },
  { receive = { until = "END", label = "reply" } },
]
[[claim]]
id = "is-answered"
level = "must"
expect = { reply = { has = ['END id='] } }
"#;

/// Two cases, a budget each, and what a busy machine needs to start the command.
const WITHIN: Duration = Duration::from_secs(2 * 8 + 10);
const FLOOD_BYTES: usize = 100 << 20;

/// Listens and treats each connection so, until the test process ends.
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

fn run(at: SocketAddr) -> (Answer, String) {
    let fixture = Fixture::with(&[]);
    let family = fixture.path().join("fastcgi");
    fs::create_dir(&family).unwrap();
    fs::write(family.join("request.toml"), REQUEST).unwrap();
    let started = Instant::now();
    let answer = fixture.run(&[
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
    (answer, report)
}

/// Reads and never answers.
fn hang(mut socket: TcpStream) {
    let mut buffer = [0; 1 << 10];
    while socket.read(&mut buffer).is_ok_and(|len| len > 0) {}
}

/// Is gone as soon as it is connected to.
fn die(socket: TcpStream) {
    drop(socket);
}

/// Answers something else.
fn talk_nonsense(mut socket: TcpStream) {
    let mut buffer = [0; 1 << 10];
    let _ = socket.read(&mut buffer);
    let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    hang(socket);
}

/// Sends STDOUT, as long as somebody reads.
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
#[case::that_dies(die, "< closed")]
#[case::that_talks_nonsense(talk_nonsense, "< no record: it begins with 72")]
#[case::that_never_stops_talking(flood, "< more than 8 MiB")]
fn a_server_fails_within_its_budget(#[case] treat: fn(TcpStream), #[case] seen: &str) {
    let (answer, report) = run(server(treat));
    assert_eq!(answer.status, 1, "{}", answer.stderr);
    let summary = answer.summary();
    assert_eq!(
        (&summary["fail"], &summary["broken"]),
        (&2.into(), &0.into()),
        "{answer:?}"
    );
    for line in &answer.json()[..2] {
        let last = line["observed"]["reply"]
            .as_array()
            .and_then(|lines| lines.last());
        assert_eq!(last.and_then(|line| line.as_str()), Some(seen));
    }
    assert!(report.contains("failures=\"2\""), "{report}");
}

#[test]
fn a_server_that_is_not_there_breaks_its_cases() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (answer, report) = run(address);
    assert_eq!(answer.status, 69, "{}", answer.stderr);
    assert_eq!(answer.summary()["broken"], 2);
    assert!(report.contains("ECONNREFUSED"), "{report}");
}
