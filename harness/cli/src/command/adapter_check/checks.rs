//! The checks, in the order of the report. The other end of each connection is a socket of this process.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use reusespec_core::adapter::{AdapterReply, AdapterRequest};

use super::conversation::{Conversation, Mistake, unexpected};
use super::{Check, Right};

/// The timeout for data and connections that the adapter must deliver. Loopback needs less than a millisecond.
const ARRIVES_WITHIN: Duration = Duration::from_secs(2);
/// The timeout of the `accept` and `receive` requests to which the right answer is `nothing`.
const WAITS: Duration = Duration::from_millis(300);

pub(super) const ALL: &[Check] = &[
    Check {
        name: "hello",
        run: |_| Ok(Right::Done),
    },
    Check {
        name: "an unknown request is unsupported",
        run: unknown,
    },
    Check {
        name: "the end of input ends the adapter",
        run: end_of_input,
    },
    Check {
        name: "listen-tcp: the local address can be connected to",
        run: listen,
    },
    Check {
        name: "listen-tcp: a port in use is an error with its name",
        run: port_in_use,
    },
    Check {
        name: "accept: a connection, then nothing for the time given",
        run: accept,
    },
    Check {
        name: "dial: the local address is that of the connection",
        run: dial,
    },
    Check {
        name: "send and receive: text, nothing, the end",
        run: send_and_receive,
    },
    Check {
        name: "receive: a reset is ECONNRESET",
        run: reset,
    },
    Check {
        name: "close-socket: the peer sees the end",
        run: close_socket,
    },
    Check {
        name: "bind-udp: datagrams arrive",
        run: datagrams,
    },
    Check {
        name: "keepalive: what is set is set",
        run: keepalive,
    },
    Check {
        name: "keepalive-period and keepalive-off",
        run: period_and_off,
    },
    Check {
        name: "options: they are those of the socket",
        run: options,
    },
    Check {
        name: "serve-http: the handler at / answers",
        run: serve_http,
    },
];

type Result<T = Right> = std::result::Result<T, Mistake>;

/// Returns `Unsupported` from a check, if the inner result is the reason for it.
macro_rules! supported {
    ($result:expr) => {
        match $result? {
            Ok(value) => value,
            Err(reason) => return Ok(Right::Unsupported(reason)),
        }
    };
}

fn wrong<T>(what: impl Into<String>) -> Result<T> {
    Err(Mistake(what.into()))
}

/// A system call of the check failed. The adapter did nothing wrong.
fn ours(error: std::io::Error) -> Mistake {
    Mistake(format!("the check itself failed: {error}"))
}

fn name(name: &str) -> String {
    name.to_owned()
}

fn listen_request(at: &str) -> AdapterRequest {
    AdapterRequest::ListenTcp {
        socket: name("l"),
        at: name(at),
        balanced: false,
    }
}

fn accept_request(within: Duration) -> AdapterRequest {
    AdapterRequest::Accept {
        socket: name("l"),
        into: name("c"),
        within_ms: within.as_millis() as u64,
    }
}

fn receive(adapter: &mut Conversation, socket: &str, within: Duration) -> Result<AdapterReply> {
    let request = AdapterRequest::Receive {
        socket: name(socket),
        within_ms: within.as_millis() as u64,
    };
    adapter.ask(&request, within)
}

/// Dials a listener of this process. Returns both ends: the adapter's local address, and the accepted stream.
fn dialled(adapter: &mut Conversation) -> Result<std::result::Result<(SocketAddr, TcpStream), String>> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(ours)?;
    let to = listener.local_addr().map_err(ours)?.to_string();
    let request = AdapterRequest::Dial {
        socket: name("c"),
        to,
    };
    let local = match adapter.open(&request)? {
        Ok(local) => local,
        Err(reason) => return Ok(Err(reason)),
    };
    listener.set_nonblocking(true).map_err(ours)?;
    let Ok((stream, from)) = listener.accept() else {
        return wrong("it answers `opened`, and no connection has come");
    };
    if from != local {
        return wrong(format!(
            "it answers `{local}`, and the connection comes from `{from}`"
        ));
    }
    stream.set_nonblocking(false).map_err(ours)?;
    stream.set_read_timeout(Some(ARRIVES_WITHIN)).map_err(ours)?;
    Ok(Ok((local, stream)))
}

fn unknown(adapter: &mut Conversation) -> Result {
    match adapter.ask_text(r#"{"no-such-request":{}}"#, Duration::ZERO)? {
        AdapterReply::Unsupported(_) => Ok(Right::Done),
        other => Err(unexpected("an unknown request", &other)),
    }
}

fn end_of_input(adapter: &mut Conversation) -> Result {
    match adapter.ends_at_end_of_input(ARRIVES_WITHIN) {
        true => Ok(Right::Done),
        false => wrong("it still runs two seconds after the end of its standard input"),
    }
}

