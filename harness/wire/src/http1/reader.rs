//! Reads replies from bytes that arrive in any pieces.
//!
//! The reader never panics and never exceeds its limits, whatever arrives. It works line by line and has no input
//! buffer, so its result cannot depend on how the bytes were split. It accepts violations that leave the end of a
//! reply clear (bare LF, folded lines, chunked in HTTP/1.0). It stops at the others, and all further bytes are
//! leftovers. It does not search for a reply after a malformed one, because it would have to guess where that starts.

use std::collections::VecDeque;

use super::body::Body;
use super::connection_end::ReplyPoint;
use super::field::FieldLine;
use super::outcome::{Limits, ReadError, Tail};
use super::response::{Framing, Head, Response, StatusLine};
use super::rules::{RequestKind, chunk_size, framing};

enum State {
    StatusLine,
    Fields,
    Length { left: u64 },
    ChunkSize,
    ChunkData { left: u64 },
    ChunkEnd,
    Trailers,
    UntilClose,
    Tunnel,
    Failed(ReadError),
}

/// Reads the replies of one connection.
pub struct Reader {
    limits: Limits,
    state: State,
    /// Requests without a reply so far.
    expected: VecDeque<RequestKind>,
    /// The incomplete line.
    line: Vec<u8>,
    /// Bytes so far of the current head, trailer section or chunk-size line.
    head_bytes: usize,
    head: Option<Head>,
    interim: Vec<Head>,
    stray_line_ends: usize,
    response: Option<Box<Response>>,
    done: VecDeque<Response>,
    leftover: Body,
}

