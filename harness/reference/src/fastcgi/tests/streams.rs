//! PARAMS, STDIN and DATA (cut, padded, short, hostile), STDOUT and STDERR, and the three roles.

use reusespec_wire::fastcgi::{Kind, Repr, Role, Stream};

use super::peer::*;
use crate::fastcgi::{Handler, Listener, Output, Request, Server, Settings};

/// Runs an exchange with one request; returns the content of STDOUT and the other lines.
async fn response(bytes: &[u8]) -> (String, Vec<String>) {
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(bytes).await;
    let mut text = String::new();
    let mut others = Vec::new();
    for line in peer.until("END").await {
        match line.strip_prefix("STDOUT id=1 \"") {
            Some(content) => text += content.strip_suffix('"').unwrap_or(content),
            None => others.push(line),
        }
    }
    (text.replace("Content-Type: text/plain\\r\\n\\r\\n", ""), others)
}

fn echo(params: Vec<u8>, stdin: Vec<u8>) -> Vec<u8> {
    let script = stream(Stream::Params, 1, &pairs(&[("SCRIPT_NAME", "/echo")]));
    [begin(1, true), script, params, end_of(Stream::Params, 1), stdin].concat()
}

#[tokio::test]
async fn a_request_sent_byte_by_byte_is_served() {
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    for byte in request(1, "/echo", b"slowly") {
        peer.send(&[byte]).await;
    }
    let lines = peer.until("END").await;
    assert!(lines[0].ends_with("stdin=6\\nslowly\""), "{lines:?}");
}

#[tokio::test]
async fn padding_of_every_record_is_skipped() {
    let noise = [0xff; 255];
    let script = pairs(&[("SCRIPT_NAME", "/echo")]);
    let bytes = [
        padded(Kind::BeginRequest, 1, &[0, 1, 1, 9, 9, 9, 9, 9], &noise),
        padded(Kind::Stream(Stream::Params), 1, &script, &noise),
        padded(Kind::Stream(Stream::Params), 1, b"", &noise),
        padded(Kind::Stream(Stream::Stdin), 1, &[b'x'; 65535], &noise),
        padded(Kind::Stream(Stream::Stdin), 1, b"", &noise),
    ]
    .concat();
    let (text, _) = response(&[bytes.clone(), bytes].concat()).await;
    assert!(text.starts_with("stdin=65535\\nxxx"), "{text}");
}

#[tokio::test]
async fn pairs_may_be_cut_anywhere_between_records() {
    let content = pairs(&[
        ("ECHO_LONG", &"v".repeat(60)),
        ("", "empty-name"),
        ("ECHO_EMPTY", ""),
    ]);
    for piece_len in 1..=9 {
        let params: Vec<u8> = content
            .chunks(piece_len)
            .flat_map(|piece| stream(Stream::Params, 1, piece))
            .collect();
        let (text, _) = response(&echo(params, end_of(Stream::Stdin, 1))).await;
        let start = "=empty-name\\nECHO_EMPTY=\\nECHO_LONG=vvv";
        assert!(text.starts_with(start), "{piece_len}: {text}");
    }
}

#[tokio::test]
async fn a_value_longer_than_a_record_is_complete() {
    let content = pairs(&[("ECHO_BIG", &"v".repeat(70_000))]);
    let (text, _) = response(&echo(
        stream(Stream::Params, 1, &content),
        end_of(Stream::Stdin, 1),
    ))
    .await;
    let sum = (0..70_000).fold(0_u32, |sum, _| sum.wrapping_mul(31).wrapping_add(u32::from(b'v')));
    assert_eq!(text, format!("ECHO_BIG=70000 bytes, checksum {sum}\\nstdin=0\\n"));
}

#[tokio::test]
async fn a_cut_pair_gets_400_and_a_hostile_length_overloaded() {
    let (text, others) = response(&echo(stream(Stream::Params, 1, b"\x09\x09ECHO"), Vec::new())).await;
    assert!(text.starts_with("Status: 400 Bad Request"), "{text}");
    assert_eq!(others, ["STDOUT id=1 end", "END id=1 complete status=1"]);
    let hostile = stream(Stream::Params, 1, &[0xff; 8]);
    let (text, others) = response(&[begin(1, true), hostile].concat()).await;
    assert_eq!(
        (text.as_str(), others),
        ("", vec!["END id=1 overloaded status=0".to_owned()])
    );
}

