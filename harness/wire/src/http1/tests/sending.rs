//! Tests of requests, splits and the text of a connection's end.

use super::super::*;

#[test]
fn a_request_is_written_as_its_parts_are_given() {
    let request = Request {
        version: "HTTP/1.0".to_owned(),
        ..Request::new("POST", "/echo")
    }
    .field("connection", "close")
    .body(RequestBody::length("hello"));
    assert_eq!(
        String::from_utf8(request.encode()).unwrap(),
        "POST /echo HTTP/1.0\r\nHost: localhost\r\nconnection: close\r\nContent-Length: 5\r\n\r\nhello"
    );
}

#[test]
fn chunks_extensions_and_trailers_follow_rfc_9112_section_7_1() {
    let chunk = |data: &str, extension: Option<&str>| Chunk {
        data: data.into(),
        extension: extension.map(str::to_owned),
    };
    let body = RequestBody::Chunked {
        chunks: vec![chunk("hello, this is", Some("x=y")), chunk("!", None)],
        trailers: vec![("Digest".to_owned(), "z".to_owned())],
    };
    let bytes = Request::new("POST", "/").body(body).encode();
    assert!(bytes.ends_with(b"chunked\r\n\r\ne;x=y\r\nhello, this is\r\n1\r\n!\r\n0\r\nDigest: z\r\n\r\n"));
}

#[test]
fn both_framings_and_a_wrong_length_can_be_sent() {
    let chunks = vec![Chunk {
        data: b"a".to_vec(),
        extension: None,
    }];
    let both = Request::new("POST", "/")
        .body(RequestBody::Both { declared: 4, chunks })
        .encode();
    assert!(both.ends_with(b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"));
    let short = RequestBody::ContentLength {
        declared: 1000,
        sent: b"ten bytes.".to_vec(),
    };
    assert!(
        Request::new("POST", "/")
            .body(short)
            .encode()
            .ends_with(b"1000\r\n\r\nten bytes.")
    );
}

#[test]
fn a_message_is_split_at_the_given_points() {
    let bytes = b"GET / HTTP/1.1\r\n\r\nrest";
    let after_head = Split::At(vec![
        SplitPoint::After(b"\r\n\r\n".to_vec()),
        SplitPoint::Before(b"HTTP".to_vec()),
    ]);
    assert_eq!(
        after_head.pieces(bytes).unwrap(),
        [&b"GET / "[..], b"HTTP/1.1\r\n\r\n", b"rest"]
    );
    let ends = Split::At(vec![
        SplitPoint::Offset(0),
        SplitPoint::FromEnd(1),
        SplitPoint::FromEnd(1),
    ]);
    assert_eq!(ends.pieces(bytes).unwrap(), [&bytes[..21], b"t"]);
    assert_eq!(Split::Whole.pieces(bytes).unwrap(), [bytes]);
    assert_eq!(Split::ByteByByte.pieces(bytes).unwrap().len(), bytes.len());
    assert!(Split::Whole.pieces(b"").unwrap().is_empty());
}

#[test]
fn a_split_point_outside_the_message_is_an_error() {
    let error = |point| Split::At(vec![point]).pieces(b"abc").unwrap_err().to_string();
    assert_eq!(
        error(SplitPoint::Offset(4)),
        "cannot split at byte 4: the message has 3 bytes"
    );
    assert_eq!(
        error(SplitPoint::FromEnd(4)),
        "cannot split at byte 4: the message has 3 bytes"
    );
    assert_eq!(
        error(SplitPoint::After(b"\r\n".to_vec())),
        "cannot split at `\\r\\n`: it is not in the message"
    );
    assert_eq!(
        error(SplitPoint::Before(Vec::new())),
        "cannot split at ``: it is not in the message"
    );
}

#[test]
fn a_connection_end_prints_what_happened_and_where() {
    let text = |closing, reply, request| {
        ConnectionEnd {
            closing,
            reply,
            request,
        }
        .to_string()
    };
    use RequestPoint::{AfterLastByte, BeforeLastByte};
    assert_eq!(text(Closing::Fin, ReplyPoint::Between, AfterLastByte), "FIN");
    assert_eq!(
        text(Closing::Fin, ReplyPoint::InUnboundedBody, AfterLastByte),
        "FIN"
    );
    assert_eq!(
        text(Closing::Reset, ReplyPoint::InUnboundedBody, AfterLastByte),
        "RST in-body"
    );
    assert_eq!(
        text(Closing::Reset, ReplyPoint::InHead, BeforeLastByte),
        "RST in-head before-last-byte-sent"
    );
    assert_eq!(
        text(Closing::FinThenReset, ReplyPoint::Between, AfterLastByte),
        "FIN then RST"
    );
    assert_eq!(text(Closing::Open, ReplyPoint::Between, BeforeLastByte), "open");
}

#[test]
fn a_transcript_shows_both_sides() {
    let mut transcript = Transcript::default();
    transcript.sent(
        &Request::new("POST", "/echo")
            .field("Connection", "close")
            .body(RequestBody::length("hello")),
    );
    transcript.sent_raw(b"GET / HT");
    transcript.performed("control disable-keep-alives");
    transcript.ended(&ConnectionEnd {
        closing: Closing::Fin,
        reply: ReplyPoint::Between,
        request: RequestPoint::AfterLastByte,
    });
    assert_eq!(
        transcript.to_string(),
        "> POST /echo HTTP/1.1 Connection=\"close\" content-length=5 \"hello\"\n> raw \"GET / HT\"\n\
         > control disable-keep-alives\n< FIN"
    );
}
