//! Each fault has a visible effect: a script whose transcript differs from that of the server without the fault.

use std::time::Duration;

use super::Step::{Connect, Counted, HalfClose, Off, On, Replies, Send, Stop};
use super::*;

const GET: &str = "GET /echo?text=a HTTP/1.1\r\nHost: a\r\n\r\n";

/// Bytes that, followed by [`LAST`], show the fault; `None` if it needs a script.
fn bytes(fault: HttpFault) -> Option<String> {
    let connection = |value: &str| get("HTTP/1.1", &format!("Connection: {value}"));
    let chunked = |rest: &str| post("/echo", &format!("Transfer-Encoding: chunked\r\n\r\n{rest}"));
    let ask = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    use HttpFault as F;
    Some(match fault {
        F::NeverPersists | F::RepliesOutOfOrder => GET.to_owned(),
        F::PersistsByDefaultIn10 => get("HTTP/1.0", ""),
        F::KeepAliveUnsaidTo10 => get("HTTP/1.0", "Connection: keep-alive"),
        F::ChunkedTo10 => "GET /stream HTTP/1.0\r\n\r\n".to_owned(),
        F::CloseIgnored | F::CloseUnsaid | F::ProcessesAfterClose => connection("close"),
        F::OptionCaseSensitive => connection("Close"),
        F::ConnectionWholeValue => connection("foo, close"),
        F::SubstringClose => connection("closed"),
        F::ListStopsAtEmptyElement => connection(", close"),
        F::TabNotTrimmed => connection("foo,\tclose"),
        F::LastConnectionLineWins => connection("close\r\nConnection: keep-alive"),
        F::FieldNameCaseSensitive => get("HTTP/1.1", "connection: close"),
        F::ProxyConnectionObeyed => get("HTTP/1.1", "Proxy-Connection: close"),
        F::LongReplyCut => get("HTTP/1.1", "Connection: close").replace("/echo?text=a", "/big?size=100000"),
        F::HandlerCloseIgnored => ask("GET", "/close"),
        F::ChunkExtensionRefused => chunked("1;a=b\r\nx\r\n0\r\n\r\n"),
        F::TrailersLeftInStream => chunked("1\r\nx\r\n0\r\nA: b\r\n\r\n"),
        F::ContentLeftInStream => post("/ignore-body", "Content-Length: 5\r\n\r\nhello"),
        F::BothFramingsKeptOpen => post(
            "/echo",
            "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        ),
        F::ChunkedFrom10KeptOpen => {
            "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                .to_owned()
        }
        F::TransferEncodingIgnored => post("/echo", "Transfer-Encoding: gzip\r\n\r\n"),
        F::LengthLenient => post("/echo", "Content-Length: +5\r\n\r\nhello"),
        F::BadChunkSizeIsZero => chunked("x\r\n\r\n"),
        F::UnknownUpgraded => get("HTTP/1.1", "Connection: upgrade\r\nUpgrade: a"),
        F::HeadWithContent => ask("HEAD", "/echo?text=a"),
        F::NoContentWithLength => ask("GET", "/no-content"),
        F::NotModifiedWithContent => ask("GET", "/not-modified"),
        F::ShortReplyReused => ask("GET", "/short"),
        F::GarbageKeptOpen => "hello\r\n\r\n".to_owned(),
        F::HostUnchecked => "GET / HTTP/1.1\r\n\r\n".to_owned(),
        F::BadFieldNamesSkipped => get("HTTP/1.1", "X : y"),
        F::NewerMinorRefused => get("HTTP/1.2", ""),
        F::OtherMajorServed => get("HTTP/2.0", ""),
        F::EmptyLineRefused => format!("\r\n{GET}"),
        F::HeadUnlimited => get("HTTP/1.1", &format!("X: {}", "x".repeat(70 << 10))),
        F::ConnectAccepted => "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        F::AsteriskRefused => ask("OPTIONS", "*"),
        F::AbsoluteFormRefused => ask("GET", "http://a/"),
        _ => return None,
    })
}

/// The script of a fault without [`bytes`], and settings that shorten it.
fn script(fault: HttpFault) -> (Settings, Vec<Step<'static>>) {
    const WAITING: &str =
        "POST /echo?count=in HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    const HELD: &str = "GET /slow?count=in&until=go HTTP/1.1\r\nHost: a\r\n\r\n";
    const GO: &str = "GET /?count=go HTTP/1.1\r\nHost: a\r\n\r\n";
    const OLD: &str = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let brief = Duration::from_millis(40);
    let short = Settings {
        idle_timeout: brief,
        body_timeout: brief,
        ..Settings::default()
    };
    let long = Settings::default();
    use HttpFault as F;
    match fault {
        F::ResetOnUnreadContent => {
            let request = post("/ignore-body", "Content-Length: 1048576\r\n\r\n") + &"x".repeat(1 << 20);
            (long, vec![Send(request.leak())])
        }
        F::HalfClosedDropped => (long, vec![Send(GET), HalfClose]),
        F::IdleNeverTimesOut | F::IdleTold408 => (short, vec![Send(GET), Replies(1)]),
        F::LimitUnannounced | F::CloseSaidNotDone => (
            Settings {
                requests_max: Some(1),
                ..long
            },
            vec![Send(GET), Replies(1)],
        ),
        F::TruncatedContentServed => {
            let cut = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel";
            (long, vec![Send(cut), HalfClose])
        }
        F::ContinueNeverSent | F::CloseInContinue => (short, vec![Send(WAITING)]),
        F::ContinueTo10 => {
            let old = "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
            (short, vec![Send(old)])
        }
        F::ExpectCaseSensitive => {
            let waiting =
                "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n";
            (short, vec![Send(waiting)])
        }
        F::DisableIgnored => (long, vec![Off, Send(GET), Send(LAST)]),
        F::IdleLeftOpen => (long, vec![Send(GET), Replies(1), Off, Connect, Send(GET)]),
        F::UnusedClosedAtOnce => {
            // The replies on the other connections show that the server has accepted the first one, then switched.
            let seen = [
                Connect,
                Send(GET),
                Replies(1),
                Off,
                Connect,
                Send(GET),
                Replies(1),
            ];
            (long, [&seen[..], &[Step::Back, Send(GET)]].concat())
        }
        F::InFlightDroppedOnDisable => (long, vec![Send(HELD), Counted("in"), Off, Connect, Send(GO)]),
        F::ClosesMidHeader => (
            long,
            vec![
                Send(GET),
                Replies(1),
                Send("GET / HTTP/1.1\r\nHo"),
                Off,
                Send("st: a\r\n\r\n"),
            ],
        ),
        F::BodyDroppedOnDisable => (long, vec![Send(WAITING), Counted("in"), Off, Send("hello")]),
        F::DisableRefusesNew => (long, vec![Send(GET), Replies(1), Off, Connect, Send(GET)]),
        F::KeepAliveToldTo10 => (long, vec![Off, Send(OLD)]),
        F::EnableIgnored => (long, vec![Off, On, Send(GET), Send(LAST)]),
        F::OpenAfterSentHead => {
            let held = "GET /stream?count=in&until=go HTTP/1.1\r\nHost: a\r\n\r\n";
            (long, vec![Send(held), Counted("in"), Off, Connect, Send(GO)])
        }
        F::StopKeepsListening => (long, vec![Send(GET), Replies(1), Stop, Step::Refused]),
        F::StopDropsInFlight => (long, vec![Send(HELD), Counted("in"), Connect, Stop, Send(GO)]),
        _ => panic!("{} has neither bytes nor a script", fault.name()),
    }
}

/// The timeout of a script against a faulty server; a fault that leaves a connection open reaches it.
const FAULTY_BUDGET: Duration = Duration::from_millis(700);

#[test]
fn every_fault_changes_a_transcript() {
    let hidden: Vec<_> = std::thread::scope(|scope| {
        let some = HttpFault::ALL
            .chunks(6)
            .map(|faults| scope.spawn(|| hidden_faults(faults)));
        some.collect::<Vec<_>>()
            .into_iter()
            .flat_map(|faults| faults.join().unwrap())
            .collect()
    });
    assert!(hidden.is_empty(), "{hidden:#?}");
}

/// The faults that do not change the transcript of their script, with that transcript.
fn hidden_faults(faults: &[HttpFault]) -> Vec<(&'static str, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut hidden = Vec::new();
    for &fault in faults {
        let one_write = bytes(fault).map(|bytes| bytes + LAST);
        let (settings, steps) = match &one_write {
            Some(bytes) => (Settings::default(), vec![Send(bytes)]),
            None => script(fault),
        };
        let right = runtime.block_on(play(settings.clone(), None, &steps));
        assert!(right.contains("< FIN"), "{}: {right}", fault.name());
        let wrong =
            runtime.block_on(async { timeout(FAULTY_BUDGET, play(settings, Some(fault), &steps)).await });
        if wrong.as_ref() == Ok(&right) {
            hidden.push((fault.name(), right));
        }
    }
    hidden
}

#[test]
fn faults_have_unique_names_and_a_source() {
    let mut names: Vec<_> = HttpFault::ALL.iter().map(|fault| fault.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), HttpFault::ALL.len());
    for fault in HttpFault::ALL {
        assert!(
            fault.name().starts_with("http-") && !fault.what().is_empty(),
            "{fault:?}"
        );
        let source = fault.reported_in();
        assert!(source.contains(['#', ' ']) && !source.ends_with(':'), "{fault:?}");
    }
}
