//! Faults in the records that the application sends.

use std::time::Instant;

use reusespec_wire::fastcgi::{Kind, NULL_ID, ProtocolStatus, Record, Repr, Stream};

use super::super::FastCgiFault as Fault;
use super::ConnectionHooks;

/// Stands for the null id inside a server that accepts it.
pub(super) const ACCEPTED_NULL_ID: u16 = u16::MAX;

impl ConnectionHooks {
    /// Acts on the records that have been appended to `out` from `start` on.
    pub(in crate::fastcgi) fn appended(&mut self, out: &mut Vec<u8>, start: usize) {
        let Some(fault) = self.hooks.0 else {
            return;
        };
        if fault == Fault::ResponseLengthTruncated {
            // The lengths of these records are wrong, so the record boundaries are unknown.
            return;
        }
        let records = out.split_off(start);
        let mut rest = &records[..];
        while !rest.is_empty() {
            let len = Record::new_unchecked(rest).total_len();
            self.append(fault, &mut rest[..len].to_vec(), out);
            rest = &rest[len..];
        }
    }

    fn append(&mut self, fault: Fault, bytes: &mut [u8], out: &mut Vec<u8>) {
        let mut record = Record::new_unchecked(&mut *bytes);
        let (kind, id) = (record.kind(), record.id());
        let is_empty = record.content_len() == 0;
        match fault {
            Fault::ConstantId if id != NULL_ID => record.set_id(1),
            Fault::NullIdAccepted if id == ACCEPTED_NULL_ID => record.set_id(NULL_ID),
            Fault::StdoutNotClosed if kind == Kind::Stream(Stream::Stdout) && is_empty => return,
            Fault::StderrNotClosed if kind == Kind::Stream(Stream::Stderr) && is_empty => return,
            Fault::StderrInStdout if kind == Kind::Stream(Stream::Stderr) => {
                if is_empty {
                    return;
                }
                record.set_kind(Kind::Stream(Stream::Stdout));
            }
            Fault::AppStatusLost if kind == Kind::EndRequest => record.content_mut()[..4].fill(0),
            Fault::HttpStatusLine if kind == Kind::Stream(Stream::Stdout) && self.responded.insert(id) => {
                let status_line = Repr::Stream {
                    stream: Stream::Stdout,
                    id,
                    content: b"HTTP/1.1 200 OK\r\n",
                };
                status_line.append_to(out).expect("a status line fits");
            }
            _ => {}
        }
        out.extend_from_slice(bytes);
        if kind == Kind::EndRequest {
            self.ended(fault, id, bytes, out);
        }
    }

    /// Acts on an END_REQUEST that has just been appended to `out`.
    fn ended(&mut self, fault: Fault, id: u16, bytes: &[u8], out: &mut Vec<u8>) {
        let end = Repr::parse(&Record::new_unchecked(bytes));
        let is_complete = matches!(
            end,
            Ok(Repr::End {
                protocol_status: ProtocolStatus::Complete,
                ..
            })
        );
        self.responded.remove(&id);
        if is_complete {
            self.ended.insert(id, Instant::now());
        }
        match fault {
            Fault::TwoEnds => out.extend_from_slice(bytes),
            Fault::StrayByteAfterEnd => out.push(0),
            Fault::EarlyEndStuck if is_complete && self.unreceived.contains(&id) => self.stopped = true,
            _ => {}
        }
    }
}