fn listen(adapter: &mut Conversation) -> Result {
    let local = supported!(adapter.open(&listen_request("127.0.0.1:0")));
    match TcpStream::connect_timeout(&local, ARRIVES_WITHIN) {
        Ok(_) => Ok(Right::Done),
        Err(error) => wrong(format!("it answers `{local}`, where nothing listens: {error}")),
    }
}

fn port_in_use(adapter: &mut Conversation) -> Result {
    let held = TcpListener::bind("127.0.0.1:0").map_err(ours)?;
    let at = held.local_addr().map_err(ours)?.to_string();
    match adapter.ask(&listen_request(&at), Duration::ZERO)? {
        AdapterReply::Failed(error) if error == "EADDRINUSE" => Ok(Right::Done),
        AdapterReply::Unsupported(reason) => Ok(Right::Unsupported(reason)),
        other => Err(unexpected(
            "listen-tcp on a port in use, which is {\"failed\":\"EADDRINUSE\"}",
            &other,
        )),
    }
}

fn accept(adapter: &mut Conversation) -> Result {
    let at = supported!(adapter.open(&listen_request("127.0.0.1:0")));
    let _client = TcpStream::connect_timeout(&at, ARRIVES_WITHIN).map_err(ours)?;
    let local = supported!(adapter.open(&accept_request(ARRIVES_WITHIN)));
    if local != at {
        return wrong(format!(
            "the accepted socket has `{local}`, and the listener `{at}`"
        ));
    }
    let begun = Instant::now();
    match adapter.ask(&accept_request(WAITS), WAITS)? {
        AdapterReply::Nothing if begun.elapsed() < WAITS / 2 => {
            wrong("it answers `nothing` before the time is over")
        }
        AdapterReply::Nothing => Ok(Right::Done),
        other => Err(unexpected("accept without a connection", &other)),
    }
}

fn dial(adapter: &mut Conversation) -> Result {
    supported!(dialled(adapter));
    Ok(Right::Done)
}

fn send_and_receive(adapter: &mut Conversation) -> Result {
    let (_, mut stream) = supported!(dialled(adapter));
    let send = AdapterRequest::Send {
        socket: name("c"),
        text: name("hello"),
        to: None,
    };
    supported!(adapter.done(&send));
    let mut arrived = [0; 5];
    if stream.read_exact(&mut arrived).is_err() || &arrived != b"hello" {
        return wrong("it answers `ok` to send, and the text does not arrive");
    }
    stream.write_all(b"world").map_err(ours)?;
    match receive(adapter, "c", ARRIVES_WITHIN)? {
        AdapterReply::Received(text) if text == "world" => {}
        AdapterReply::Unsupported(reason) => return Ok(Right::Unsupported(reason)),
        other => return Err(unexpected("receive of `world`", &other)),
    }
    let begun = Instant::now();
    match receive(adapter, "c", WAITS)? {
        AdapterReply::Nothing if begun.elapsed() < WAITS / 2 => {
            return wrong("it answers `nothing` before the time is over");
        }
        AdapterReply::Nothing => {}
        other => return Err(unexpected("receive without data", &other)),
    }
    stream.shutdown(Shutdown::Write).map_err(ours)?;
    match receive(adapter, "c", ARRIVES_WITHIN)? {
        AdapterReply::Eof => Ok(Right::Done),
        other => Err(unexpected("receive after the peer has closed", &other)),
    }
}

fn reset(adapter: &mut Conversation) -> Result {
    let (_, stream) = supported!(dialled(adapter));
    let send = AdapterRequest::Send {
        socket: name("c"),
        text: name("unread"),
        to: None,
    };
    supported!(adapter.done(&send));
    stream.peek(&mut [0]).map_err(ours)?;
    // A socket with unread data is closed by a reset (RFC 2525 section 2.17).
    drop(stream);
    match receive(adapter, "c", ARRIVES_WITHIN)? {
        AdapterReply::Failed(error) if error == "ECONNRESET" => Ok(Right::Done),
        AdapterReply::Unsupported(reason) => Ok(Right::Unsupported(reason)),
        other => Err(unexpected(
            "receive after a reset, which is {\"failed\":\"ECONNRESET\"}",
            &other,
        )),
    }
}

fn close_socket(adapter: &mut Conversation) -> Result {
    let (_, mut stream) = supported!(dialled(adapter));
    supported!(adapter.done(&AdapterRequest::CloseSocket { socket: name("c") }));
    match stream.read(&mut [0; 8]) {
        Ok(0) => Ok(Right::Done),
        Ok(_) => wrong("it sends data when it closes"),
        Err(error) => wrong(format!(
            "it answers `ok`, and the connection is not closed: {error}"
        )),
    }
}

