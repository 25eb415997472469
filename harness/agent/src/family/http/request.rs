//! Converts the requests of a `send` step into bytes and lines of the transcript.

use reusespec_core::step::http::{self as step, Send};
use reusespec_wire::http1::{Chunk, Request, RequestBody, RequestKind, Split, SplitError, SplitPoint};

/// The requests and raw bytes of a `send` step.
pub(super) struct Outgoing {
    pub(super) requests: Vec<Request>,
    pub(super) raw: Vec<u8>,
    pub(super) behind: Vec<Request>,
    split: Split,
}

impl Outgoing {
    pub(super) fn of(send: &Send) -> Self {
        let raw = send.raw.as_deref().unwrap_or_default();
        Self {
            requests: send
                .request
                .iter()
                .map(AsRef::as_ref)
                .chain(&send.requests)
                .map(request)
                .collect(),
            raw: raw.as_bytes().to_vec(),
            behind: send.behind.iter().map(request).collect(),
            split: split(&send.cut),
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.requests.iter().flat_map(Request::encode).collect();
        bytes.extend_from_slice(&self.raw);
        bytes.extend(self.behind.iter().flat_map(Request::encode));
        bytes
    }

    pub(super) fn pieces<'b>(&self, bytes: &'b [u8]) -> Result<Vec<&'b [u8]>, SplitError> {
        self.split.pieces(bytes)
    }
}

/// Finds request lines in raw bytes, which may be divided anywhere. The reader of replies needs the method, because a
/// reply to HEAD has no content.
#[derive(Default)]
pub(super) struct RequestLines {
    line: Vec<u8>,
}

impl RequestLines {
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<RequestKind> {
        let mut asked = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            if line.contains(" HTTP/") {
                asked.push(RequestKind::of_method(line.split(' ').next().unwrap_or_default()));
            }
        }
        asked
    }
}

fn request(step: &step::Request) -> Request {
    let host = ("Host".to_owned(), "localhost".to_owned());
    let fields = step
        .fields
        .iter()
        .map(|field| (field.name.clone(), field.value.clone()));
    let padding = step
        .padding
        .map(|size| ("X-Padding".to_owned(), "x".repeat(size as usize)));
    Request {
        method: step.method.clone(),
        target: step.target.clone(),
        version: step.version.clone(),
        fields: std::iter::once(host).chain(fields).chain(padding).collect(),
        body: body(step),
    }
}

fn body(step: &step::Request) -> RequestBody {
    let chunk = |data: &String| Chunk {
        data: data.clone().into_bytes(),
        extension: None,
    };
    let chunks: Vec<_> = step.chunks.iter().map(chunk).collect();
    let content = match (&step.body, step.fill) {
        (Some(text), _) => Some(text.clone().into_bytes()),
        (None, Some(size)) => Some(vec![b'x'; size as usize]),
        (None, None) => None,
    };
    match (content, step.length) {
        (_, Some(declared)) if !chunks.is_empty() => RequestBody::Both { declared, chunks },
        _ if !chunks.is_empty() => RequestBody::Chunked {
            chunks,
            trailers: Vec::new(),
        },
        (None, None) => RequestBody::None,
        (content, declared) => {
            let sent = content.unwrap_or_default();
            RequestBody::ContentLength {
                declared: declared.unwrap_or(sent.len() as u64),
                sent,
            }
        }
    }
}

fn split(step: &step::Cut) -> Split {
    match step {
        step::Cut::Whole => Split::Whole,
        step::Cut::ByteByByte => Split::ByteByByte,
        step::Cut::After(marks) => {
            let place = |mark: &String| SplitPoint::After(mark.clone().into_bytes());
            Split::At(marks.iter().map(place).collect())
        }
    }
}
