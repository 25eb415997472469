//! A visitor of the web server: one HTTP/1.1 request on a connection of its own.
//!
//! Only what is needed to see whether the application's answer came through: the status and the body's end.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use reusespec_core::step::fastcgi::Visit;
use socket2::Socket;

use crate::place::{Connected, Place};
use crate::stop::Stop;

/// How long a web server may take for anything.
const WITHIN: Duration = Duration::from_secs(3);
/// How often is looked whether a request has arrived behind the web server.
const POLL: Duration = Duration::from_millis(1);

/// Makes a request. Returns the status and whether the application's body came, or what happened instead.
pub(super) fn visit(at: &Place, step: &Visit, has_arrived: impl Fn() -> bool) -> Result<String, Stop> {
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
    let mut bytes = Vec::new();
    let deadline = Instant::now() + WITHIN;
    let mut buffer = [0; 8 << 10];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => bytes.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if bytes.is_empty() => return crate::errno::name(&error),
            Err(_) => break,
        }
        if Instant::now() >= deadline {
            return "no end of the answer".to_owned();
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let status = text.split(' ').nth(1).unwrap_or("nothing").to_owned();
    let body = if text.contains("hello") { " hello" } else { "" };
    format!("{status}{body}")
}
