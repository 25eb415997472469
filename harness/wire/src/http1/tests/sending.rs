//! Requests, cuts and the words for an ending.

use super::super::*;

#[test]
fn a_request_is_written_as_its_parts_stand() {
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
fn both_framings_and_a_false_length_can_be_sent() {
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
fn cuts_fall_where_they_are_asked_for() {
    let bytes = b"GET / HTTP/1.1\r\n\r\nrest";
    let after_head = Cut::At(vec![
        CutPoint::After(b"\r\n\r\n".to_vec()),
        CutPoint::Before(b"HTTP".to_vec()),
    ]);
    assert_eq!(
        after_head.segments(bytes).unwrap(),
        [&b"GET / "[..], b"HTTP/1.1\r\n\r\n", b"rest"]
    );
    let ends = Cut::At(vec![
        CutPoint::Offset(0),
        CutPoint::FromEnd(1),
        CutPoint::FromEnd(1),
    ]);
    assert_eq!(ends.segments(bytes).unwrap(), [&bytes[..21], b"t"]);
    assert_eq!(Cut::Whole.segments(bytes).unwrap(), [bytes]);
    assert_eq!(Cut::ByteByByte.segments(bytes).unwrap().len(), bytes.len());
    assert!(Cut::Whole.segments(b"").unwrap().is_empty());
}

#[test]
fn a_place_the_message_does_not_have_is_an_error() {
    let cut = |place| Cut::At(vec![place]).segments(b"abc").unwrap_err().to_string();
    assert_eq!(
        cut(CutPoint::Offset(4)),
        "cannot cut at 4 from one end: the message has 3 bytes"
    );
    assert_eq!(
        cut(CutPoint::FromEnd(4)),
        "cannot cut at 4 from one end: the message has 3 bytes"
    );
    assert_eq!(
        cut(CutPoint::After(b"\r\n".to_vec())),
        "cannot cut at `\\r\\n`: it is not in the message"
    );
    assert_eq!(
        cut(CutPoint::Before(Vec::new())),
        "cannot cut at ``: it is not in the message"
    );
}

#[test]
fn an_ending_says_what_and_where() {
    let ended = |closing, reply, request| {
        Ended {
            closing,
            reply,
            request,
        }
        .to_string()
    };
    use RequestPoint::{AfterLastByte, BeforeLastByte};
    assert_eq!(ended(Closing::Fin, ReplyPoint::Between, AfterLastByte), "FIN");
    assert_eq!(
        ended(Closing::Fin, ReplyPoint::InUnboundedBody, AfterLastByte),
        "FIN"
    );
    assert_eq!(
        ended(Closing::Reset, ReplyPoint::InUnboundedBody, AfterLastByte),
        "RST in-body"
    );
    assert_eq!(
        ended(Closing::Reset, ReplyPoint::InHead, BeforeLastByte),
        "RST in-head before-last-byte-sent"
    );
    assert_eq!(
        ended(Closing::FinThenReset, ReplyPoint::Between, AfterLastByte),
        "FIN then RST"
    );
    assert_eq!(ended(Closing::Open, ReplyPoint::Between, BeforeLastByte), "open");
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
    transcript.did("control disable-keep-alives");
    transcript.ended(&Ended {
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