#[tokio::test]
async fn params_of_unfinished_requests_are_limited_together() {
    let settings = Settings {
        params_held_max: 100_000,
        ..Settings::default()
    };
    let server = server(settings).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    let piece = pairs(&[("ECHO_BIG", &"v".repeat(40_000))]);
    let bytes: Vec<u8> = (1..=3)
        .flat_map(|id| [begin(id, true), stream(Stream::Params, id, &piece)].concat())
        .collect();
    peer.send(&bytes).await;
    assert_eq!(peer.line().await, "END id=3 overloaded status=0");
    peer.send(&[begin(3, true), abort(3)].concat()).await;
    assert_eq!(
        peer.until("END").await.last().unwrap(),
        "END id=3 complete status=0"
    );
}

#[tokio::test]
async fn a_body_is_echoed_and_a_short_one_reported() {
    let announced = stream(Stream::Params, 1, &pairs(&[("CONTENT_LENGTH", "9")]));
    let (text, _) = response(&echo(announced, body(1, b"short"))).await;
    assert_eq!(text, "stdin=5\\ncontent_length=9\\nshort");
}

#[tokio::test]
async fn stream_records_out_of_order_are_ignored() {
    let late = [
        stream(Stream::Params, 1, b"\x01\x01ab"),
        stream(Stream::Data, 1, b"data"),
    ]
    .concat();
    let (text, _) = response(&echo(Vec::new(), [late, body(1, b"x"), body(1, b"y")].concat())).await;
    assert_eq!(text, "stdin=1\\nx");
}

#[tokio::test]
async fn no_output_before_the_end_of_params() {
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    let params = stream(Stream::Params, 1, &pairs(&[("SCRIPT_NAME", "/exit")]));
    peer.send(&[begin(1, true), params, get_values(&[])].concat())
        .await;
    assert_eq!(peer.line().await, "GET_VALUES_RESULT");
    peer.send(&end_of(Stream::Params, 1)).await;
    assert_eq!(
        peer.until("END").await.last().unwrap(),
        "END id=1 complete status=3"
    );
}

#[tokio::test]
async fn a_long_response_is_cut_into_aligned_records() {
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(&request(1, "/big?bytes=1000000", b"")).await;
    let lines = peer.until("END").await;
    let lens: Vec<usize> = lines
        .iter()
        .filter_map(|line| line.split_once("… ")?.1.strip_suffix(" bytes")?.parse().ok())
        .collect();
    assert_eq!(
        lens.iter().sum::<usize>(),
        1_000_000 + "Content-Type: text/plain\r\n\r\n".len()
    );
    assert!(lens.iter().all(|len| *len <= 65_528) && lens.len() > 15);
}

#[tokio::test]
async fn stderr_is_closed_when_it_was_used() {
    let (text, others) = response(&request(1, "/stderr", b"")).await;
    assert_eq!(text, "stderr\\n");
    let expected = [
        r#"STDERR id=1 "a problem\n""#,
        "STDOUT id=1 end",
        "STDERR id=1 end",
        "END id=1 complete status=0",
    ];
    assert_eq!(others, expected);
}

#[tokio::test]
async fn no_output_is_an_empty_stdout() {
    let (text, others) = response(&request(1, "/no-content", b"")).await;
    assert_eq!((text.as_str(), others.len()), ("", 2));
    assert_eq!(others, ["STDOUT id=1 end", "END id=1 complete status=0"]);
}

#[tokio::test]
async fn an_authorizer_decides_and_a_filter_reads_both_streams() {
    for (value, status) in [("yes", "Status: 200 OK"), ("no", "Status: 403 Forbidden")] {
        let params = stream(Stream::Params, 1, &pairs(&[("ECHO_ALLOW", value)]));
        let bytes = [begin_as(Role::Authorizer, 1), params, end_of(Stream::Params, 1)].concat();
        assert!(response(&bytes).await.0.starts_with(status));
    }
    let data = [stream(Stream::Data, 1, b"data"), end_of(Stream::Data, 1)].concat();
    let params = [
        stream(Stream::Params, 1, &pairs(&[("FCGI_DATA_LENGTH", "5")])),
        end_of(Stream::Params, 1),
    ];
    let bytes = [begin_as(Role::Filter, 1), params.concat(), body(1, b"in"), data].concat();
    assert_eq!(
        response(&bytes).await.0,
        "stdin=2\\ndata=4\\nfcgi_data_length=5\\nindata"
    );
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_request() {
    struct Panics;
    impl Handler for Panics {
        async fn serve(&self, _: Request, output: &mut Output) -> u32 {
            output.stdout(b"lost").await;
            panic!("on purpose");
        }
    }
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let server = Server::start(listener, Panics, Settings::default());
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(&[request(1, "/", b""), record(Repr::GetValues { content: &[] })].concat())
        .await;
    let lines = peer.until("END").await;
    assert_eq!(lines.last().unwrap(), "END id=1 complete status=101");
}
