//! The framing of requests and replies, and its effect on the connection.

use super::Step::{HalfClose, Replies, Send};
use super::*;

const HELLO: &str = "< 200 HTTP/1.1 content-length=5 \"hello\"";
const BAD: &str = "< 400 HTTP/1.1 close content-length=0";

#[test]
fn content_is_read_to_its_end() {
    // RFC 9112 §6.2 and §7.1: chunk extensions and trailers are not content.
    for rest in [
        "Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: Chunked\r\n\r\n2;a=b\r\nhe\r\n3 ;c\r\nllo\r\n000\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nDigest: x\r\nEtag: y\r\n\r\n",
    ] {
        check_open(&post("/echo", rest), HELLO);
    }
}

#[test]
fn requests_are_read_byte_by_byte() {
    let request = post(
        "/echo",
        "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n",
    ) + LAST;
    let steps: Vec<_> = (0..request.len()).map(|at| Send(&request[at..=at])).collect();
    check(&steps, &format!("{HELLO}\n{LAST_REPLY}"));
}

#[test]
fn unread_content_is_not_parsed_as_a_request() {
    // RFC 9112 §9.3: read all content, or close.
    let little = post("/ignore-body", "Content-Length: 1000\r\n\r\n") + &"GET / HTTP".repeat(100);
    let (kept, closed) = (
        "< 200 HTTP/1.1 content-length=7 \"ignored\"",
        "< 200 HTTP/1.1 close content-length=7 \"ignored\"",
    );
    check_open(&little, kept);
    let much = post("/ignore-body", "Content-Length: 300000\r\n\r\n") + &"0123456789".repeat(30_000);
    check_closed(&much, closed);
    let chunked = post(
        "/ignore-body",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    check_closed(&chunked, closed);
    let unfinished = post(
        "/ignore-body",
        "Content-Length: 1000\r\nConnection: close\r\n\r\n0123456789",
    );
    check(&[Send(&unfinished)], &format!("{closed}\n< FIN"));
    let cut = post("/ignore-body", "Content-Length: 1000\r\n\r\n0123456789");
    check(&[Send(&cut), Replies(1), HalfClose], &format!("{kept}\n< FIN"));
}

#[test]
fn after_an_early_reply_the_next_request_is_answered() {
    check_open(
        &post("/early", "Content-Length: 5\r\n\r\nhello"),
        "< 200 HTTP/1.1 content-length=5 \"early\"",
    );
}

#[test]
fn faulty_framing_is_refused_and_ends_the_connection() {
    // RFC 9112 §6.1, §6.3, §7.1.
    for rest in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip\r\n\r\nhello",
        "Transfer-Encoding: chunked, gzip\r\n\r\nhello",
        "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: \r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "Content-Length: 5, 5\r\n\r\nhello",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: -5\r\n\r\nhello",
        "Content-Length: 0x5\r\n\r\nhello",
        "Content-Length: \r\n\r\nhello",
        "Content-Length: 99999999999999999999\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n;a\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nhello",
    ] {
        check_closed(&post("/echo", rest), BAD);
    }
    let coded = post("/echo", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    check_closed(&coded, "< 501 HTTP/1.1 close content-length=0");
    let old = "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    check_closed(old, BAD);
}

#[test]
fn content_cut_by_the_end_of_the_stream_is_refused() {
    // RFC 9112 §8.
    for rest in [
        "Content-Length: 5\r\n\r\nhel",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        check(&[Send(&post("/echo", rest)), HalfClose], &format!("{BAD}\n< FIN"));
    }
}

#[test]
fn content_past_the_limit_is_refused() {
    let declared = post("/echo", "Content-Length: 1048577\r\n\r\n");
    check(&[Send(&declared)], "< 413 HTTP/1.1 close content-length=0\n< FIN");
    let chunk = format!("80000\r\n{}\r\n", "x".repeat(0x80000)).repeat(3);
    let chunked = post("/echo", "Transfer-Encoding: chunked\r\n\r\n") + &chunk;
    check(&[Send(&chunked)], "< 413 HTTP/1.1 close content-length=0\n< FIN");
}

#[test]
fn replies_without_content_keep_the_connection_in_sync() {
    // RFC 9112 §6.3, RFC 9110 §8.6, §9.3.2, §15.3.5, §15.4.5.
    let ask = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    check_open(
        &ask("HEAD", "/echo?text=abc"),
        "< 200 HTTP/1.1 no-body (length 3)",
    );
    check_open(&ask("HEAD", "/stream"), "< 200 HTTP/1.1 no-body");
    check_open(&ask("HEAD", "/short"), "< 200 HTTP/1.1 no-body (length 10)");
    check_open(&ask("GET", "/no-content"), "< 204 HTTP/1.1 no-body");
    check_open(&ask("GET", "/not-modified"), "< 304 HTTP/1.1 no-body");
    check_open(
        "GET /not-modified HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "< 304 HTTP/1.1 keep-alive no-body",
    );
}

#[test]
fn a_reply_of_unknown_length_is_chunked_or_ends_with_the_connection() {
    // RFC 9112 §6.1: never chunked to HTTP/1.0; §9.3: then it cannot persist.
    let ask = |version: &str, option: &str| {
        format!("GET /stream?chunks=2&size=2 {version}\r\nHost: a\r\nConnection: {option}\r\n\r\n")
    };
    check_open(&ask("HTTP/1.1", "x"), "< 200 HTTP/1.1 chunked \"xxxx\"");
    check_closed(&ask("HTTP/1.1", "close"), "< 200 HTTP/1.1 close chunked \"xxxx\"");
    check_closed(
        &ask("HTTP/1.0", "keep-alive"),
        "< 200 HTTP/1.1 close until-close \"xxxx\"",
    );
}

#[test]
fn a_reply_shorter_than_its_length_ends_the_connection() {
    // RFC 9112 §6.3 and §8.
    let short = "GET /short HTTP/1.1\r\nHost: a\r\n\r\n";
    check_closed(short, "< 200 HTTP/1.1 content-length=10 \"xxxxx\" cut");
}

#[test]
fn a_big_reply_arrives_completely() {
    let big = "GET /big?size=3000000 HTTP/1.1\r\nHost: a\r\n\r\n";
    let shown = "x".repeat(64);
    check_open(
        big,
        &format!("< 200 HTTP/1.1 content-length=3000000 \"{shown}\"… 3000000 bytes"),
    );
}

#[test]
fn a_100_is_sent_to_clients_that_wait_for_it() {
    // RFC 9110 §10.1.1.
    let waiting = |value: &str, length: u32| {
        post(
            "/echo?count=in",
            &format!("Expect: {value}\r\nContent-Length: {length}\r\n\r\n"),
        )
    };
    let continued = format!("< 100 HTTP/1.1\n{HELLO}\n{LAST_REPLY}");
    for value in ["100-continue", "100-Continue"] {
        let head = waiting(value, 5);
        check(
            &[Send(&head), Step::Counted("in"), Send("hello"), Send(LAST)],
            &continued,
        );
    }
    check_open(&(waiting("100-continue", 5) + "hello"), HELLO);
    check_open(&waiting("100-continue", 0), "< 200 HTTP/1.1 content-length=0");
    let old = "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    check(
        &[Send(old), Send("hello")],
        "< 200 HTTP/1.1 close content-length=5 \"hello\"\n< FIN",
    );
}

#[test]
fn without_a_100_the_content_is_not_parsed_as_a_request() {
    // RFC 9110 §10.1.1: the client may or may not send its content, so the connection closes.
    let unread = post(
        "/ignore-body",
        "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
    );
    let closed = "< 200 HTTP/1.1 close content-length=7 \"ignored\"\n< FIN";
    check(&[Send(&unread)], closed);
    check(&[Send(&unread), Replies(1), Send(LAST)], closed);
    let unknown = post("/echo", "Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello");
    check_closed(&unknown, "< 417 HTTP/1.1 close content-length=0");
}
