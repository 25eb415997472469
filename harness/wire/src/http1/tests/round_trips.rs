//! Generated messages are written, split anywhere and read back.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;
use super::read;

#[derive(Clone, Debug)]
enum Content {
    Length(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
}

fn content() -> impl Strategy<Value = Content> {
    let bytes = |size| vec(any::<u8>(), size);
    prop_oneof![
        bytes(0..40).prop_map(Content::Length),
        vec(bytes(1..20), 0..4).prop_map(Content::Chunked)
    ]
}

fn encode(code: u16, fields: &[(String, String)], content: &Content) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {code} OK\r\n").into_bytes();
    for (name, value) in fields {
        bytes.extend(format!("X-{name}: {value}\r\n").as_bytes());
    }
    match content {
        Content::Length(body) => {
            bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            bytes.extend(body);
        }
        Content::Chunked(chunks) => {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in chunks {
                bytes.extend(format!("{:X}\r\n", chunk.len()).as_bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        }
    }
    bytes
}

proptest! {
    #[test]
    fn replies_are_read_as_written_for_any_pieces(
        messages in vec((205u16..300, vec(("[a-z]{1,8}", "[!-~]{0,12}"), 0..4), content()), 0..4),
        places in vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|(code, fields, content)| encode(*code, fields, content)).collect();
        let places = places.iter().map(|place| SplitPoint::Offset(place.index(bytes.len() + 1))).collect();
        let (responses, tail) = read(Limits::default(), &[], &Split::At(places).pieces(&bytes).unwrap());
        prop_assert_eq!(tail, Tail::Nothing);
        prop_assert_eq!(responses.len(), messages.len());
        for (response, (code, fields, content)) in responses.iter().zip(&messages) {
            prop_assert_eq!(response.code(), *code);
            for (line, (name, value)) in response.head.fields.iter().zip(fields) {
                let written = format!("X-{name}: {value}");
                prop_assert_eq!(line.raw(), written.as_bytes());
            }
            let written = match content {
                Content::Length(body) => body.clone(),
                Content::Chunked(chunks) => chunks.concat(),
            };
            prop_assert_eq!(response.body.kept(), written);
        }
    }

    #[test]
    fn any_bytes_in_any_pieces_give_one_result_within_the_limits(
        bytes in vec(prop_oneof![any::<u8>(), prop::sample::select(b"HTTP/1. 20\r\n:;,0a".to_vec())], 0..300),
        opening in prop::sample::select(vec!["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]),
        size in 1usize..20,
    ) {
        let bytes = [opening.as_bytes(), &bytes].concat();
        let limits = Limits { head_bytes_max: 90, body_kept_max: 5, body_bytes_max: 60, interim_max: 1, responses_max: 2, leftover_kept_max: 7 };
        let whole = read(limits, &[], &[&bytes]);
        prop_assert_eq!(&read(limits, &[], &bytes.chunks(size).collect::<Vec<_>>()), &whole);
        prop_assert!(whole.0.iter().all(|response| response.body.kept().len() <= 5));
        if let Tail::Malformed { kept, .. } | Tail::Tunnel(kept) | Tail::Head(kept) = &whole.1 {
            prop_assert!(kept.len() <= 7);
        }
    }

    #[test]
    fn httparse_reads_the_requests_as_written(
        method in "[A-Z]{1,8}",
        target in "/[a-z0-9/?=]{0,20}",
        fields in vec(("[A-Za-z][A-Za-z-]{0,10}", "[!-~]{1,12}"), 0..6),
    ) {
        let request = Request { fields: fields.clone(), ..Request::new(&method, &target) }.body(RequestBody::length("abc"));
        let bytes = request.encode();
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Request::new(&mut headers);
        let head = parsed.parse(&bytes).unwrap().unwrap();
        prop_assert_eq!(&bytes[head..], b"abc");
        prop_assert_eq!((parsed.method, parsed.path), (Some(method.as_str()), Some(target.as_str())));
        let length = ("Content-Length".to_owned(), "3".to_owned());
        let sent = fields.iter().chain([&length]).map(|(name, value)| (name.as_str(), value.as_bytes()));
        prop_assert!(parsed.headers.iter().map(|header| (header.name, header.value)).eq(sent));
    }
}
