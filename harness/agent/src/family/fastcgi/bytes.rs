//! Encodes the records of a step, and divides the bytes into writes.

use reusespec_core::step::fastcgi::{
    Begin, Params, RawRecord as Raw, Record, RoleName, Send, StreamRecord, WholeRequest, Write,
};
use reusespec_wire::fastcgi::{CONTENT_LEN_MAX, Kind, NULL_ID, RawRecord, Stream, append_pair};

/// Encodes records for one application.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer {
    /// SCRIPT_FILENAME, for applications that are started per script.
    pub(super) script_filename: Option<String>,
}

impl Writer {
    /// The bytes of a `send` step, a buffer for each write.
    pub(super) fn writes(&self, step: &Send) -> Vec<Vec<u8>> {
        let once = self.records(&step.records);
        let bytes = once.repeat(step.times as usize);
        let mut writes = Vec::new();
        let mut rest = bytes.as_slice();
        let mut at = 0;
        for cut in &step.cut_at {
            let (now, later) = rest.split_at(cut.saturating_sub(at).min(rest.len()));
            at += now.len();
            rest = later;
            writes.push(now.to_vec());
        }
        match step.write {
            Write::Whole => writes.push(rest.to_vec()),
            Write::EveryByte => writes.extend(rest.chunks(1).map(<[u8]>::to_vec)),
            Write::EverySevenBytes => writes.extend(rest.chunks(7).map(<[u8]>::to_vec)),
        }
        writes.retain(|write| !write.is_empty());
        writes
    }

    /// The bytes of the records, in order.
    pub(super) fn records(&self, records: &[Record]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in records {
            self.append(record, &mut bytes);
        }
        bytes
    }

    fn append(&self, record: &Record, bytes: &mut Vec<u8>) {
        match record {
            Record::Request(request) => self.request(request, bytes),
            Record::Begin(step) => begin(step, bytes),
            Record::Params(step) => self.params(step, bytes),
            Record::Stdin(step) => body(Stream::Stdin, step, bytes),
            Record::Data(step) => body(Stream::Data, step, bytes),
            Record::Abort(step) => plain(Kind::AbortRequest, step.id, Vec::new(), 0, bytes),
            Record::GetValues(step) => {
                let mut query = Vec::new();
                for name in &step.names {
                    append_pair(&mut query, name.as_bytes(), b"");
                }
                plain(Kind::GetValues, step.id, query, step.padding, bytes);
            }
            Record::Unknown(step) => {
                plain(Kind::from(step.kind), step.id, step.text.clone().into(), 0, bytes);
            }
            Record::Raw(step) => raw(step, bytes),
            Record::Bytes(step) => bytes.extend_from_slice(&step.hex.0),
        }
    }

    fn request(&self, request: &WholeRequest, bytes: &mut Vec<u8>) {
        let WholeRequest {
            id, role, keep_conn, ..
        } = *request;
        let flags = u8::from(keep_conn);
        plain(Kind::BeginRequest, id, begin_body(role, flags, 0), 0, bytes);
        let content_length = (!request.body.is_empty()).then_some(request.body.len() as u64);
        let mut content = self.pairs(&request.script, &request.query, content_length);
        if let Some(data) = &request.data {
            append_pair(
                &mut content,
                b"FCGI_DATA_LENGTH",
                data.len().to_string().as_bytes(),
            );
        }
        for [name, value] in &request.pairs {
            append_pair(&mut content, name.as_bytes(), value.as_bytes());
        }
        stream(Stream::Params, id, &content, bytes);
        stream(Stream::Stdin, id, request.body.as_bytes(), bytes);
        if let Some(data) = &request.data {
            stream(Stream::Data, id, data.as_bytes(), bytes);
        }
    }

