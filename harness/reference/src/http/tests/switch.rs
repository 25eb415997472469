//! Keep-alives switched off, and a shutdown, in every state of a connection.

use std::time::Duration;

use super::Step::{Connect, Counted, Off, On, Refused, Replies, Send, Stop};
use super::*;

const KEPT: &str = "< 200 HTTP/1.1 content-length=1 \"a\"";
const CLOSED: &str = "< 200 HTTP/1.1 close content-length=1 \"a\"";

/// A request whose handler runs until the counter `go` is incremented.
const HELD: &str = "GET /slow?count=in&until=go HTTP/1.1\r\nHost: a\r\n\r\n";
const GO: &str = "GET /?count=go HTTP/1.1\r\nHost: a\r\n\r\n";
const WENT: &str = "< 200 HTTP/1.1 close content-length=2 \"ok\"\n< FIN";

/// Checks that the switch and a shutdown have the same effect on existing connections.
fn check_both(steps: impl Fn(Step<'static>) -> Vec<Step<'static>>, expected: &str) {
    check(&steps(Off), expected);
    check(&steps(Stop), expected);
}

fn leak(text: String) -> &'static str {
    text.leak()
}

#[test]
fn an_idle_connection_gets_fin_and_no_bytes() {
    let one = leak(get("HTTP/1.1", ""));
    check_both(
        |control| vec![Send(one), Replies(1), control],
        &format!("{KEPT}\n< FIN"),
    );
    check_both(
        |control| vec![Send(one), Replies(1), Send("\r\n"), control],
        &format!("{KEPT}\n< FIN"),
    );
}

#[test]
fn a_connection_never_used_is_served_once_within_a_grace() {
    let one = leak(get("HTTP/1.1", ""));
    check_both(
        |control| vec![control, Send(one), Send(one)],
        &format!("{CLOSED}\n< FIN"),
    );
    let settings = Settings {
        unused_grace: Duration::from_millis(30),
        ..Settings::default()
    };
    check_with(settings.clone(), &[Off], "< FIN");
    check_with(settings, &[Stop], "< FIN");
}

#[test]
fn a_request_whose_first_byte_has_arrived_is_served() {
    // The client cannot know of the switch. First and second request; one byte or half a head.
    let request = leak(get("HTTP/1.1", ""));
    for at in [1, 20, request.len() - 1] {
        let (half, rest) = request.split_at(at);
        check_both(
            |control| vec![Send(half), control, Send(rest)],
            &format!("{CLOSED}\n< FIN"),
        );
        check_both(
            |control| {
                vec![
                    Send(request),
                    Replies(1),
                    Send(half),
                    control,
                    Send(rest),
                    Send(request),
                ]
            },
            &format!("{KEPT}\n{CLOSED}\n< FIN"),
        );
    }
}

#[test]
fn content_in_transfer_is_read_to_its_end() {
    let request = leak(post("/echo?count=in", "Content-Length: 10\r\n\r\nhello"));
    check_both(
        |control| vec![Send(request), Counted("in"), control, Send("world")],
        "< 200 HTTP/1.1 close content-length=10 \"helloworld\"\n< FIN",
    );
}

#[test]
fn a_running_request_is_answered_and_pipelined_ones_do_not_run() {
    let slow = "< 200 HTTP/1.1 close content-length=4 \"slow\"\n< FIN";
    check(
        &[Send(HELD), Send(LAST), Counted("in"), Off, Connect, Send(GO)],
        &format!("{slow}\n{WENT}"),
    );
    // After a shutdown no connection is accepted, so the one that sends `go` is opened before.
    check(
        &[Send(HELD), Send(LAST), Counted("in"), Connect, Stop, Send(GO)],
        &format!("{slow}\n{WENT}"),
    );
}

#[test]
fn the_request_that_switches_keep_alives_off_is_the_last() {
    let off = "GET /keep-alives/off HTTP/1.1\r\nHost: a\r\n\r\n";
    check_closed(off, "< 200 HTTP/1.1 close content-length=3 \"off\"");
}