impl Reader {
    /// A reader at the start of a connection.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::StatusLine,
            expected: VecDeque::new(),
            line: Vec::new(),
            head_bytes: 0,
            head: None,
            interim: Vec::new(),
            stray_line_ends: 0,
            response: None,
            done: VecDeque::new(),
            leftover: Body::new(),
        }
    }

    /// Registers a request before its reply can arrive. A reply without a request is read like the reply to a GET.
    pub fn expect_reply(&mut self, request: RequestKind) {
        self.expected.push_back(request);
    }

    /// Reads bytes. [`Self::next_response`] then returns the replies that became complete.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let used = self.step(bytes);
            bytes = &bytes[used..];
        }
    }

    /// Removes and returns the next complete reply.
    pub fn next_response(&mut self) -> Option<Response> {
        self.done.pop_front()
    }

    /// Why reading stopped; `None` while it continues.
    pub fn error(&self) -> Option<&ReadError> {
        match &self.state {
            State::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// The current position in the replies, for [`super::ConnectionEnd`].
    pub fn point(&self) -> ReplyPoint {
        match self.state {
            State::StatusLine if self.line.is_empty() && self.interim.is_empty() => ReplyPoint::Between,
            State::StatusLine | State::Fields => ReplyPoint::InHead,
            State::UntilClose => ReplyPoint::InUnboundedBody,
            State::Tunnel | State::Failed(_) => ReplyPoint::Unknown,
            _ => ReplyPoint::InBody,
        }
    }

    /// Handles the end of the connection and returns the bytes after the last complete reply.
    ///
    /// A reply that lasts until the end is complete now, and [`Self::next_response`] returns it. A second call
    /// returns [`Tail::Nothing`].
    pub fn finish(&mut self) -> Tail {
        let state = std::mem::replace(&mut self.state, State::StatusLine);
        let kept = std::mem::replace(&mut self.leftover, Body::new());
        let line = std::mem::take(&mut self.line);
        match state {
            State::StatusLine if line.is_empty() && self.interim.is_empty() => Tail::Nothing,
            State::StatusLine | State::Fields => self.unfinished_head(&line),
            State::UntilClose => {
                self.complete();
                Tail::Nothing
            }
            State::Tunnel => Tail::Tunnel(kept.kept().to_vec()),
            State::Failed(error) => Tail::Malformed {
                error,
                kept: kept.kept().to_vec(),
                total: kept.total(),
            },
            _ => Tail::Body(
                self.response
                    .take()
                    .expect("a body state has an incomplete reply"),
            ),
        }
    }

    fn unfinished_head(&mut self, line: &[u8]) -> Tail {
        let mut kept = Vec::new();
        for head in self.interim.drain(..).chain(self.head.take()) {
            let status = &head.status;
            kept.extend_from_slice(format!("{} {} ", status.version, status.code).as_bytes());
            kept.extend_from_slice(&status.reason);
            for field in &head.fields {
                kept.extend_from_slice(b"\r\n");
                kept.extend_from_slice(field.raw());
            }
            kept.extend_from_slice(b"\r\n");
        }
        kept.extend_from_slice(line);
        kept.truncate(self.limits.leftover_kept_max);
        Tail::Head(kept)
    }

    /// Consumes at least one byte of `bytes`, which is not empty, and returns the number of consumed bytes.
    fn step(&mut self, bytes: &[u8]) -> usize {
        match self.state {
            State::StatusLine | State::Fields | State::ChunkSize | State::ChunkEnd | State::Trailers => {
                self.take_line(bytes)
            }
            State::Length { left } => self.take_content(bytes, left, |left| State::Length { left }),
            State::ChunkData { left } => self.take_content(bytes, left, |left| State::ChunkData { left }),
            State::UntilClose => self.push_content(bytes),
            State::Tunnel | State::Failed(_) => {
                self.leftover.push(bytes, self.limits.leftover_kept_max);
                bytes.len()
            }
        }
    }

    fn take_content(&mut self, bytes: &[u8], left: u64, state: fn(u64) -> State) -> usize {
        let within = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let used = self.push_content(&bytes[..within]);
        if self.error().is_none() {
            self.state = state(left - used as u64);
        }
        match self.state {
            State::Length { left: 0 } => self.complete(),
            State::ChunkData { left: 0 } => self.enter(State::ChunkEnd),
            _ => {}
        }
        used
    }

    /// Takes exactly as many bytes as the limit allows, so that the result does not depend on the pieces.
    fn push_content(&mut self, bytes: &[u8]) -> usize {
        let max = self.limits.body_bytes_max;
        let response = self
            .response
            .as_mut()
            .expect("a body state has an incomplete reply");
        let room = usize::try_from(max - response.body.total()).unwrap_or(usize::MAX);
        let used = room.min(bytes.len());
        response.body.push(&bytes[..used], self.limits.body_kept_max);
        if used < bytes.len() {
            self.fail(ReadError::BodyTooLong { max }, b"");
        }
        used
    }

    fn take_line(&mut self, bytes: &[u8]) -> usize {
        let room = self.limits.head_bytes_max - self.head_bytes;
        let end = bytes.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
        let used = end.unwrap_or(bytes.len());
        if used > room {
            self.line.extend_from_slice(&bytes[..room]);
            let line = std::mem::take(&mut self.line);
            self.fail(
                ReadError::HeadTooLong {
                    max: self.limits.head_bytes_max,
                },
                &line,
            );
            self.leftover
                .push(&bytes[room..used], self.limits.leftover_kept_max);
            return used;
        }
        self.line.extend_from_slice(&bytes[..used]);
        self.head_bytes += used;
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            self.on_line(&line);
        }
        used
    }

    fn on_line(&mut self, terminated: &[u8]) {
        let line = &terminated[..terminated.len() - 1];
        let (line, bare_lf) = line
            .strip_suffix(b"\r")
            .map_or((line, true), |line| (line, false));
        match self.state {
            State::StatusLine => self.on_status_line(line, bare_lf, terminated),
            State::Fields if line.is_empty() => self.on_head_end(bare_lf, terminated),
            State::Fields => {
                let head = self.head.as_mut().expect("fields follow a status line");
                head.bare_lf |= bare_lf;
                push_field(&mut head.fields, line);
            }
            State::ChunkSize => self.on_chunk_size(line, terminated),
            State::ChunkEnd if line.is_empty() => self.enter(State::ChunkSize),
            State::ChunkEnd => self.fail(ReadError::ChunkEnd, terminated),
            State::Trailers if line.is_empty() => self.complete(),
            State::Trailers => {
                let response = self
                    .response
                    .as_mut()
                    .expect("a body state has an incomplete reply");
                push_field(&mut response.trailers, line);
            }
            _ => unreachable!("only the states above read lines"),
        }
    }

    fn on_status_line(&mut self, line: &[u8], bare_lf: bool, terminated: &[u8]) {
        if line.is_empty() {
            self.stray_line_ends += 1;
            return;
        }
        match StatusLine::parse(line) {
            Some(status) => {
                self.head = Some(Head {
                    status,
                    fields: Vec::new(),
                    bare_lf,
                });
                self.state = State::Fields;
            }
            None => self.fail(ReadError::StatusLine, terminated),
        }
    }

    fn on_head_end(&mut self, bare_lf: bool, terminated: &[u8]) {
        let mut head = self.head.take().expect("the end of a head follows a status line");
        head.bare_lf |= bare_lf;
        if (100..200).contains(&head.status.code) && head.status.code != 101 {
            self.interim.push(head);
            self.enter(State::StatusLine);
            if self.interim.len() > self.limits.interim_max {
                self.fail(
                    ReadError::TooManyInterim {
                        max: self.limits.interim_max,
                    },
                    b"",
                );
            }
            return;
        }
        let request = self.expected.pop_front();
        let framing = match framing(&head, request.unwrap_or(RequestKind::Other)) {
            Ok(framing) => framing,
            Err(error) => return self.fail(error, terminated),
        };
        self.response = Some(Box::new(Response {
            interim: std::mem::take(&mut self.interim),
            head,
            framing,
            body: Body::new(),
            trailers: Vec::new(),
            stray_line_ends: std::mem::take(&mut self.stray_line_ends),
            solicited: request.is_some(),
        }));
        match framing {
            Framing::None | Framing::ContentLength(0) => self.complete(),
            Framing::ContentLength(left) => self.state = State::Length { left },
            Framing::Chunked => self.enter(State::ChunkSize),
            Framing::UntilClose => self.state = State::UntilClose,
            Framing::Tunnel => {
                self.complete();
                // `complete` fails if there are too many replies; that failure stays.
                if self.error().is_none() {
                    self.state = State::Tunnel;
                }
            }
        }
    }

    fn on_chunk_size(&mut self, line: &[u8], terminated: &[u8]) {
        match chunk_size(line) {
            Some(0) => self.enter(State::Trailers),
            Some(left) => self.state = State::ChunkData { left },
            None => self.fail(ReadError::ChunkSize, terminated),
        }
    }

    fn enter(&mut self, state: State) {
        self.head_bytes = 0;
        self.state = state;
    }

    fn complete(&mut self) {
        self.enter(State::StatusLine);
        let response = self
            .response
            .take()
            .expect("`complete` follows an incomplete reply");
        if self.done.len() < self.limits.responses_max {
            self.done.push_back(*response);
        } else {
            self.fail(
                ReadError::TooManyResponses {
                    max: self.limits.responses_max,
                },
                b"",
            );
        }
    }

    /// Stops reading; `unread`, the bytes of the current line, becomes the first leftover.
    fn fail(&mut self, error: ReadError, unread: &[u8]) {
        self.state = State::Failed(error);
        self.leftover.push(unread, self.limits.leftover_kept_max);
    }
}

fn push_field(fields: &mut Vec<FieldLine>, line: &[u8]) {
    match fields.last_mut() {
        Some(last) if line.starts_with(b" ") || line.starts_with(b"\t") => last.fold(line),
        _ => fields.push(FieldLine::new(line)),
    }
}
