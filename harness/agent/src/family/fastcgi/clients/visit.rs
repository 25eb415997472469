//! A client of the web server: one HTTP/1.1 request on a new connection.
//!
//! It observes only whether the application's answer arrived completely and unchanged.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use reusespec_core::step::fastcgi::Visit;
use reusespec_wire::http1::{Limits, Reader, ReplyPoint, RequestKind, Response, Tail};
use socket2::Socket;

use super::answer::BODY;
use crate::listen_addr::{Connected, ListenAddr};
use crate::stop::Stop;

/// Timeout of the web server for a connection, and for each read and write.
const WITHIN: Duration = Duration::from_secs(3);
/// Limit of the body in bytes. The application behind the web server sends less.
const BODY_KEPT_MAX: usize = 1 << 20;
/// Time between two checks whether the request has reached the application.
const POLL: Duration = Duration::from_millis(1);

/// Makes a request. Returns the status and whether the application's body came, or the error.
pub(super) fn visit(at: &ListenAddr, step: &Visit, has_arrived: impl Fn() -> bool) -> Result<String, Stop> {
    let Connected { mut socket, is_reset } = at.connect(WITHIN)?;
    if is_reset {
        return Ok("ECONNRESET".to_owned());
    }
    socket.set_read_timeout(Some(WITHIN))?;
    socket.set_write_timeout(Some(WITHIN))?;
    socket.write_all(&request(step))?;
    if step.leave {
        let deadline = Instant::now() + WITHIN;
        while !has_arrived() {
            if Instant::now() >= deadline {
                return Ok("no request behind the web server".to_owned());
            }
            std::thread::sleep(POLL);
        }
        return Ok("left".to_owned());
    }
    Ok(answer(&mut socket))
}

fn request(step: &Visit) -> Vec<u8> {
    let method = if step.body > 0 { "POST" } else { "GET" };
    let mut head = format!("{method} /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    if step.header > 0 {
        head.push_str(&format!("X-Long: {}\r\n", "h".repeat(step.header)));
    }
    if step.body > 0 {
        head.push_str(&format!("Content-Length: {}\r\n", step.body));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.resize(bytes.len() + step.body, b'x');
    bytes
}

fn answer(socket: &mut Socket) -> String {
    let mut reader = Reader::new(Limits {
        body_kept_max: BODY_KEPT_MAX,
        ..Limits::default()
    });
    reader.expect_reply(RequestKind::Other);
    let deadline = Instant::now() + WITHIN;
    let mut buffer = [0; 8 << 10];
    let mut anything = false;
    let is_reset = loop {
        match socket.read(&mut buffer) {
            Ok(0) => break false,
            Ok(len) => reader.feed(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let what = if anything {
                    "no end of the answer"
                } else {
                    "no answer"
                };
                return what.to_owned();
            }
            Err(error) if !anything => return crate::errno::name(&error),
            Err(_) => break true,
        }
        anything = true;
        if Instant::now() >= deadline {
            return "no end of the answer".to_owned();
        }
    };
    // Content that lasts until the end of the connection is complete only if the connection ends with FIN.
    let is_cut = is_reset && reader.point() == ReplyPoint::InUnboundedBody;
    let tail = reader.finish();
    match (reader.next_response(), tail) {
        (Some(response), _) if is_cut => format!("{} cut", words(&response)),
        (Some(response), Tail::Nothing) if reader.next_response().is_none() => words(&response),
        (Some(response), _) => format!("{} and more", words(&response)),
        (None, Tail::Body(response)) => format!("{} cut", words(&response)),
        (None, _) => "no reply".to_owned(),
    }
}

/// The status, and the application's body if the response contains it.
fn words(response: &Response) -> String {
    let status = response.code();
    let body = response.body.kept();
    match body.windows(BODY.len()).any(|window| window == BODY) {
        true if body == BODY => format!("{status} hello"),
        true => format!("{status} hello in {} bytes", response.body.total()),
        false => status.to_string(),
    }
}
