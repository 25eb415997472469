//! Two relays with a line between them that loses bytes, or does not.

use std::io::{BufRead, BufReader, Read, Write};
use std::thread;

use super::*;

/// The window of a small serial port.
const SMALL: usize = 300;

/// Both relays with a line between them that `between` copies in the host's direction. Returns the streams' ends.
fn channel(between: impl FnOnce(UnixStream, UnixStream) + Send + 'static) -> (UnixStream, UnixStream) {
    let (host, host_local) = UnixStream::pair().unwrap();
    let (agent, agent_local) = UnixStream::pair().unwrap();
    let (host_line, middle) = UnixStream::pair().unwrap();
    let (other, guest_line) = UnixStream::pair().unwrap();
    thread::spawn(move || run(host_line, &host_local, Host::default(), SMALL, Vec::new()).unwrap());
    thread::spawn(move || {
        run(
            guest_line,
            &agent_local,
            Guest::default(),
            TO_HOST_WINDOW,
            b"begin\n".into(),
        )
        .unwrap();
    });
    let (mut from, mut to) = (other.try_clone().unwrap(), middle.try_clone().unwrap());
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
    });
    thread::spawn(move || between(middle, other));
    for stream in [&host, &agent] {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    }
    (host, agent)
}

fn faithful(mut from: UnixStream, mut to: UnixStream) {
    let _ = io::copy(&mut from, &mut to);
}

/// Drops one byte of each thousand.
fn lossy(mut from: UnixStream, mut to: UnixStream) {
    let mut byte = [0];
    let mut count = 0_u32;
    while from.read(&mut byte).is_ok_and(|read| read == 1) {
        count += 1;
        if !count.is_multiple_of(1000) && to.write_all(&byte).is_err() {
            return;
        }
    }
}

#[test]
fn a_megabyte_arrives_and_an_answer_comes_back() {
    let (mut host, mut agent) = channel(faithful);
    let sent: Vec<u8> = (0..1 << 20).map(|number: u32| (number / 7) as u8).collect();
    let copy = sent.clone();
    thread::spawn(move || {
        host.write_all(&copy)
            .map(|()| host)
            .unwrap()
            .read_to_end(&mut Vec::new())
    });
    let mut received = vec![0; 6 + sent.len()];
    agent.read_exact(&mut received).unwrap();
    assert!(received.starts_with(b"begin\n") && received[6..] == sent);
}

#[test]
fn on_a_lossy_line_all_lines_arrive_and_losses_are_noted() {
    let (mut host, agent) = channel(lossy);
    let lines: Vec<String> = (0..300_u32)
        .map(|number| format!("{:x}", number.wrapping_mul(2_654_435_761)))
        .collect();
    host.write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    let mut reader = BufReader::new(agent.try_clone().unwrap());
    let mut received = Vec::new();
    for _ in 0..=lines.len() {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        received.push(line.trim().to_owned());
    }
    assert_eq!(received[1..], lines);
    (&agent).write_all(b"{\"done\":1}\n").unwrap();
    drop((agent, reader));
    let mut replies = String::new();
    host.read_to_string(&mut replies).unwrap();
    assert!(
        replies.contains("channel: the guest did not receive frame"),
        "{replies}"
    );
    assert!(replies.ends_with("{\"done\":1}\n"), "{replies}");
}

#[test]
fn the_host_reads_the_end_after_the_last_line() {
    let (mut host, mut agent) = channel(faithful);
    agent.write_all(b"last\n").unwrap();
    drop(agent);
    let mut replies = String::new();
    host.read_to_string(&mut replies).unwrap();
    assert_eq!(replies, "last\n");
}