    /// The variables that every web server sends and that handlers or libraries need.
    fn pairs(&self, script: &str, query: &str, content_length: Option<u64>) -> Vec<u8> {
        let mut content = Vec::new();
        let method = if content_length.is_some() { "POST" } else { "GET" };
        let uri = if query.is_empty() {
            script.to_owned()
        } else {
            format!("{script}?{query}")
        };
        let known = [
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("SERVER_NAME", "reusespec.test"),
            ("SERVER_PORT", "80"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("REQUEST_METHOD", method),
            ("REQUEST_URI", &uri),
            ("SCRIPT_NAME", script),
            ("QUERY_STRING", query),
        ];
        for (name, value) in known {
            append_pair(&mut content, name.as_bytes(), value.as_bytes());
        }
        if let Some(length) = content_length {
            append_pair(&mut content, b"CONTENT_LENGTH", length.to_string().as_bytes());
        }
        if let Some(script) = &self.script_filename {
            append_pair(&mut content, b"SCRIPT_FILENAME", script.as_bytes());
        }
        content
    }

    fn params(&self, step: &Params, bytes: &mut Vec<u8>) {
        let mut content = self.pairs(&step.script, &step.query, step.content_length);
        for [name, value] in &step.pairs {
            pair(&mut content, name.as_bytes(), value.as_bytes(), step.long_lengths);
        }
        for ([name_len, value_len], letter) in step.sized.iter().zip(b'A'..=b'Z') {
            let name: Vec<u8> = b"ECHO_"
                .iter()
                .copied()
                .chain(std::iter::repeat(letter))
                .take(*name_len)
                .collect();
            pair(
                &mut content,
                &name,
                &vec![letter.to_ascii_lowercase(); *value_len],
                step.long_lengths,
            );
        }
        content.truncate(content.len().saturating_sub(step.missing));
        pieces(
            Kind::Stream(Stream::Params),
            step.id,
            &content,
            step.cut,
            step.padding,
            bytes,
        );
        if step.end {
            plain(
                Kind::Stream(Stream::Params),
                step.id,
                Vec::new(),
                step.end_padding,
                bytes,
            );
        }
    }
}

fn begin(step: &Begin, bytes: &mut Vec<u8>) {
    let flags = u8::from(step.keep_conn) | step.more_flags;
    let mut content = begin_body(step.role, flags, step.reserved);
    content.resize(step.length, step.reserved);
    plain(Kind::BeginRequest, step.id, content, step.padding, bytes);
}

fn begin_body(RoleName(role): RoleName, flags: u8, reserved: u8) -> Vec<u8> {
    let [high, low] = role.to_be_bytes();
    [vec![high, low, flags], vec![reserved; 5]].concat()
}

fn body(name: Stream, step: &StreamRecord, bytes: &mut Vec<u8>) {
    let mut content = step.text.clone().into_bytes();
    content.resize(content.len() + step.bytes, b'x');
    pieces(
        Kind::Stream(name),
        step.id,
        &content,
        step.cut,
        step.padding,
        bytes,
    );
    if step.end {
        plain(Kind::Stream(name), step.id, Vec::new(), step.end_padding, bytes);
    }
}

fn stream(name: Stream, id: u16, content: &[u8], bytes: &mut Vec<u8>) {
    pieces(Kind::Stream(name), id, content, CONTENT_LEN_MAX, 0, bytes);
    plain(Kind::Stream(name), id, Vec::new(), 0, bytes);
}

fn pieces(kind: Kind, id: u16, content: &[u8], cut: usize, padding: u8, bytes: &mut Vec<u8>) {
    for piece in content.chunks(cut.clamp(1, CONTENT_LEN_MAX)) {
        plain(kind, id, piece.to_vec(), padding, bytes);
    }
}

fn plain(kind: Kind, id: u16, content: Vec<u8>, padding: u8, bytes: &mut Vec<u8>) {
    let record = RawRecord {
        padding: arbitrary(padding),
        ..RawRecord::new(kind, id, content)
    };
    record.append_to(bytes);
}

fn raw(step: &Raw, bytes: &mut Vec<u8>) {
    let record = RawRecord {
        version: step.version,
        content_len: step.length,
        reserved: step.reserved,
        padding: arbitrary(step.padding),
        ..RawRecord::new(Kind::from(step.kind), step.id, step.content.0.clone())
    };
    record.append_to(bytes);
}

/// Padding without zero bytes, so that the test detects an application that reads it as content.
fn arbitrary(padding: u8) -> Vec<u8> {
    (0..padding)
        .map(|index| 0xa5_u8.wrapping_add(index.wrapping_mul(37)))
        .collect()
}

/// Appends a pair. With `long` each length takes four bytes (§3.4).
fn pair(content: &mut Vec<u8>, name: &[u8], value: &[u8], long: bool) {
    if !long {
        return append_pair(content, name, value);
    }
    for part in [name, value] {
        let len = u32::try_from(part.len()).expect("scenarios have no names of gigabytes");
        content.extend_from_slice(&(len | 0x8000_0000).to_be_bytes());
    }
    content.extend_from_slice(name);
    content.extend_from_slice(value);
}

/// A BEGIN_REQUEST for each id: a Responder, with FCGI_KEEP_CONN.
pub(super) fn begins(ids: impl Iterator<Item = u16>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for id in ids.filter(|id| *id != NULL_ID) {
        plain(
            Kind::BeginRequest,
            id,
            begin_body(RoleName::default(), 1, 0),
            0,
            &mut bytes,
        );
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(text: &str) -> Vec<Vec<u8>> {
        let step: Send = serde_json::from_str(text).unwrap();
        Writer::default().writes(&step)
    }

    #[test]
    fn cuts_count_from_the_first_byte_and_keep_all_bytes() {
        let whole = send(r#"{"records":[{"abort":{"id":3}}]}"#);
        assert_eq!(whole, [[1, 2, 0, 3, 0, 0, 0, 0]]);
        let cut = send(r#"{"records":[{"abort":{"id":3}}],"cut-at":[3,5]}"#);
        assert_eq!(cut.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2, 3]);
        assert_eq!(cut.concat(), whole.concat());
        let bytes = send(r#"{"records":[{"abort":{"id":3}}],"write":"every-byte"}"#);
        assert_eq!(bytes.len(), 8);
    }

    #[test]
    fn a_stream_has_the_given_cuts_padding_and_end() {
        let bytes = send(r#"{"records":[{"stdin":{"text":"abc","cut":2,"padding":1}}]}"#).concat();
        assert_eq!(bytes[..8], [1, 5, 0, 1, 0, 2, 1, 0]);
        assert_eq!(&bytes[8..10], b"ab");
        assert_eq!(bytes[10], 0xa5);
        assert_eq!(bytes[bytes.len() - 8..], [1, 5, 0, 1, 0, 0, 0, 0]);
    }
}
