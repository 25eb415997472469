//! Reuse of ids, aborts, multiplexing, limits and management records.

use reusespec_wire::fastcgi::{Kind, RawRecord, Repr, Role, Stream};

use super::peer::*;
use crate::fastcgi::Settings;

const PLAIN: &str = r#""Content-Type: text/plain\r\n\r\n"#;

fn answer(id: u16, text: &str) -> [String; 3] {
    [
        format!("STDOUT id={id} {PLAIN}{text}\""),
        format!("STDOUT id={id} end"),
        format!("END id={id} complete status=0"),
    ]
}

async fn exchange(settings: Settings, bytes: &[u8], until: &str) -> Vec<String> {
    let server = server(settings).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(bytes).await;
    peer.until(until).await
}

#[tokio::test]
async fn an_id_is_free_as_soon_as_end_request_arrives() {
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    for round in 0..1000 {
        let text = format!("{round}");
        peer.send(&request(1, "/echo", text.as_bytes())).await;
        let expected = answer(1, &format!("stdin={}\\n{text}", text.len()));
        assert_eq!(peer.until("END").await, expected, "round {round}");
    }
}

/// Ends a request before its STDIN has ended, then sends `bytes` on the connection and returns the answers.
async fn after_an_early_end(bytes: &[u8]) -> Vec<String> {
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(
        &[
            begin(1, true),
            params(1, "/early", &[]),
            stream(Stream::Stdin, 1, b"first"),
        ]
        .concat(),
    )
    .await;
    assert_eq!(peer.until("END").await, answer(1, "early\\n"));
    peer.send(bytes).await;
    peer.until("END").await
}

#[tokio::test]
async fn late_stdin_is_not_delivered_to_the_new_request() {
    let late = body(1, b"late");
    let lines = after_an_early_end(&[late, request(1, "/echo", b"fresh")].concat()).await;
    assert_eq!(lines, answer(1, "stdin=5\\nfresh"));
}

#[tokio::test]
async fn an_id_ended_early_is_served_again_without_the_end_of_its_old_stdin() {
    let lines = after_an_early_end(&request(1, "/echo", b"new")).await;
    assert_eq!(lines, answer(1, "stdin=3\\nnew"));
}

#[tokio::test]
async fn any_id_but_zero_is_served_and_echoed() {
    for id in [1, 2, 255, 256, u16::MAX] {
        let lines = exchange(Settings::default(), &request(id, "/echo", b"x"), "END").await;
        assert_eq!(lines, answer(id, "stdin=1\\nx"));
    }
    let null = raw(RawRecord::new(Kind::BeginRequest, 0, [0, 1, 1, 0, 0, 0, 0, 0]));
    assert_eq!(exchange(Settings::default(), &null, "END").await, ["eof"]);
}

#[tokio::test]
async fn begin_on_an_active_id_does_not_harm_the_first_request() {
    let bytes = [request(1, "/slow?ms=20", b"one"), begin(1, true), body(1, b"two")].concat();
    let lines = exchange(Settings::default(), &bytes, "eof").await;
    assert_eq!(lines[..3], answer(1, "slow\\n"));
    assert_eq!(lines[3..], ["eof"]);
}

#[tokio::test]
async fn input_for_ids_never_begun_is_ignored() {
    let strays = [body(9, b"stray"), params(9, "/echo", &[]), abort(9)].concat();
    let lines = exchange(
        Settings::default(),
        &[strays, request(1, "/echo", b"x")].concat(),
        "END",
    )
    .await;
    assert_eq!(lines, answer(1, "stdin=1\\nx"));
}

#[tokio::test]
async fn abort_ends_a_request_in_every_state_and_frees_its_id() {
    let in_params = begin(1, true);
    let in_stdin = [
        begin(1, true),
        params(1, "/echo", &[]),
        stream(Stream::Stdin, 1, b"half"),
    ]
    .concat();
    let running = request(1, "/slow?ms=60000", b"");
    for state in [in_params, in_stdin, running] {
        let server = server(Settings::default()).await;
        let mut peer = Peer::connect(&server, BUDGET).await;
        peer.send(&[state, abort(1)].concat()).await;
        assert_eq!(
            peer.until("END").await,
            ["STDOUT id=1 end", "END id=1 complete status=0"]
        );
        peer.send(&request(1, "/echo", b"again")).await;
        assert_eq!(peer.until("END").await, answer(1, "stdin=5\\nagain"));
    }
}

#[tokio::test]
async fn output_of_an_aborted_handler_never_appears_under_the_new_request() {
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    for _ in 0..50 {
        peer.send(&request(1, "/stream?count=1000000&ms=0", b"")).await;
        assert!(peer.line().await.starts_with("STDOUT id=1"));
        peer.send(&[abort(1), request(1, "/echo", b"new")].concat()).await;
        peer.until("END").await;
        assert_eq!(peer.until("END").await, answer(1, "stdin=3\\nnew"));
    }
}

#[tokio::test]
async fn interleaved_requests_keep_their_bytes_apart() {
    let mut bytes = [
        begin(1, true),
        begin(2, true),
        params(2, "/echo", &[]),
        params(1, "/echo", &[]),
    ]
    .concat();
    for letter in [b"a", b"b", b"c"] {
        bytes.extend(stream(Stream::Stdin, 1, letter));
        bytes.extend(stream(Stream::Stdin, 2, &letter.to_ascii_uppercase()));
    }
    bytes.extend(end_of(Stream::Stdin, 2));
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(&bytes).await;
    assert_eq!(peer.until("END").await, answer(2, "stdin=3\\nABC"));
    peer.send(&end_of(Stream::Stdin, 1)).await;
    assert_eq!(peer.until("END").await, answer(1, "stdin=3\\nabc"));
}

