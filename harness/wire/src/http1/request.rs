//! Requests built from typed parts, valid or deliberately invalid.
//!
//! The parts are written as given. Only the framing fields of the body are added, and nothing is checked, so a typo
//! in a scenario goes out on the wire; the transcript shows it. Other malformed requests are sent as raw bytes.

/// One chunk of a chunked body (RFC 9112 §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its data. Empty data produces the last chunk, which ends the body early.
    pub data: Vec<u8>,
    /// The text after the size and a semicolon.
    pub extension: Option<String>,
}

/// A request's content and the framing fields that announce it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// No content and no framing field.
    None,
    /// `Content-Length: declared`, then `sent`, which may be shorter or longer.
    ContentLength {
        /// The number in the field.
        declared: u64,
        /// The bytes written after the head.
        sent: Vec<u8>,
    },
    /// `Transfer-Encoding: chunked`, followed by the chunks, the last chunk and the trailer fields.
    Chunked {
        /// The chunks before the last one.
        chunks: Vec<Chunk>,
        /// Names and values of the trailer section.
        trailers: Vec<(String, String)>,
    },
    /// Both fields and a chunked body (RFC 9112 §6.1: the server should close the connection).
    Both {
        /// The number in `Content-Length`.
        declared: u64,
        /// The chunks before the last one.
        chunks: Vec<Chunk>,
    },
}

impl RequestBody {
    /// Content with the correct `Content-Length`.
    pub fn length(content: impl Into<Vec<u8>>) -> Self {
        let sent = content.into();
        Self::ContentLength {
            declared: sent.len() as u64,
            sent,
        }
    }

    /// Chunks without extensions and trailers.
    pub fn chunked(chunks: &[&str]) -> Self {
        let chunk = |data: &&str| Chunk {
            data: data.as_bytes().to_vec(),
            extension: None,
        };
        Self::Chunked {
            chunks: chunks.iter().map(chunk).collect(),
            trailers: Vec::new(),
        }
    }

    fn framing_fields(&self) -> Vec<(&'static str, String)> {
        let chunked = ("Transfer-Encoding", "chunked".to_owned());
        match self {
            Self::None => Vec::new(),
            Self::ContentLength { declared, .. } => vec![("Content-Length", declared.to_string())],
            Self::Chunked { .. } => vec![chunked],
            Self::Both { declared, .. } => vec![("Content-Length", declared.to_string()), chunked],
        }
    }
}

/// A request; every part is sent as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// Such as `/echo`, `http://host/echo` or `*`.
    pub target: String,
    /// Such as `HTTP/1.1`.
    pub version: String,
    /// Field names and values, in order; the framing fields of the body follow them.
    pub fields: Vec<(String, String)>,
    /// The content.
    pub body: RequestBody,
}

impl Request {
    /// An HTTP/1.1 request with a `Host` field and no content.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            version: "HTTP/1.1".to_owned(),
            fields: vec![("Host".to_owned(), "localhost".to_owned())],
            body: RequestBody::None,
        }
    }

    /// Appends a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the content.
    #[must_use]
    pub fn body(mut self, body: RequestBody) -> Self {
        self.body = body;
        self
    }

    /// Encodes the request line, the fields and the empty line.
    pub fn encode_head(&self) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, self.target, self.version).into_bytes();
        let framing = self.body.framing_fields();
        let given = self.fields.iter().map(|(name, value)| (name.as_str(), value));
        for (name, value) in given.chain(framing.iter().map(|(name, value)| (*name, value))) {
            push_field(&mut head, name, value);
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// Encodes the whole request.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.encode_head();
        match &self.body {
            RequestBody::None => {}
            RequestBody::ContentLength { sent, .. } => bytes.extend_from_slice(sent),
            RequestBody::Chunked { chunks, trailers } => push_chunks(&mut bytes, chunks, trailers),
            RequestBody::Both { chunks, .. } => push_chunks(&mut bytes, chunks, &[]),
        }
        bytes
    }
}

fn push_field(bytes: &mut Vec<u8>, name: &str, value: &str) {
    bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
}

fn push_chunks(bytes: &mut Vec<u8>, chunks: &[Chunk], trailers: &[(String, String)]) {
    for Chunk { data, extension } in chunks {
        let extension = extension
            .as_ref()
            .map(|text| format!(";{text}"))
            .unwrap_or_default();
        bytes.extend_from_slice(format!("{:x}{extension}\r\n", data.len()).as_bytes());
        bytes.extend_from_slice(data);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        push_field(bytes, name, value);
    }
    bytes.extend_from_slice(b"\r\n");
}
