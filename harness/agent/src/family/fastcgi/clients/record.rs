//! A summary of what a web server has sent, and its violations of the protocol.

use std::collections::{BTreeMap, BTreeSet};

use reusespec_wire::fastcgi::{PairDecoder, Record, Repr, Stream};

/// Limit of one PARAMS stream in bytes. No web server sends more.
const PARAMS_MAX: usize = 1 << 20;

/// The web server's use of the protocol so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    connections: usize,
    requests: usize,
    ids: BTreeSet<u16>,
    roles: BTreeSet<String>,
    flags: BTreeSet<&'static str>,
    params: BTreeSet<&'static str>,
    stdin_bytes: u64,
    aborts: usize,
    abandoned: usize,
    mistakes: BTreeSet<String>,
}

/// A request that is being received or served.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) keep_conn: bool,
    params: PairDecoder,
    params_records: usize,
    /// Whether a record of PARAMS ended inside a pair.
    cut_in_a_pair: bool,
    pub(super) params_ended: bool,
    pub(super) stdin_ended: bool,
}

/// The requests of one connection.
pub(super) type Requests = BTreeMap<u16, Open>;

impl Log {
    /// The number of requests whose PARAMS have been received.
    pub(super) fn requests(&self) -> usize {
        self.requests
    }

    /// Whether the web server has given up a request.
    pub(super) fn is_given_up(&self) -> bool {
        self.aborts + self.abandoned > 0
    }

    pub(super) fn connected(&mut self) {
        self.connections += 1;
    }

    /// Counts the requests that were not answered when the web server closed their connection.
    pub(super) fn closed(&mut self, unanswered: usize) {
        self.abandoned += unanswered;
    }

    /// Adds a record. Returns the id of the active request whose stream the record belongs to.
    pub(super) fn take(&mut self, record: &Record<&[u8]>, requests: &mut Requests) -> Option<u16> {
        let id = record.id();
        match Repr::parse(record) {
            Ok(Repr::Begin { id, role, keep_conn }) => {
                let open = Open {
                    keep_conn,
                    params: PairDecoder::new(PARAMS_MAX),
                    params_records: 0,
                    cut_in_a_pair: false,
                    params_ended: false,
                    stdin_ended: false,
                };
                if requests.insert(id, open).is_some() {
                    self.mistake("BEGIN_REQUEST with an active id");
                }
                self.ids.insert(id);
                self.roles.insert(format!("{role:?}").to_lowercase());
                self.flags.insert(if keep_conn { "keep-conn" } else { "none" });
                None
            }
            Ok(Repr::Abort { id }) => {
                self.aborts += 1;
                requests.remove(&id);
                None
            }
            Ok(Repr::Stream { stream, id, content }) => {
                let open = requests.get_mut(&id)?;
                match stream {
                    Stream::Params => self.params(open, content),
                    Stream::Stdin => {
                        if !open.params_ended {
                            self.mistake("STDIN before the end of PARAMS");
                        }
                        self.stdin_bytes += content.len() as u64;
                        open.stdin_ended |= content.is_empty();
                    }
                    Stream::Data | Stream::Stdout | Stream::Stderr => {
                        self.mistake("a stream no Responder has");
                    }
                }
                Some(id)
            }
            Ok(Repr::GetValues { .. }) => None,
            Ok(_) => {
                self.mistake("a record only applications send");
                None
            }
            Err(error) => {
                self.mistake(&format!("id {id}: {error}"));
                None
            }
        }
    }

    fn params(&mut self, open: &mut Open, content: &[u8]) {
        if open.params_ended {
            return self.mistake("PARAMS after their end");
        }
        if !content.is_empty() {
            open.params_records += 1;
            if open.params.feed(content, |_, _| {}).is_err() {
                self.mistake("PARAMS that are no pairs");
            }
            open.cut_in_a_pair |= open.params.pending_len() > 0;
            return;
        }
        if open.params.finish().is_err() {
            self.mistake("PARAMS that end inside a pair");
        }
        open.params_ended = true;
        self.requests += 1;
        self.params
            .insert(match (open.params_records, open.cut_in_a_pair) {
                (0, _) => "none",
                (1, _) => "one-record",
                (_, false) => "cut-between-pairs",
                (_, true) => "cut-inside-pairs",
            });
    }

    fn mistake(&mut self, what: &str) {
        self.mistakes.insert(what.to_owned());
    }

    /// The summary, a line for each aspect.
    pub(super) fn lines(&self) -> Vec<String> {
        let words = |words: Vec<String>| {
            if words.is_empty() {
                "none".to_owned()
            } else {
                words.join(" ")
            }
        };
        let ids = match self.ids.len() {
            0..=3 => words(self.ids.iter().map(u16::to_string).collect()),
            many => format!("{many} different"),
        };
        vec![
            format!("connections: {}", self.connections),
            format!("requests: {}", self.requests),
            format!("ids: {ids}"),
            format!("roles: {}", words(self.roles.iter().cloned().collect())),
            format!(
                "flags: {}",
                words(self.flags.iter().map(|flag| (*flag).to_owned()).collect())
            ),
            format!(
                "params: {}",
                words(self.params.iter().map(|how| (*how).to_owned()).collect())
            ),
            format!("stdin: {} bytes", self.stdin_bytes),
            format!(
                "given up: {} by ABORT_REQUEST, {} by closing",
                self.aborts, self.abandoned
            ),
            format!("mistakes: {}", words(self.mistakes.iter().cloned().collect())),
        ]
    }
}
