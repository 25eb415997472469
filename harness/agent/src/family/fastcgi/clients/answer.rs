//! The answers of the application behind a web server: valid ones, and the invalid ones that some applications give.

use reusespec_core::step::fastcgi::Answering;
use reusespec_wire::fastcgi::{CONTENT_LEN_MAX, Kind, RawRecord, Stream, VERSION};

use super::record::Open;

const HEAD: &[u8] = b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n";
/// The body of each answer. A long body ends with it.
pub(super) const BODY: &[u8] = b"hello";
/// The number of bytes before it in a long body.
const LONG_BYTES: usize = 200_000;
/// The content of STDERR records.
const COMPLAINT: &[u8] = b"a problem\n";
/// Padding. Its bytes are not zero, so that the test detects a web server that reads them.
const PADDING: [u8; 7] = [0xa5; 7];

/// Whether enough of the request has come for it to be answered.
pub(super) fn is_due(open: &Open, answer: Answering) -> bool {
    let is_complete = open.stdin_ended || answer == Answering::Early;
    open.params_ended && is_complete && answer != Answering::Never
}

/// Whether the application closes the connection after the answer, whatever the web server has asked for.
pub(super) fn closes(answer: Answering) -> bool {
    matches!(answer, Answering::Closing | Answering::CutOff)
}

/// The bytes of an answer to the request with that id.
pub(super) fn response(id: u16, answer: Answering) -> Vec<u8> {
    let mut records = Records {
        id: if answer == Answering::OtherId { id + 1 } else { id },
        answer,
        bytes: Vec::new(),
    };
    if answer == Answering::CutOff {
        records.stream(Stream::Stdout, HEAD);
        records.stream(Stream::Stdout, &BODY[..3]);
        return records.bytes;
    }
    if !matches!(
        answer,
        Answering::Overloaded | Answering::CantMpxConn | Answering::UnknownRole
    ) {
        records.streams();
    }
    records.end();
    if answer == Answering::Stray {
        records.bytes.push(0);
    }
    records.bytes
}

struct Records {
    id: u16,
    answer: Answering,
    bytes: Vec<u8>,
}

impl Records {
    fn streams(&mut self) {
        let complains = self.answer == Answering::Complaining;
        let complain = |records: &mut Self, content: &[u8]| {
            if complains {
                records.stream(Stream::Stderr, content);
            }
        };
        complain(self, COMPLAINT);
        let filler = if self.answer == Answering::Long {
            LONG_BYTES
        } else {
            0
        };
        let response = [HEAD, &vec![b'x'; filler], BODY].concat();
        let longest = if self.answer == Answering::InPieces {
            1
        } else if complains {
            HEAD.len() + 2
        } else {
            CONTENT_LEN_MAX
        };
        for content in response.chunks(longest) {
            self.stream(Stream::Stdout, content);
            complain(self, COMPLAINT);
        }
        if self.answer != Answering::StdoutOpen {
            self.stream(Stream::Stdout, &[]);
        }
        complain(self, &[]);
    }

    /// END_REQUEST (§5.5): appStatus, protocolStatus.
    fn end(&mut self) {
        let app_status = u8::from(self.answer == Answering::Failing);
        // The statuses 1, 2 and 3; 0 is FCGI_REQUEST_COMPLETE.
        let refusals = [
            Answering::CantMpxConn,
            Answering::Overloaded,
            Answering::UnknownRole,
        ];
        let refusal = (1..).zip(refusals).find(|(_, refusal)| *refusal == self.answer);
        let protocol_status = refusal.map_or(0, |(status, _)| status);
        self.append(Kind::EndRequest, &[0, 0, 0, app_status, protocol_status, 0, 0, 0]);
    }

    fn stream(&mut self, stream: Stream, content: &[u8]) {
        self.append(Kind::Stream(stream), content);
    }

    fn append(&mut self, kind: Kind, content: &[u8]) {
        let mut record = RawRecord::new(kind, self.id, content);
        if self.answer == Answering::Padded {
            record.padding = PADDING.to_vec();
        }
        if self.answer == Answering::OtherVersion {
            record.version = VERSION + 1;
        }
        record.append_to(&mut self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reusespec_wire::fastcgi::Decoder;

    fn lines(answer: Answering) -> Vec<String> {
        let mut decoder = Decoder::new();
        decoder.feed(&response(7, answer));
        let mut lines = Vec::new();
        while let Some(record) = decoder.next_record() {
            lines.push(record.to_string());
        }
        lines
    }

    #[test]
    fn a_refusal_is_one_record() {
        assert_eq!(lines(Answering::Overloaded), ["END id=7 overloaded status=0"]);
    }

    #[test]
    fn complaints_stand_around_the_output_and_both_streams_end() {
        let lines = lines(Answering::Complaining);
        let shapes: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(
            shapes,
            [
                "STDERR", "STDOUT", "STDERR", "STDOUT", "STDERR", "STDOUT", "STDERR", "END"
            ]
        );
        assert_eq!(lines[5..7], ["STDOUT id=7 end", "STDERR id=7 end"]);
    }

    #[test]
    fn an_answer_in_pieces_is_the_whole_answer() {
        let whole = lines(Answering::Whole);
        assert_eq!(whole.len(), 3);
        assert_eq!(lines(Answering::InPieces).len(), 2 + HEAD.len() + BODY.len());
    }
}
