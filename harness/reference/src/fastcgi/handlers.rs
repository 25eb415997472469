//! The handlers that every FastCGI implementation under test offers, as `harness/implementations/HANDLERS.md` specifies
//! them.
//!
//! The role selects the handler, and SCRIPT_NAME that of a Responder. Each handler exercises one feature that a library
//! can get wrong. The output is the same in all languages: no timestamps, no hash-map order, no headers of a library.

use std::time::Duration;

use reusespec_wire::fastcgi::Role;

use super::{AppStatus, Handler, Output, Params, Request};

/// The headers of a plain body (§6.1).
const PLAIN: &[u8] = b"Content-Type: text/plain\r\n\r\n";
const NO_SUCH_HANDLER: &[u8] = b"Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno such handler\n";
/// Longer names and values are shown by length and checksum.
const SHOWN_MAX: usize = 64;

/// The standard handlers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handlers;

impl Handler for Handlers {
    async fn serve(&self, request: Request, output: &mut Output) -> AppStatus {
        match request.role {
            Role::Authorizer => authorize(&request.params, output).await,
            Role::Filter => filter(request, output).await,
            _ => respond(request, output).await,
        }
    }
}

async fn respond(mut request: Request, output: &mut Output) -> AppStatus {
    let query = Query(request.params.get("QUERY_STRING").unwrap_or_default().to_vec());
    match request.params.get("SCRIPT_NAME").unwrap_or_default() {
        b"/echo" => echo(request, output).await,
        b"/ignore-body" => {
            // `request` keeps the unread body open until the handler returns.
            pause(query.number("ms", 0)).await;
            plain(output, b"ignored\n").await;
        }
        b"/slow" => {
            request.stdin.read_to_end().await;
            pause(query.number("ms", 100)).await;
            plain(output, b"slow\n").await;
        }
        b"/early" => {
            request.stdin.piece().await;
            plain(output, b"early\n").await;
        }
        b"/stream" => stream(&query, output).await,
        b"/big" => big(query.number("bytes", 200_000), output).await,
        b"/stderr" => {
            output.stderr(b"a problem\n").await;
            plain(output, b"stderr\n").await;
        }
        b"/no-content" => {}
        b"/exit" => {
            plain(output, b"exit\n").await;
            return query.number("status", 3) as AppStatus;
        }
        _ => {
            output.stdout(NO_SUCH_HANDLER).await;
        }
    }
    0
}

/// Answers with the parameters whose names start with `ECHO_` or are empty, the length of the body, and the body.
async fn echo(mut request: Request, output: &mut Output) {
    let body = request.stdin.read_to_end().await;
    let mut answer = PLAIN.to_vec();
    let echoed = |(name, _): &(&[u8], &[u8])| name.is_empty() || name.starts_with(b"ECHO_");
    let mut params: Vec<_> = request.params.iter().filter(echoed).collect();
    params.sort_by_key(|(name, _)| *name);
    // A repeated name is shown once, with its last value, as `Params::get` returns it.
    for (at, (name, value)) in params.iter().enumerate() {
        if params.get(at + 1).is_none_or(|(next, _)| next != name) {
            show(&mut answer, name);
            answer.push(b'=');
            show(&mut answer, value);
            answer.push(b'\n');
        }
    }
    answer.extend_from_slice(format!("stdin={}\n", body.len()).as_bytes());
    note_missing(&mut answer, &request.params, "CONTENT_LENGTH", body.len());
    answer.extend_from_slice(&body);
    output.stdout(&answer).await;
}

async fn stream(query: &Query, output: &mut Output) {
    output.stdout(PLAIN).await;
    for part in 1..=query.number("count", 3) {
        output.stdout(format!("part {part}\n").as_bytes()).await;
        output.flush().await;
        pause(query.number("ms", 10)).await;
    }
}

async fn big(len: u64, output: &mut Output) {
    let letters: Vec<u8> = (b'a'..=b'z').cycle().take(26 * 2520).collect();
    output.stdout(PLAIN).await;
    let mut left = usize::try_from(len).unwrap_or(usize::MAX);
    while left > 0 {
        let now = left.min(letters.len());
        output.stdout(&letters[..now]).await;
        left -= now;
    }
}

/// Allows the request if a parameter asks for it (§6.3).
async fn authorize(params: &Params, output: &mut Output) -> AppStatus {
    let answer: &[u8] = if params.get("ECHO_ALLOW") == Some(b"yes") {
        b"Status: 200 OK\r\nVariable-ECHO_ALLOWED: yes\r\n\r\n"
    } else {
        b"Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nforbidden\n"
    };
    output.stdout(answer).await;
    0
}

/// Reads STDIN to its end (§6.4), then DATA, and answers with both.
async fn filter(mut request: Request, output: &mut Output) -> AppStatus {
    let stdin = request.stdin.read_to_end().await;
    let data = request.data.read_to_end().await;
    let mut answer = PLAIN.to_vec();
    answer.extend_from_slice(format!("stdin={}\ndata={}\n", stdin.len(), data.len()).as_bytes());
    note_missing(&mut answer, &request.params, "CONTENT_LENGTH", stdin.len());
    note_missing(&mut answer, &request.params, "FCGI_DATA_LENGTH", data.len());
    answer.extend_from_slice(&stdin);
    answer.extend_from_slice(&data);
    output.stdout(&answer).await;
    0
}

async fn plain(output: &mut Output, body: &[u8]) {
    output.stdout(PLAIN).await;
    output.stdout(body).await;
}

async fn pause(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

/// Adds a line if the length of a stream differs from the announced length (§6.2, §6.4).
fn note_missing(answer: &mut Vec<u8>, params: &Params, name: &str, len: usize) {
    let announced = params.get(name).and_then(number);
    if let Some(announced) = announced.filter(|announced| *announced != len as u64) {
        answer.extend_from_slice(format!("{}={announced}\n", name.to_ascii_lowercase()).as_bytes());
    }
}

/// Appends short bytes unchanged, long ones as length and checksum.
fn show(answer: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() <= SHOWN_MAX {
        answer.extend_from_slice(bytes);
    } else {
        let sum = bytes.iter().fold(0_u32, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u32::from(*byte))
        });
        answer.extend_from_slice(format!("{} bytes, checksum {sum}", bytes.len()).as_bytes());
    }
}

/// A query such as `a=1&b=2` with numeric values.
struct Query(Vec<u8>);

impl Query {
    fn number(&self, name: &str, default: u64) -> u64 {
        let values = self
            .0
            .split(|byte| *byte == b'&')
            .filter_map(|part| part.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        values.filter_map(number).next().unwrap_or(default)
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
