//! What the reader makes of replies, good, odd and hostile.

use super::super::*;
use super::{read, transcript};

/// Interim reply, length, no content, chunked with extension and trailer, until close.
const EXCHANGE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n\
HTTP/1.1 200 OK\r\ncontent-LENGTH:  5\r\nConnection: foo,, Keep-Alive\r\n\r\nhello\
HTTP/1.1 204 \r\n\r\n\
HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nDigest: z\r\n\r\n\
HTTP/1.1 200\r\nConnection: close\r\n\r\nthe rest";

const ASKED: [Asked; 4] = [Asked::Other; 4];

fn lines(bytes: &[u8], asked: &[Asked]) -> String {
    transcript(Limits::default(), asked, bytes)
}

#[test]
fn the_exchange_reads_as_five_messages() {
    assert_eq!(
        lines(EXCHANGE, &ASKED),
        "< 100 HTTP/1.1\n\
         < 200 HTTP/1.1 foo Keep-Alive content-length=5 \"hello\"\n\
         < 204 HTTP/1.1 no-body\n\
         < 200 HTTP/1.1 chunked \"hello\" trailer=\"Digest: z\"\n\
         < 200 HTTP/1.1 close until-close \"the rest\""
    );
}

#[test]
fn field_lines_keep_case_order_and_spaces() {
    let (responses, _) = read(Limits::default(), &ASKED, &[EXCHANGE]);
    let raw: Vec<_> = responses[0].head.fields.iter().map(FieldLine::raw).collect();
    assert_eq!(raw, [&b"content-LENGTH:  5"[..], b"Connection: foo,, Keep-Alive"]);
    assert!(responses[0].says_keep_alive() && !responses[0].says_close());
}

#[test]
fn no_cut_changes_the_answer() {
    let whole = read(Limits::default(), &ASKED, &[EXCHANGE]);
    for at in 0..=EXCHANGE.len() {
        let (before, after) = EXCHANGE.split_at(at);
        assert_eq!(
            read(Limits::default(), &ASKED, &[before, after]),
            whole,
            "cut at {at}"
        );
    }
    let bytes: Vec<_> = EXCHANGE.chunks(1).collect();
    assert_eq!(read(Limits::default(), &ASKED, &bytes), whole);
}

#[test]
fn every_truncation_gives_a_prefix_of_the_replies_and_says_what_is_cut() {
    let (whole, _) = read(Limits::default(), &ASKED, &[EXCHANGE]);
    let until_close = EXCHANGE.len() - b"the rest".len();
    for at in 0..until_close {
        let (responses, tail) = read(Limits::default(), &ASKED, &[&EXCHANGE[..at]]);
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
fn replies_without_content_by_rule_leave_the_next_one_in_step() {
    // RFC 9112 §6.3, rules 1 and 2.
    let bytes =
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n\
                  HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(
        lines(bytes, &[Asked::Head, Asked::Other, Asked::Other]),
        "< 200 HTTP/1.1 no-body (length 9)\n< 304 HTTP/1.1 no-body (length 9)\n< 200 HTTP/1.1 content-length=0"
    );
}

#[test]
fn chunked_wins_over_a_length_and_both_are_shown() {
    // RFC 9112 §6.3, rule 3.
    let bytes =
        b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    assert_eq!(lines(bytes, &ASKED), "< 200 HTTP/1.0 chunked (length 3) \"ab\"");
}

#[test]
fn a_reply_nobody_asked_for_is_marked() {
    let bytes = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(lines(bytes, &[]), "< 408 HTTP/1.1 close content-length=0 unasked");
}

#[test]
fn what_follows_a_switch_of_protocols_is_no_reply() {
    // RFC 9110 §15.2.2 and §9.3.6.
    let bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\0\x01";
    assert_eq!(
        lines(bytes, &ASKED),
        "< 101 HTTP/1.1 tunnel\n< tunnel \"\\x00\\x01\""
    );
    let bytes = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    assert!(lines(bytes, &[Asked::Connect]).starts_with("< 200 HTTP/1.1 tunnel\n< tunnel \"HTTP"));
}

#[test]
fn odd_but_readable_replies_are_read() {
    let bytes =
        b"\r\nHTTP/1.1 200 OK\nConnection: close\n\tfolded\nX : y\ngarbage\nContent-Length: 1, 1\n\na";
    let (responses, tail) = read(Limits::default(), &ASKED, &[bytes]);
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
fn unreadable_bytes_end_the_reading_with_a_reason() {
    for (bytes, reason) in [
        (&b"SSH-2.0-x\r\n"[..], "< no status line \"SSH-2.0-x\\r\\n\""),
        // A time would be another one in the next run.
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
            lines(bytes, &ASKED).starts_with(reason),
            "{}",
            lines(bytes, &ASKED)
        );
    }
}

#[test]
fn hostile_input_stops_at_the_limits() {
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
            "at every cut"
        );
    }
}

#[test]
fn a_long_body_is_counted_and_told_apart_without_being_kept() {
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
fn the_point_on_the_wire_is_known_at_any_time() {
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
