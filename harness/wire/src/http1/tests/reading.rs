//! The reader's results for valid, unusual and hostile replies.

use super::super::*;
use super::{read, transcript};

/// Interim reply, length, no content, chunked with extension and trailer, until close.
const EXCHANGE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n\
HTTP/1.1 200 OK\r\ncontent-LENGTH:  5\r\nConnection: foo,, Keep-Alive\r\n\r\nhello\
HTTP/1.1 204 \r\n\r\n\
HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nDigest: z\r\n\r\n\
HTTP/1.1 200\r\nConnection: close\r\n\r\nthe rest";

const REQUESTS: [RequestKind; 4] = [RequestKind::Other; 4];

fn lines(bytes: &[u8], requests: &[RequestKind]) -> String {
    transcript(Limits::default(), requests, bytes)
}

#[test]
fn the_exchange_reads_as_five_messages() {
    assert_eq!(
        lines(EXCHANGE, &REQUESTS),
        "< 100 HTTP/1.1\n\
         < 200 HTTP/1.1 foo Keep-Alive content-length=5 \"hello\"\n\
         < 204 HTTP/1.1 no-body\n\
         < 200 HTTP/1.1 chunked \"hello\" trailer=\"Digest: z\"\n\
         < 200 HTTP/1.1 close until-close \"the rest\""
    );
}

#[test]
fn field_lines_keep_case_order_and_spaces() {
    let (responses, _) = read(Limits::default(), &REQUESTS, &[EXCHANGE]);
    let raw: Vec<_> = responses[0].head.fields.iter().map(FieldLine::raw).collect();
    assert_eq!(raw, [&b"content-LENGTH:  5"[..], b"Connection: foo,, Keep-Alive"]);
    assert!(responses[0].says_keep_alive() && !responses[0].says_close());
}

#[test]
fn the_result_does_not_depend_on_the_pieces() {
    let whole = read(Limits::default(), &REQUESTS, &[EXCHANGE]);
    for at in 0..=EXCHANGE.len() {
        let (before, after) = EXCHANGE.split_at(at);
        assert_eq!(
            read(Limits::default(), &REQUESTS, &[before, after]),
            whole,
            "cut at {at}"
        );
    }
    let bytes: Vec<_> = EXCHANGE.chunks(1).collect();
    assert_eq!(read(Limits::default(), &REQUESTS, &bytes), whole);
}

#[test]
fn a_truncated_exchange_gives_its_complete_replies_and_a_tail() {
    let (whole, _) = read(Limits::default(), &REQUESTS, &[EXCHANGE]);
    let until_close = EXCHANGE.len() - b"the rest".len();
    for at in 0..until_close {
        let (responses, tail) = read(Limits::default(), &REQUESTS, &[&EXCHANGE[..at]]);
        assert_eq!(responses, whole[..responses.len()], "cut at {at}");
        let ends = [b"hello".as_slice(), b"204 \r\n\r\n", b"z\r\n\r\n"];
        let between = at == 0 || ends.iter().any(|end| EXCHANGE[..at].ends_with(end));
        let inside_chunk = matches!(&tail, Tail::Body(response) if response.framing == Framing::Chunked);
        assert!(
            between == (tail == Tail::Nothing) || inside_chunk,
            "cut at {at}: {tail:?}"
        );
    }
}

#[test]
fn a_reply_without_content_does_not_consume_the_next_reply() {
    // RFC 9112 §6.3, rules 1 and 2.
    let bytes =
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n\
                  HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(
        lines(
            bytes,
            &[RequestKind::Head, RequestKind::Other, RequestKind::Other]
        ),
        "< 200 HTTP/1.1 no-body (length 9)\n< 304 HTTP/1.1 no-body (length 9)\n< 200 HTTP/1.1 content-length=0"
    );
}

#[test]
fn chunked_overrides_a_length_and_both_are_shown() {
    // RFC 9112 §6.3, rule 3.
    let bytes =
        b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    assert_eq!(
        lines(bytes, &REQUESTS),
        "< 200 HTTP/1.0 chunked (length 3) \"ab\""
    );
}

#[test]
fn an_unsolicited_reply_is_marked() {
    let bytes = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(lines(bytes, &[]), "< 408 HTTP/1.1 close content-length=0 unasked");
}

#[test]
fn bytes_after_a_protocol_switch_are_a_tunnel() {
    // RFC 9110 §15.2.2 and §9.3.6.
    let bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\0\x01";
    assert_eq!(
        lines(bytes, &REQUESTS),
        "< 101 HTTP/1.1 tunnel\n< tunnel \"\\x00\\x01\""
    );
    let bytes = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    assert!(lines(bytes, &[RequestKind::Connect]).starts_with("< 200 HTTP/1.1 tunnel\n< tunnel \"HTTP"));
}