#[tokio::test]
async fn a_handler_that_does_not_read_its_body_does_not_stop_the_others() {
    let unread = [
        begin(1, true),
        params(1, "/ignore-body?ms=60000", &[]),
        body(1, &[b'x'; 200_000]),
    ]
    .concat();
    let lines = exchange(
        Settings::default(),
        &[unread, request(2, "/echo", b"y")].concat(),
        "END",
    )
    .await;
    assert_eq!(lines, answer(2, "stdin=1\\ny"));
}

#[tokio::test]
async fn unread_input_is_buffered_up_to_the_limit() {
    let settings = Settings {
        input_held_max: 1 << 17,
        ..Settings::default()
    };
    let bytes = [
        [
            begin(1, true),
            params(1, "/ignore-body?ms=300", &[]),
            body(1, &vec![b'x'; 1 << 20]),
        ]
        .concat(),
        request(2, "/echo", b"y"),
    ];
    let server = server(settings).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(&bytes.concat()).await;
    assert_eq!(peer.until("END").await, answer(1, "ignored\\n"));
    assert_eq!(peer.until("END").await, answer(2, "stdin=1\\ny"));
}

#[tokio::test]
async fn without_multiplexing_a_second_request_is_rejected() {
    let settings = Settings {
        multiplex: false,
        ..Settings::default()
    };
    let server = server(settings).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    let first = [
        begin(1, true),
        params(1, "/echo", &[]),
        stream(Stream::Stdin, 1, b"on"),
    ]
    .concat();
    peer.send(&[first, request(2, "/echo", b"two")].concat()).await;
    assert_eq!(peer.line().await, "END id=2 cant-mpx-conn status=0");
    peer.send(&body(1, b"e")).await;
    assert_eq!(peer.until("END").await, answer(1, "stdin=3\\none"));
    peer.send(&get_values(&["FCGI_MPXS_CONNS"])).await;
    assert_eq!(peer.line().await, "GET_VALUES_RESULT FCGI_MPXS_CONNS=0");
}

#[tokio::test]
async fn unfinished_requests_of_a_connection_are_limited() {
    let settings = Settings {
        requests_per_connection_max: 3,
        ..Settings::default()
    };
    let bytes: Vec<u8> = (1..=5).flat_map(|id| begin(id, true)).collect();
    let server = server(settings).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(&bytes).await;
    assert_eq!(peer.line().await, "END id=4 overloaded status=0");
    assert_eq!(peer.line().await, "END id=5 overloaded status=0");
    peer.send(&[params(1, "/echo", &[]), body(1, b"x")].concat())
        .await;
    assert_eq!(peer.until("END").await, answer(1, "stdin=1\\nx"));
}

#[tokio::test]
async fn requests_of_all_connections_are_limited() {
    let server = server(Settings {
        requests_max: 1,
        ..Settings::default()
    })
    .await;
    let mut holder = Peer::connect(&server, BUDGET).await;
    holder.send(&[begin(1, true), get_values(&[])].concat()).await;
    assert_eq!(holder.line().await, "GET_VALUES_RESULT");
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(&request(1, "/echo", b"")).await;
    assert_eq!(peer.line().await, "END id=1 overloaded status=0");
    holder.send(&abort(1)).await;
    holder.until("END").await;
    peer.send(&request(1, "/echo", b"")).await;
    assert_eq!(peer.until("END").await, answer(1, "stdin=0\\n"));
}

#[tokio::test]
async fn get_values_is_answered_with_the_known_names_at_any_time() {
    let asked = get_values(&["FCGI_MPXS_CONNS", "UNKNOWN", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"]);
    let lines = exchange(Settings::default(), &[begin(1, true), asked].concat(), "GET").await;
    assert_eq!(lines, ["GET_VALUES_RESULT FCGI_MPXS_CONNS=1 FCGI_MAX_REQS=1024"]);
}

#[tokio::test]
async fn unknown_management_types_are_answered_and_other_records_ignored() {
    let unknown = |kind, id| raw(RawRecord::new(Kind::Other(kind), id, *b"?"));
    let from_an_application = [3_u8, 6, 7].map(|kind| raw(RawRecord::new(Kind::from(kind), 1, [0; 8])));
    let odd = [
        unknown(12, 5),
        from_an_application.concat(),
        raw(RawRecord::new(Kind::GetValuesResult, 0, [])),
        raw(RawRecord::new(Kind::GetValues, 3, [])),
        unknown(0, 0),
        unknown(255, 0),
    ];
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(&[odd.concat(), request(1, "/echo", b"")].concat())
        .await;
    assert_eq!(peer.line().await, "UNKNOWN_TYPE TYPE_0");
    assert_eq!(peer.line().await, "UNKNOWN_TYPE TYPE_255");
    assert_eq!(peer.until("END").await, answer(1, "stdin=0\\n"));
}

#[tokio::test]
async fn an_unknown_role_is_rejected_and_its_records_ignored() {
    let rest = [params(1, "/echo", &[]), body(1, b"rest")].concat();
    let bytes = [begin_as(Role::Other(9), 1), rest, request(1, "/echo", b"x")].concat();
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(&bytes).await;
    assert_eq!(peer.line().await, "END id=1 unknown-role status=0");
    assert_eq!(peer.until("END").await, answer(1, "stdin=1\\nx"));
    peer.send(&record(Repr::Begin {
        id: 1,
        role: Role::Other(0),
        keep_conn: false,
    }))
    .await;
    assert_eq!(peer.rest().await, ["END id=1 unknown-role status=0", "eof"]);
}
