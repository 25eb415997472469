//! The input streams of a request: PARAMS first, then the handler starts, then STDIN and DATA.
//!
//! The streams arrive in this order (§6.1). Records out of order are ignored: PARAMS after its end, STDIN before the
//! end of PARAMS or after its own end, DATA for a role that has none.

use std::sync::Arc;

use reusespec_wire::fastcgi::{Pair, ProtocolStatus, Repr, Role, Stream};
use tokio::sync::OwnedSemaphorePermit;

use super::dialogue::Dialogue;
use super::input;
use super::table::{Serial, Stage};
use super::{Handler, Params, Request};

/// Whether the next record can be taken.
pub(super) enum Flow {
    /// It can be taken.
    Next,
    /// It has to wait until permits for this piece of input are acquired and the piece is delivered.
    Pay(Piece),
}

/// Input on its way to a handler.
#[derive(Debug)]
pub(super) struct Piece {
    serial: Serial,
    stream: Stream,
    pub(super) content: Vec<u8>,
}

impl<H: Handler> Dialogue<H> {
    pub(super) fn params(&mut self, id: u16, content: &[u8]) {
        let Some((serial, active)) = self.table.by_id(id) else {
            return;
        };
        // PARAMS after its end is ignored.
        let Stage::Params { decoder, pairs } = &mut active.stage else {
            return;
        };
        if content.is_empty() {
            return self.start(serial);
        }
        // The decoder fails as soon as it reads a length above the limit, before the bytes arrive.
        let fed = decoder.feed(content, |name, value| {
            pairs.push(Pair {
                name: name.to_vec(),
                value: value.to_vec(),
            });
        });
        let held = self.table.charge_params(serial, content.len());
        if fed.is_err() || held > self.settings.params_held_max {
            self.end(serial, 0, ProtocolStatus::Overloaded);
        }
    }

    /// Starts the handler when PARAMS has ended, or answers 400 if PARAMS ends inside a pair.
    pub(super) fn start(&mut self, serial: Serial) {
        let Some(active) = self.table.get(serial) else {
            return;
        };
        let (id, role) = (active.id, active.role);
        let Stage::Params { decoder, pairs } = &mut active.stage else {
            return;
        };
        if decoder.finish().is_err() {
            return self.answer_cut_params(serial);
        }
        let params = Params(std::mem::take(pairs));
        let (stdin_feed, stdin) = input::stream();
        let (data_feed, data) = input::stream();
        let request = Request {
            role,
            params,
            stdin,
            data,
        };
        let task = self.spawn(id, serial, request);
        // Only a Filter has DATA; for other roles the stream ends here.
        let data = Some(data_feed).filter(|_| role == Role::Filter);
        if let Some(active) = self.table.get(serial) {
            active.stage = Stage::Running {
                task,
                stdin: Some(stdin_feed),
                data,
            };
        }
    }

    fn answer_cut_params(&mut self, serial: Serial) {
        let Some(active) = self.table.get(serial) else {
            return;
        };
        let content =
            b"Status: 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nPARAMS end inside a pair\n";
        let id = active.id;
        self.append(&Repr::Stream {
            stream: Stream::Stdout,
            id,
            content,
        });
        self.end(serial, 1, ProtocolStatus::Complete);
    }

    pub(super) fn input(&mut self, stream: Stream, id: u16, content: &[u8]) -> Flow {
        let Some((serial, active)) = self.table.by_id(id) else {
            return Flow::Next;
        };
        // Before the end of PARAMS there is no handler.
        let Stage::Running { stdin, data, .. } = &mut active.stage else {
            return Flow::Next;
        };
        let feed = if stream == Stream::Data { data } else { stdin };
        let Some(open) = feed else {
            return Flow::Next;
        };
        if content.is_empty() {
            *feed = None;
            return Flow::Next;
        }
        if open.is_unread() {
            return Flow::Next;
        }
        let cost = u32::try_from(content.len()).expect("content has a sixteen-bit length");
        let piece = Piece {
            serial,
            stream,
            content: content.to_vec(),
        };
        match Arc::clone(&self.budget).try_acquire_many_owned(cost) {
            Ok(permit) => {
                open.push(piece.content, permit);
                Flow::Next
            }
            Err(_) => Flow::Pay(piece),
        }
    }

    /// Delivers a piece that had to wait; its request may have ended meanwhile.
    pub(super) fn deliver(&mut self, piece: Piece, permit: OwnedSemaphorePermit) {
        let Some(active) = self.table.get(piece.serial) else {
            return;
        };
        let Stage::Running { stdin, data, .. } = &mut active.stage else {
            return;
        };
        let feed = if piece.stream == Stream::Data { data } else { stdin };
        if let Some(open) = feed {
            open.push(piece.content, permit);
        }
    }
}
