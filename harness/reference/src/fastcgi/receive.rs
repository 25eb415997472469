//! What arrives for a request: PARAMS until they end, then the handler starts, then STDIN and DATA for it.
//!
//! The streams come one after the other (§6.1), so a record out of its turn belongs to no stream anybody
//! waits for and is ignored: PARAMS after their end, STDIN before the end of PARAMS or after its own, DATA
//! for a role that has none.

use std::sync::Arc;

use reusespec_wire::fastcgi::{Pair, PairDecoder, PairError, ProtocolStatus, Repr, Role, Stream};
use tokio::sync::OwnedSemaphorePermit;

use super::dialogue::Dialogue;
use super::input;
use super::management::append;
use super::misread::pairs_with_one_byte_lengths;
use super::table::{Serial, Stage};
use super::{FastCgiFault as Fault, Handler, Params, Request};

/// Whether the next record can be looked at.
pub(super) enum Flow {
    /// It can.
    Next,
    /// Not before this piece of input has been paid for and delivered.
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
        let params_len_kept = if self.has(Fault::ParamsOver8192Lost) {
            8192
        } else {
            usize::MAX
        };
        let fault = self.settings.fault;
        let Some((serial, active)) = self.table.by_id(id) else {
            return;
        };
        let content_kept = &content[..content
            .len()
            .min(params_len_kept.saturating_sub(active.params_len))];
        // After its end, PARAMS is a stream nobody waits for.
        let Stage::Params { decoder, pairs } = &mut active.stage else {
            return;
        };
        if content.is_empty() {
            return self.start(serial);
        }
        let fed = match fault {
            Some(Fault::OneByteLengths) => {
                pairs.extend(pairs_with_one_byte_lengths(content));
                Ok(())
            }
            _ => decoder.feed(content_kept, |name, value| {
                pairs.push(Pair {
                    name: name.to_vec(),
                    value: value.to_vec(),
                });
            }),
        };
        if fault == Some(Fault::PairInOneRecord) && decoder.pending_len() > 0 {
            *decoder = PairDecoder::new(self.settings.params_len_max);
        }
        let held = self.table.charge_params(serial, content.len());
        match fed {
            Err(PairError::TooLong { promised, .. })
                if self.has(Fault::LengthOverflow) && promised > i32::MAX as u64 =>
            {
                self.close();
            }
            // Lengths that cannot be met are refused when they are read, not when memory has run out.
            Err(_) => self.end(serial, 0, ProtocolStatus::Overloaded),
            Ok(()) if held > self.settings.params_held_max => {
                self.end(serial, 0, ProtocolStatus::Overloaded);
            }
            Ok(()) if self.has(Fault::StartsBeforeParamsEnd) => self.start(serial),
            Ok(()) => {}
        }
    }

    /// PARAMS have ended: starts the handler, or answers for it where they make no sense.
    fn start(&mut self, serial: Serial) {
        let loses_its_end = self.has(Fault::ParamsOver8192Lost);
        let Some(active) = self.table.get(serial) else {
            return;
        };
        let (id, role) = (active.id, active.role);
        let Stage::Params { decoder, pairs } = &mut active.stage else {
            return;
        };
        if decoder.finish().is_err() && !loses_its_end {
            return self.answer_cut_params(serial);
        }
        let params = Params(std::mem::take(pairs));
        let content_length = params
            .get("CONTENT_LENGTH")
            .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        let (stdin_feed, stdin) = input::stream();
        let (data_feed, data) = input::stream();
        let request = Request {
            role,
            params,
            stdin,
            data,
        };
        let task = self.spawn(id, serial, request);
        // Only a Filter has DATA; for the others the stream ends here.
        let data = Some(data_feed).filter(|_| role == Role::Filter);
        if let Some(active) = self.table.get(serial) {
            active.stage = Stage::Running {
                task,
                content_length,
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
        append(
            &Repr::Stream {
                stream: Stream::Stdout,
                id,
                content,
            },
            &mut self.out,
        );
        self.end(serial, 1, ProtocolStatus::Complete);
    }

    pub(super) fn input(&mut self, stream: Stream, id: u16, content: &[u8]) -> Flow {
        let fault = self.settings.fault;
        let Some((serial, active)) = self.table.by_id(id) else {
            return Flow::Next;
        };
        // Input before PARAMS have ended has no handler to go to.
        let Stage::Running {
            stdin,
            data,
            content_length,
            ..
        } = &mut active.stage
        else {
            return Flow::Next;
        };
        let feed = if stream == Stream::Data { data } else { stdin };
        let Some(open) = feed else {
            if fault == Some(Fault::SecondStdinEndCloses) && stream == Stream::Stdin {
                self.close();
            }
            return Flow::Next;
        };
        if content.is_empty() {
            let is_short = content_length.is_some_and(|expected| active.stdin_len < expected);
            if fault != Some(Fault::WaitsForContentLength) || !is_short {
                *feed = None;
            }
            if fault == Some(Fault::IdFreedAtStdinEnd) {
                self.table.free_id(id, serial);
            }
            return Flow::Next;
        }
        let is_lost = fault == Some(Fault::StdinFirstRecordOnly) && active.stdin_len > 0;
        active.stdin_len += content.len() as u64;
        if open.is_unread() || is_lost {
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