#[test]
fn malformed_replies_with_a_clear_end_are_read() {
    let bytes =
        b"\r\nHTTP/1.1 200 OK\nConnection: close\n\tfolded\nX : y\ngarbage\nContent-Length: 1, 1\n\na";
    let (responses, tail) = read(Limits::default(), &REQUESTS, &[bytes]);
    let [response] = responses.as_slice() else {
        panic!("one reply, not {responses:?}")
    };
    assert!(response.head.bare_lf && response.stray_line_ends == 1);
    let fields = &response.head.fields;
    assert_eq!(fields[0].raw(), b"Connection: close\r\n\tfolded");
    assert!(fields[1].is("x") && fields[1].name() == b"X ");
    assert_eq!((fields[2].name(), fields[2].value()), (&b"garbage"[..], &b""[..]));
    assert_eq!((response.body.kept(), tail), (&b"a"[..], Tail::Nothing));
}

#[test]
fn unreadable_bytes_stop_the_reader_with_a_reason() {
    for (bytes, reason) in [
        (&b"SSH-2.0-x\r\n"[..], "< no status line \"SSH-2.0-x\\r\\n\""),
        // The time differs from run to run.
        (
            b"1 200 OK\r\nDate: Thu, 26 Nov 2026 10:25:53 GMT\r\nA: b\r\n",
            "< no status line \"1 200 OK\\r\\nDate: *\\r\\nA: b\\r\\n\"",
        ),
        (
            b"HTTP/1.1 2x0 OK\r\n\r\n",
            "< no status line \"HTTP/1.1 2x0 OK\\r\\n",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
            "< no usable content length \"\\r\\n\"",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
            "< no usable content length \"\\r\\n\"",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
            "< no chunk size \"-1\\r\\n\"",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
            "< no chunk size",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
            "< no line end after a chunk \"bc\\r\\n\"",
        ),
    ] {
        assert!(
            lines(bytes, &REQUESTS).starts_with(reason),
            "{}",
            lines(bytes, &REQUESTS)
        );
    }
}

#[test]
fn hostile_input_stops_the_reader_at_its_limits() {
    let limits = Limits {
        head_bytes_max: 100,
        body_kept_max: 4,
        body_bytes_max: 1000,
        interim_max: 2,
        responses_max: 3,
        leftover_kept_max: 8,
    };
    let endless_head = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n".repeat(1000)].concat();
    let many_bytes = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 2000]].concat();
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(9);
    let replies = b"HTTP/1.1 204 OK\r\n\r\n".repeat(9);
    for (bytes, error) in [
        (&endless_head, ReadError::HeadTooLong { max: 100 }),
        (&many_bytes, ReadError::BodyTooLong { max: 1000 }),
        (&interim, ReadError::TooManyInterim { max: 2 }),
        (&replies, ReadError::TooManyResponses { max: 3 }),
    ] {
        let (_, tail) = read(limits, &[], &[bytes]);
        let Tail::Malformed {
            error: found, kept, ..
        } = tail
        else {
            panic!("{tail:?}")
        };
        assert_eq!(found, error);
        assert!(kept.len() <= limits.leftover_kept_max);
        let bytes: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(
            read(limits, &[], &bytes).1,
            read(limits, &[], &[&bytes.concat()]).1,
            "for one-byte pieces"
        );
    }
}

#[test]
fn a_long_body_is_counted_and_hashed_but_not_kept() {
    let limits = Limits {
        body_kept_max: 3,
        ..Limits::default()
    };
    let body = |last| {
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n".to_vec(),
            vec![b'x'; 4999],
            vec![last],
        ]
    };
    let one = read(limits, &[], &[&body(b'y').concat()]).0.remove(0).body;
    let other = read(limits, &[], &[&body(b'z').concat()]).0.remove(0).body;
    assert_eq!(
        (one.kept(), one.total(), one.is_whole()),
        (&b"xxx"[..], 5000, false)
    );
    assert_ne!(one.fnv1a(), other.fnv1a());
}

#[test]
fn the_position_in_the_replies_is_known_at_any_time() {
    let mut reader = Reader::new(Limits::default());
    let mut seen = vec![reader.point()];
    for piece in [
        "HTTP/1.1 200 OK\r\nContent-",
        "Length: 2\r\n\r\n",
        "a",
        "b",
        "HTTP/1.1 200 OK\r\n\r\n",
        "?",
    ] {
        reader.feed(piece.as_bytes());
        seen.push(reader.point());
    }
    use ReplyPoint::{Between, InBody, InHead, InUnboundedBody};
    assert_eq!(
        seen,
        [
            Between,
            InHead,
            InBody,
            InBody,
            Between,
            InUnboundedBody,
            InUnboundedBody
        ]
    );
}
