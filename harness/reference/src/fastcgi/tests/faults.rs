//! Each fault has a visible effect: an exchange whose transcript differs from that of the server without a fault.
//!
//! The scenarios' tests check that a claim catches each fault; these tests only check that a fault has an effect. The
//! server without a fault answers every exchange, so its timeout is long. A faulty server may never answer, so its
//! timeout is short: a slow machine cannot make a transcript that ends in a timeout equal to the correct one.

use std::collections::HashSet;
use std::time::Duration;

use reusespec_wire::fastcgi::{Kind, RawRecord, Role, Stream};

use super::peer::*;
use crate::fastcgi::{At, Background, FastCgiFault as Fault, Server, Settings, web_server_addrs};

/// The timeout of a read from a faulty server.
const FAULTY_BUDGET: Duration = Duration::from_millis(400);

/// Bytes to send, and the prefix of the line to wait for before the next step.
type Step = (Vec<u8>, &'static str);

/// Steps on one connection whose answers this fault changes.
fn exchange(fault: Fault) -> Vec<Step> {
    let end = "END";
    let echo = |id| request(id, "/echo", b"body");
    let early = [
        begin(1, true),
        params(1, "/early", &[]),
        stream(Stream::Stdin, 1, b"x"),
    ]
    .concat();
    let slow = || request(1, "/slow?ms=60", b"");
    let open = |id| [begin(id, true), params(id, "/echo", &[])].concat();
    let long_value = |len: usize| {
        let pairs = pairs(&[("ECHO_LONG", &"v".repeat(len)), ("SCRIPT_NAME", "/echo")]);
        [
            begin(1, true),
            stream(Stream::Params, 1, &pairs),
            end_of(Stream::Params, 1),
            body(1, b""),
        ]
        .concat()
    };
    let values = || get_values(&["FCGI_MPXS_CONNS", "OTHER"]);
    match fault {
        Fault::IdKeptAfterEnd | Fault::IdFreedLate | Fault::StrayByteAfterEnd | Fault::IgnoresKeepConn => {
            vec![(echo(1), end), (echo(1), end)]
        }
        Fault::IdFreedAtStdinEnd | Fault::ActiveIdReplaced => vec![([slow(), echo(1)].concat(), "eof")],
        Fault::ConstantId => vec![(echo(7), end)],
        Fault::IdsIgnored => vec![([open(1), open(2), body(1, b"one")].concat(), end)],
        Fault::NullIdAccepted => {
            let begin = raw(RawRecord::new(Kind::BeginRequest, 0, [0, 1, 1, 0, 0, 0, 0, 0]));
            let end_of_params = raw(RawRecord::new(Kind::Stream(Stream::Params), 0, []));
            vec![([begin, end_of_params].concat(), end)]
        }
        Fault::UnboundedIds => vec![((1..300).flat_map(|id| begin(id, true)).collect(), end)],
        Fault::EarlyEndStuck => vec![(early, end), (echo(1), end)],
        Fault::LateAbortAnswered => vec![([abort(1), values()].concat(), "GET")],
        Fault::NeverCloses => vec![(last_request(1, "/echo", b""), "eof")],
        Fault::ResetOnClose => vec![(last_request(1, "/early", &vec![b'x'; 4 << 20]), "eof")],
        Fault::OneConnection | Fault::WebServerAddrsIgnored => vec![(values(), "GET")],
        Fault::VersionIgnored => {
            vec![(
                raw(RawRecord {
                    version: 2,
                    ..RawRecord::new(Kind::GetValues, 0, [])
                }),
                "GET",
            )]
        }
        Fault::ClosesAfterGetValues | Fault::NoGetValues | Fault::GetValuesGarbled => {
            vec![(values(), "GET"), (echo(1), end)]
        }
        Fault::UnknownTypeIgnored => {
            vec![(
                [raw(RawRecord::new(Kind::Other(99), 0, [])), values()].concat(),
                "GET",
            )]
        }
        Fault::UnknownRoleCloses => vec![(begin_as(Role::Other(9), 1), end)],
        Fault::MultiplexedRequestLost | Fault::MpxsConnsLies => {
            vec![([open(1), echo(2)].concat(), end)]
        }
        Fault::PaddingParsed => {
            let stdin = padded(Kind::Stream(Stream::Stdin), 1, b"x", b"pad");
            vec![([open(1), stdin, end_of(Stream::Stdin, 1)].concat(), end)]
        }
        Fault::EmptyRecordPadding => {
            let end_of_stdin = padded(Kind::Stream(Stream::Stdin), 1, b"", b"pad");
            vec![([open(1), end_of_stdin].concat(), end), (echo(1), end)]
        }
        Fault::LongRecordRefused => vec![(request(1, "/echo", &[b'x'; 65535]), end)],
        Fault::ShortReadIsRecord => vec![(begin(1, true)[..4].to_vec(), ""), (echo(1)[4..].to_vec(), end)],
        Fault::PairInOneRecord => {
            let pairs = pairs(&[("SCRIPT_NAME", "/echo")]);
            let halves = [
                stream(Stream::Params, 1, &pairs[..5]),
                stream(Stream::Params, 1, &pairs[5..]),
            ];
            vec![(
                [
                    begin(1, true),
                    halves.concat(),
                    end_of(Stream::Params, 1),
                    body(1, b""),
                ]
                .concat(),
                end,
            )]
        }
        Fault::StartsBeforeParamsEnd => {
            let [first, second] = [("ECHO_TAG", "first"), ("SCRIPT_NAME", "/echo")]
                .map(|pair| stream(Stream::Params, 1, &pairs(&[pair])));
            vec![(
                [
                    begin(1, true),
                    first,
                    second,
                    end_of(Stream::Params, 1),
                    body(1, b""),
                ]
                .concat(),
                end,
            )]
        }
        Fault::OneByteLengths => vec![(long_value(200), end)],
        Fault::LengthOverflow => {
            vec![(
                [begin(1, true), stream(Stream::Params, 1, &[0xff; 8])].concat(),
                end,
            )]
        }
        Fault::ParamsOver8192Lost => vec![(long_value(9000), end)],
        Fault::StdinFirstRecordOnly => {
            vec![(
                [open(1), stream(Stream::Stdin, 1, b"one"), body(1, b"two")].concat(),
                end,
            )]
        }
        Fault::SecondStdinEndCloses => vec![([slow(), end_of(Stream::Stdin, 1)].concat(), end)],
        Fault::WaitsForContentLength => {
            let announced = params(1, "/echo", &[("CONTENT_LENGTH", "9")]);
            vec![([begin(1, true), announced, body(1, b"short")].concat(), end)]
        }
        Fault::StdinBlocksConnection => {
            let unread = params(1, "/ignore-body?ms=60000", &[]);
            vec![(
                [begin(1, true), unread, body(1, &[b'x'; 200_000]), echo(2)].concat(),
                end,
            )]
        }
        Fault::ResponseLengthTruncated => vec![(request(1, "/echo", &[b'x'; 70_000]), end)],
        Fault::StdoutNotClosed | Fault::TwoEnds | Fault::HttpStatusLine => {
            vec![(echo(1), end), (values(), "GET")]
        }
        Fault::EmptyRecordInStream => vec![(request(1, "/stream?ms=0", b""), end)],
        Fault::StderrInStdout | Fault::StderrNotClosed => vec![(request(1, "/stderr", b""), end)],
        Fault::TwoEndsOnAbort | Fault::AbortIgnored | Fault::AbortCloses => {
            let running = request(1, "/slow?ms=60", b"");
            vec![
                ([running, abort(1), values()].concat(), end),
                (request(2, "/slow?ms=200", b""), "END id=2"),
            ]
        }
        // The server accepts no connection; another test covers it.
        Fault::TakenForCgi => Vec::new(),
        Fault::AppStatusLost => vec![(request(1, "/exit?status=4", b""), end)],
    }
}

fn settings(fault: Fault, is_on: bool) -> Settings {
    let web_server_addrs =
        (fault == Fault::WebServerAddrsIgnored).then(|| web_server_addrs("192.0.2.1").unwrap());
    Settings {
        web_server_addrs,
        linger_timeout: Duration::from_millis(100),
        fault: is_on.then_some(fault),
        ..Settings::default()
    }
}

/// Runs a fault's exchange and returns its transcript.
async fn play(server: &Server, fault: Fault, budget: Duration) -> Vec<String> {
    let _idle = Peer::connect(server, budget).await;
    let mut peer = Peer::connect(server, budget).await;
    let mut lines: Vec<String> = Vec::new();
    for (bytes, until) in exchange(fault) {
        peer.send(&bytes).await;
        if !until.is_empty() {
            lines.extend(peer.until(until).await);
        }
        if lines.last().is_some_and(|last| is_ending(last)) {
            break;
        }
    }
    lines
}

#[tokio::test]
async fn every_fault_changes_what_a_peer_sees() {
    for &fault in Fault::ALL.iter().filter(|fault| **fault != Fault::TakenForCgi) {
        let correct = server(settings(fault, false)).await;
        let expected = play(&correct, fault, BUDGET).await;
        let faulty = server(settings(fault, true)).await;
        let seen = play(&faulty, fault, FAULTY_BUDGET).await;
        assert_ne!(seen, expected, "{}: {}", fault.name(), fault.what());
    }
}

#[test]
fn an_inherited_listener_is_not_served_by_a_cgi_program() {
    let is_served = |is_on| {
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let settings = settings(Fault::TakenForCgi, is_on);
        let _server = Background::start(At::Inherited(listener.into()), settings).unwrap();
        std::net::TcpStream::connect(address).is_ok()
    };
    assert!(is_served(false));
    assert!(!is_served(true));
}

#[test]
fn faults_have_names_reports_and_descriptions_of_their_own() {
    let mut names = HashSet::new();
    for fault in Fault::ALL {
        assert!(names.insert(fault.name()) && fault.name().starts_with("fcgi-"));
        assert!(!fault.reported_in().is_empty() && !fault.what().ends_with('.'));
        assert_eq!(Fault::named(fault.name()), Some(*fault));
    }
    assert_eq!(Fault::named("fcgi-none"), None);
}
