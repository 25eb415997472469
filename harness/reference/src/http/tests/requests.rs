//! Unusual, malformed and hostile requests.

use super::Step::{HalfClose, Send};
use super::*;

const OK: &str = "< 200 HTTP/1.1 content-length=1 \"a\"";
const BAD: &str = "< 400 HTTP/1.1 close content-length=0";

/// The refusal of bytes whose first line is not a request line.
const BAD_UNASKED: &str = "< 400 HTTP/1.1 close content-length=0 unasked";

#[test]
fn a_malformed_request_is_refused_and_closes_the_connection() {
    // RFC 9112 §2.2, §3, §5.1.
    for bytes in [
        "hello\r\n\r\n",
        "GET /\r\n\r\n",
        "\x16\x03\x01\x02\r\n\r\n",
        "GET / FTP/1.1\r\n\r\n",
    ] {
        check(&[Send(bytes)], &format!("{BAD_UNASKED}\n< FIN"));
    }
    for bytes in [
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.12\r\nHost: a\r\n\r\n",
    ] {
        check_closed(bytes, BAD);
    }
    check(
        &[Send("GET / HTTP/1.1\r\nHo"), HalfClose],
        &format!("{BAD}\n< FIN"),
    );
}

#[test]
fn http_1_1_has_exactly_one_valid_host() {
    // RFC 9112 §3.2.
    for fields in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
    ] {
        check_closed(&format!("GET / HTTP/1.1\r\n{fields}\r\n"), BAD);
    }
    check_closed("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", BAD);
    let ok = "< 200 HTTP/1.1 content-length=2 \"ok\"";
    check_open("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ok);
    check_open("GET / HTTP/1.1\r\nHost:\r\n\r\n", ok);
    check_closed(
        "GET / HTTP/1.0\r\n\r\n",
        "< 200 HTTP/1.1 close content-length=2 \"ok\"",
    );
}

#[test]
fn all_target_forms_of_an_origin_server_are_accepted() {
    // RFC 9112 §3.2.2: absolute form MUST be accepted.
    check_open("GET http://b/echo?text=a HTTP/1.1\r\nHost: a\r\n\r\n", OK);
    check_open(
        "GET HTTPS://b HTTP/1.1\r\nHost: a\r\n\r\n",
        "< 200 HTTP/1.1 content-length=2 \"ok\"",
    );
    check_open("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "< 204 HTTP/1.1 no-body");
    check_open(
        "GET /none HTTP/1.1\r\nHost: a\r\n\r\n",
        "< 404 HTTP/1.1 content-length=15 \"no such handler\"",
    );
}

#[test]
fn bytes_behind_connect_are_not_parsed_as_requests() {
    // RFC 9110 §9.3.6.
    check_closed(
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
        "< 405 HTTP/1.1 close content-length=0",
    );
}

#[test]
fn method_names_are_case_sensitive() {
    // RFC 9110 §9.1.
    check_open(
        "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
        "< 405 HTTP/1.1 content-length=0",
    );
    check_open(
        "get / HTTP/1.1\r\nHost: a\r\n\r\n",
        "< 501 HTTP/1.1 content-length=0",
    );
}

#[test]
fn another_major_version_is_refused() {
    // RFC 9110 §15.6.6.
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.1"] {
        let bytes = format!("GET / {version}\r\nHost: a\r\n\r\n");
        check(&[Send(&bytes)], "< 505 HTTP/1.1 close content-length=0\n< FIN");
    }
    check(
        &[Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
        "< 505 HTTP/1.1 close content-length=0\n< FIN",
    );
}

#[test]
fn empty_lines_before_a_request_are_skipped() {
    // RFC 9112 §2.2.
    check_open(&["\r\n", &get("HTTP/1.1", "")].concat(), OK);
    check_open(
        &[&get("HTTP/1.1", ""), "\r\n\r\n", &get("HTTP/1.1", "")].concat(),
        &[OK, OK].join("\n"),
    );
    check_open("GET /echo?text=a HTTP/1.1\nHost: a\n\n", OK);
}

#[test]
fn an_endless_head_is_refused_at_the_limit() {
    // RFC 6585 §5.
    let refused = "< 431 HTTP/1.1 close content-length=0\n< FIN";
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(70 << 10));
    check(&[Send(&long)], refused);
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200));
    check(&[Send(&many)], refused);
    let trailers = format!("0\r\n{}", "X: y\r\n".repeat(4000));
    check(
        &[Send(&post(
            "/echo",
            &format!("Transfer-Encoding: chunked\r\n\r\n{trailers}"),
        ))],
        refused,
    );
}