fn datagrams(adapter: &mut Conversation) -> Result {
    let bind = AdapterRequest::BindUdp {
        socket: name("u"),
        at: name("127.0.0.1:0"),
    };
    let local = supported!(adapter.open(&bind));
    let peer = UdpSocket::bind("127.0.0.1:0").map_err(ours)?;
    peer.set_read_timeout(Some(ARRIVES_WITHIN)).map_err(ours)?;
    peer.send_to(b"ping", local).map_err(ours)?;
    match receive(adapter, "u", ARRIVES_WITHIN)? {
        AdapterReply::Received(text) if text == "ping" => {}
        AdapterReply::Unsupported(reason) => return Ok(Right::Unsupported(reason)),
        other => return Err(unexpected("receive of a datagram", &other)),
    }
    let send = AdapterRequest::Send {
        socket: name("u"),
        text: name("pong"),
        to: Some(peer.local_addr().map_err(ours)?.to_string()),
    };
    supported!(adapter.done(&send));
    let mut buffer = [0; 16];
    match peer.recv_from(&mut buffer) {
        Ok((4, from)) if from == local && &buffer[..4] == b"pong" => Ok(Right::Done),
        Ok((_, from)) => wrong(format!(
            "another datagram arrives than was asked for, from {from}"
        )),
        Err(error) => wrong(format!(
            "it answers `ok` to send, and no datagram arrives: {error}"
        )),
    }
}

fn keepalive(adapter: &mut Conversation) -> Result {
    let (local, _stream) = supported!(dialled(adapter));
    let request = AdapterRequest::Keepalive {
        socket: name("c"),
        idle_ms: Some(7000),
        interval_ms: Some(3000),
        count: Some(2),
    };
    supported!(adapter.done(&request));
    let expected = [
        ("SO_KEEPALIVE", 1),
        ("TCP_KEEPIDLE", 7),
        ("TCP_KEEPINTVL", 3),
        ("TCP_KEEPCNT", 2),
    ];
    let actual = keepalive_options(adapter, local)?;
    for ((option, expected), (_, actual)) in expected.iter().zip(&actual) {
        if expected != actual {
            return wrong(format!(
                "it answers `ok`, and {option} is {actual} instead of {expected}"
            ));
        }
    }
    Ok(Right::Done)
}

fn period_and_off(adapter: &mut Conversation) -> Result {
    let (local, _stream) = supported!(dialled(adapter));
    let switch = |adapter: &mut Conversation| -> Result<i64> {
        let options = keepalive_options(adapter, local)?;
        Ok(options.first().map_or(-1, |(_, value)| *value))
    };
    let period = AdapterRequest::KeepalivePeriod {
        socket: name("c"),
        period_ms: 9000,
    };
    let lacks_period = adapter.done(&period)?.err();
    if lacks_period.is_none() && switch(adapter)? == 0 {
        return wrong("it answers `ok` to keepalive-period, and SO_KEEPALIVE is 0");
    }
    supported!(adapter.done(&AdapterRequest::KeepaliveOff { socket: name("c") }));
    if switch(adapter)? == 1 {
        return wrong("it answers `ok` to keepalive-off, and SO_KEEPALIVE is 1");
    }
    Ok(lacks_period.map_or(Right::Done, Right::Unsupported))
}

fn options(adapter: &mut Conversation) -> Result {
    let (local, _stream) = supported!(dialled(adapter));
    let request = AdapterRequest::Options { socket: name("c") };
    let read = match adapter.ask(&request, Duration::ZERO)? {
        AdapterReply::Options(options) => options,
        AdapterReply::Unsupported(reason) => return Ok(Right::Unsupported(reason)),
        other => return Err(unexpected("options", &other)),
    };
    for (option, actual) in keepalive_options(adapter, local)? {
        // A switch may read as any number but 0.
        let same = |value: i64| value == actual || (option == "SO_KEEPALIVE" && value != 0 && actual != 0);
        if let Some(value) = read.get(option).filter(|value| !same(**value)) {
            return wrong(format!("it says that {option} is {value}, and it is {actual}"));
        }
    }
    Ok(Right::Done)
}

fn serve_http(adapter: &mut Conversation) -> Result {
    let free = TcpListener::bind("127.0.0.1:0")
        .and_then(|held| held.local_addr())
        .map_err(ours)?;
    let request = AdapterRequest::ServeHttp {
        at: free.to_string(),
        idle_ms: None,
        requests_max: None,
    };
    supported!(adapter.done(&request));
    let connected = TcpStream::connect_timeout(&free, ARRIVES_WITHIN);
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(error) => return wrong(format!("it answers `ok`, and nothing listens at {free}: {error}")),
    };
    stream.set_read_timeout(Some(ARRIVES_WITHIN)).map_err(ours)?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .map_err(ours)?;
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    let reply = String::from_utf8_lossy(&reply);
    if reply.starts_with("HTTP/1.1 200") && reply.ends_with("ok") {
        Ok(Right::Done)
    } else {
        wrong(format!(
            "GET / is answered with `{reply:.60}`, and the handler's body is `ok`"
        ))
    }
}

/// SO_KEEPALIVE and its three values, of the adapter's socket with this local address. Empty where the system hides the
/// sockets of another process.
fn keepalive_options(adapter: &Conversation, local: SocketAddr) -> Result<Vec<(&'static str, i64)>> {
    reusespec_agent::keepalive_options(adapter.process(), local).map_err(|error| {
        Mistake(format!(
            "the options of its socket at {local} cannot be read: {error}"
        ))
    })
}
