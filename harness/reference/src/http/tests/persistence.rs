//! Persistence: versions, spellings of `Connection`, pipelining, and the end of a connection.

use std::time::Duration;

use super::Step::{HalfClose, Replies, Send};
use super::*;

const KEPT: &str = "< 200 HTTP/1.1 content-length=1 \"a\"";
const KEPT_10: &str = "< 200 HTTP/1.1 keep-alive content-length=1 \"a\"";
const CLOSED: &str = "< 200 HTTP/1.1 close content-length=1 \"a\"";

#[test]
fn http_1_1_persists_unless_told_otherwise() {
    // RFC 9112 §9.3.
    for fields in [
        "",
        "Connection: keep-alive",
        "Connection: closed",
        "Connection: notclose",
        "Connection: close;q=1",
        "Connection: \"close\"",
        "Connection: upgrade\r\nUpgrade: unknown",
        "Proxy-Connection: close",
    ] {
        check_open(&get("HTTP/1.1", fields), KEPT);
    }
}

#[test]
fn close_anywhere_in_the_list_closes() {
    // RFC 9112 §9.6; RFC 9110 §5.1, §5.3, §5.6.1, §5.6.3, §7.6.1.
    for fields in [
        "Connection: close",
        "Connection: Close",
        "connection: CLOSE",
        "Connection: foo, close",
        "Connection: close, foo",
        "Connection: keep-alive, close",
        "Connection: close, keep-alive",
        "Connection: ,close",
        "Connection: , close ,",
        "Connection: \tclose\t",
        "Connection: foo\t,\tclose",
        "Connection: keep-alive\r\nConnection: close",
        "Connection: close\r\nConnection: keep-alive",
        "Connection: close, upgrade\r\nUpgrade: unknown",
    ] {
        check_closed(&get("HTTP/1.1", fields), CLOSED);
        check_closed(
            &get("HTTP/1.0", &format!("Connection: keep-alive\r\n{fields}")),
            CLOSED,
        );
    }
}

#[test]
fn http_1_0_persists_on_request_and_the_reply_says_so() {
    // RFC 9112 §9.3 and appendix C.2.2.
    for fields in [
        "Connection: keep-alive",
        "Connection: Keep-Alive",
        "Connection: foo, keep-alive",
    ] {
        check_open(&get("HTTP/1.0", fields), KEPT_10);
    }
    check_closed(&get("HTTP/1.0", ""), CLOSED);
    check_closed(&get("HTTP/1.0", "Connection: foo"), CLOSED);
}

#[test]
fn http_1_0_asks_for_persistence_with_every_request() {
    let both = [get("HTTP/1.0", "Connection: keep-alive"), get("HTTP/1.0", "")].concat();
    check_closed(&both, &format!("{KEPT_10}\n{CLOSED}"));
}

#[test]
fn a_newer_minor_version_is_served_as_1_1() {
    // RFC 9110 §6.2.
    check_open(&get("HTTP/1.2", ""), KEPT);
    check_closed(&get("HTTP/1.9", "Connection: close"), CLOSED);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    // RFC 9112 §9.3.2.
    let requests = "GET /slow?ms=30 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned() + &get("HTTP/1.1", "");
    check_open(
        &requests,
        &format!("< 200 HTTP/1.1 content-length=4 \"slow\"\n{KEPT}"),
    );
}

#[test]
fn nothing_behind_a_closing_request_is_processed() {
    // RFC 9112 §9.6: not answered, and its handler does not run.
    let run = "POST /count/late HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let closing = get("HTTP/1.1", "Connection: close");
    let read = "GET /count/late HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    check(
        &[Send(&closing), Send(run), Step::Connect, Send(read)],
        &format!("{CLOSED}\n< FIN\n< 200 HTTP/1.1 close content-length=1 \"0\"\n< FIN"),
    );
    check_closed(
        &[get("HTTP/1.1", ""), closing.clone()].concat(),
        &format!("{KEPT}\n{CLOSED}"),
    );
    check_closed(&(closing + "\x16\x03\x01 junk"), CLOSED);
}

#[test]
fn a_handler_can_end_the_connection() {
    // RFC 9112 §9.6: a server that has sent close has to close.
    let close = "GET /close HTTP/1.1\r\nHost: a\r\n\r\n";
    check_closed(close, "< 200 HTTP/1.1 close content-length=7 \"closing\"");
}

#[test]
fn a_half_closed_client_gets_every_reply() {
    let one = get("HTTP/1.1", "");
    let slow = "GET /slow?ms=30 HTTP/1.1\r\nHost: a\r\n\r\n";
    check(&[Send(&one), HalfClose], &format!("{KEPT}\n< FIN"));
    check(
        &[Send(&one), Send(&one), HalfClose],
        &format!("{KEPT}\n{KEPT}\n< FIN"),
    );
    check(
        &[Send(slow), HalfClose],
        "< 200 HTTP/1.1 content-length=4 \"slow\"\n< FIN",
    );
    check(&[HalfClose], "< FIN");
}

#[test]
fn input_after_the_last_request_does_not_cause_a_reset() {
    // RFC 9112 §9.6: the client gets the reply and FIN although it is still sending.
    let body = "x".repeat(1 << 20);
    let request = post("/ignore-body", "Content-Length: 1048576\r\n\r\n") + &body;
    check(
        &[Send(&request)],
        "< 200 HTTP/1.1 close content-length=7 \"ignored\"\n< FIN",
    );
}

#[test]
fn an_idle_connection_ends_with_fin_and_no_bytes() {
    // RFC 9112 §9.5; a client could take a 408 for the reply to its next request (RFC 9112 §9.2).
    let settings = Settings {
        idle_timeout: Duration::from_millis(30),
        ..Settings::default()
    };
    check_with(settings.clone(), &[], "< FIN");
    check_with(
        settings.clone(),
        &[Send(&get("HTTP/1.1", "")), Replies(1)],
        &format!("{KEPT}\n< FIN"),
    );
    check_with(settings, &[Send("\r\n\r\n")], "< FIN");
}

#[test]
fn a_request_that_stalls_gets_408() {
    // RFC 9110 §15.5.9.
    let timeout = Duration::from_millis(30);
    let settings = Settings {
        head_timeout: timeout,
        body_timeout: timeout,
        ..Settings::default()
    };
    let timed_out = "< 408 HTTP/1.1 close content-length=0\n< FIN";
    check_with(settings.clone(), &[Send("GET / HTTP/1.1\r\nHo")], timed_out);
    check_with(
        settings.clone(),
        &[Send(&post("/echo", "Content-Length: 9\r\n\r\n123"))],
        timed_out,
    );
    check_with(
        settings,
        &[Send(&post("/ignore-body", "Content-Length: 9\r\n\r\n123"))],
        "< 200 HTTP/1.1 content-length=7 \"ignored\"\n< FIN",
    );
}

#[test]
fn the_last_request_of_a_limited_connection_says_close() {
    let settings = Settings {
        requests_max: Some(2),
        ..Settings::default()
    };
    let one = get("HTTP/1.1", "");
    check_with(
        settings,
        &[Send(&one), Send(&one), Send(&one)],
        &format!("{KEPT}\n{CLOSED}\n< FIN"),
    );
}
