//! The ends of connections, listeners and servers.

use std::os::fd::AsFd;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::peer::*;
use crate::fastcgi::{Handlers, ListenError, Listener, Server, Settings, web_server_addrs};

#[tokio::test]
async fn each_request_sets_keep_conn_anew() {
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    for _ in 0..2 {
        peer.send(&request(1, "/echo", b"")).await;
        assert_eq!(peer.until("END").await.len(), 3);
    }
    peer.send(&last_request(1, "/echo", b"")).await;
    let lines = peer.rest().await;
    assert_eq!(lines[2..], ["END id=1 complete status=0", "eof"]);
}

#[tokio::test]
async fn a_close_with_input_pending_is_not_a_reset() {
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(&last_request(1, "/early", &vec![b'x'; 1 << 20])).await;
    let lines = peer.rest().await;
    assert_eq!(lines.last().unwrap(), "eof", "{lines:?}");
}

#[tokio::test]
async fn a_half_closed_connection_still_gets_its_answers() {
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    let unfinished = [begin(2, true), params(2, "/echo", &[])].concat();
    peer.send(&[unfinished, request(1, "/slow?ms=20", b"")].concat())
        .await;
    peer.half_close().await;
    let lines = peer.rest().await;
    assert_eq!(
        lines[1..],
        ["STDOUT id=1 end", "END id=1 complete status=0", "eof"]
    );
}

#[tokio::test]
async fn a_foreign_protocol_or_a_cut_header_closes_without_output() {
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[2, 1, 0, 1], &[0]] {
        let server = server(Settings::default()).await;
        let mut peer = Peer::connect(&server, BUDGET).await;
        peer.send(bytes).await;
        assert_eq!(peer.line().await, "eof");
    }
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(&[1, 1, 0]).await;
    peer.half_close().await;
    assert_eq!(peer.line().await, "eof");
}

#[tokio::test]
async fn idle_connections_do_not_keep_others_waiting() {
    let server = server(Settings::default()).await;
    let mut idle = Vec::new();
    for _ in 0..5 {
        idle.push(Peer::connect(&server, BUDGET).await);
    }
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(&request(1, "/echo", b"")).await;
    assert_eq!(peer.until("END").await.len(), 3);
    drop(idle);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_dropped() {
    let settings = Settings {
        stall_timeout: Duration::from_millis(50),
        ..Settings::default()
    };
    let server = server(settings).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(&request(1, "/big?bytes=100000000", b"")).await;
    // `drain` waits for every connection, so its return shows that this one was dropped.
    assert!(server.drain(BUDGET).await);
    let lines = peer.rest().await;
    assert!(is_ending(lines.last().unwrap()) && !lines.iter().any(|line| line.starts_with("END")));
}

#[tokio::test]
async fn a_draining_server_finishes_active_requests_and_rejects_new_ones() {
    let server = server(Settings::default()).await;
    let address = server.address().unwrap();
    let mut idle = Peer::connect(&server, BUDGET).await;
    let mut busy = Peer::connect(&server, BUDGET).await;
    for peer in [&mut idle, &mut busy] {
        peer.send(&get_values(&[])).await;
        assert_eq!(peer.line().await, "GET_VALUES_RESULT");
    }
    busy.send(&[begin(1, true), params(1, "/stream?ms=0", &[]), get_values(&[])].concat())
        .await;
    busy.until("GET_VALUES_RESULT").await;
    busy.send(&[begin(2, true), params(2, "/echo", &[]), get_values(&[])].concat())
        .await;
    busy.until("GET_VALUES_RESULT").await;
    let draining = tokio::spawn(server.drain(BUDGET));
    assert_eq!(idle.line().await, "eof");
    busy.send(&[begin(3, true), body(2, b"")].concat()).await;
    let lines = busy.rest().await;
    assert!(
        lines.contains(&"END id=3 overloaded status=0".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"END id=2 complete status=0".to_owned()),
        "{lines:?}"
    );
    assert_eq!(lines.last().unwrap(), "eof");
    assert!(draining.await.unwrap());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_drain_reports_that_it_exceeded_its_budget() {
    let server = server(Settings::default()).await;
    let mut peer = Peer::connect(&server, BUDGET).await;
    peer.send(&[begin(1, true), get_values(&[])].concat()).await;
    assert_eq!(peer.line().await, "GET_VALUES_RESULT");
    assert!(!server.drain(Duration::from_millis(10)).await);
    assert!(is_ending(&peer.line().await));
}

#[tokio::test]
async fn only_the_listed_web_servers_are_served() {
    for (list, expected) in [
        ("127.0.0.1, 192.0.2.1", "GET_VALUES_RESULT"),
        ("192.0.2.1", "eof"),
    ] {
        let addrs = web_server_addrs(list).unwrap();
        let server = server(Settings {
            web_server_addrs: Some(addrs),
            ..Settings::default()
        })
        .await;
        let mut peer = Peer::connect(&server, BUDGET).await;
        // Bytes sent before this could turn the close into a reset that discards the answer.
        if expected != "eof" {
            peer.send(&get_values(&[])).await;
        }
        assert_eq!(peer.line().await, expected);
    }
    assert!(matches!(
        web_server_addrs("127.0.0.1,::1"),
        Err(ListenError::WebServerAddrs { .. })
    ));
}

#[tokio::test]
async fn a_unix_socket_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fcgi.sock");
    let listener = Listener::unix(&path).unwrap();
    assert_eq!(listener.unix_path().unwrap(), path);
    let _server = Server::start(listener, Handlers, Settings::default());
    let mut peer = UnixStream::connect(&path).await.unwrap();
    peer.write_all(&last_request(1, "/echo", b"unix")).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(BUDGET, peer.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.windows(12).any(|window| window == b"stdin=4\nunix"));
}

#[tokio::test]
async fn only_a_listening_descriptor_is_inherited() {
    let original = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = Listener::inherited(original.as_fd()).unwrap();
    assert_eq!(listener.tcp_address(), original.local_addr().ok());
    let connected = std::net::TcpStream::connect(original.local_addr().unwrap()).unwrap();
    assert!(matches!(
        Listener::inherited(connected.as_fd()),
        Err(ListenError::NotAListener(None))
    ));
    let file = std::fs::File::open("Cargo.toml").unwrap();
    assert!(matches!(
        Listener::inherited(file.as_fd()),
        Err(ListenError::NotAListener(Some(_)))
    ));
}