#[test]
fn a_reply_in_transfer_is_completed_and_followed_by_fin() {
    let held = "GET /stream?count=in&until=go&chunks=2&size=1 HTTP/1.1\r\nHost: a\r\n\r\n";
    let steps = [Send(held), Counted("in"), Off, Connect, Send(GO)];
    check(&steps, &format!("< 200 HTTP/1.1 chunked \"xx\"\n< FIN\n{WENT}"));
}

#[test]
fn a_new_connection_is_served_once_while_keep_alives_are_off() {
    let one = get("HTTP/1.1", "");
    check(
        &[Send(&one), Replies(1), Off, Connect, Send(&one), Send(&one)],
        &format!("{KEPT}\n< FIN\n{CLOSED}\n< FIN"),
    );
}

#[test]
fn a_new_connection_is_refused_after_a_shutdown() {
    check(
        &[Send(HELD), Counted("in"), Connect, Stop, Refused, Send(GO)],
        &format!("< 200 HTTP/1.1 close content-length=4 \"slow\"\n< FIN\n{WENT}"),
    );
}

#[test]
fn http_1_0_gets_no_keep_alive_while_keep_alives_are_off() {
    let one = get("HTTP/1.0", "Connection: keep-alive");
    check(&[Off, Send(&one), Send(&one)], &format!("{CLOSED}\n< FIN"));
}

#[test]
fn keep_alives_can_be_switched_on_again() {
    let one = get("HTTP/1.1", "");
    check(
        &[Off, Send(&one), Replies(1), On, Connect, Send(&one), Send(LAST)],
        &format!("{CLOSED}\n< FIN\n{KEPT}\n{LAST_REPLY}"),
    );
    check(
        &[Off, On, Send(&one), Send(LAST)],
        &format!("{KEPT}\n{LAST_REPLY}"),
    );
}

#[tokio::test]
async fn a_shutdown_serves_the_listeners_queue() {
    let server = start(Settings::default(), None);
    // There is no await before the shutdown, so the connection is still in the queue when it begins.
    let mut queued = std::net::TcpStream::connect(server.address()).unwrap();
    io::Write::write_all(&mut queued, get("HTTP/1.1", "").as_bytes()).unwrap();
    let shutdown = tokio::spawn(server.shutdown(BUDGET));
    queued.set_nonblocking(true).unwrap();
    let client = Client::new(TcpStream::from_std(queued).unwrap());
    let ended = timeout(BUDGET, client.until_end()).await.unwrap();
    assert_eq!(ended, format!("{CLOSED} unasked\n< FIN"));
    assert_eq!(shutdown.await.unwrap(), Shutdown::Drained);
}

#[tokio::test]
async fn a_shutdown_drops_open_connections_at_its_deadline() {
    let server = start(Settings::default(), None);
    let mut client = Client::connect(server.address()).await.unwrap();
    client.send(HELD).await;
    while server.counted("in") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        server.shutdown(Duration::from_millis(30)).await,
        Shutdown::DeadlinePassed
    );
    let ended = timeout(BUDGET, client.until_end()).await.unwrap();
    assert!(["< FIN", "< RST"].contains(&ended.as_str()), "{ended}");
}

#[test]
fn a_shutdown_cannot_be_undone() {
    let request = get("HTTP/1.1", "");
    let (half, rest) = request.split_at(request.len() - 2);
    let on = "GET /keep-alives/on HTTP/1.1\r\nHost: a\r\n\r\n";
    check(
        &[
            Send(half),
            Connect,
            Stop,
            Send(on),
            Replies(1),
            Step::Back,
            Send(rest),
        ],
        &format!("{CLOSED}\n< FIN\n< 200 HTTP/1.1 close content-length=2 \"on\"\n< FIN"),
    );
}
