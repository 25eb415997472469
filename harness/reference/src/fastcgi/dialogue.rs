//! What each record means for its connection: the protocol without I/O.
//!
//! [`Dialogue::take`] takes the web server's records, [`Dialogue::on_news`] the handlers' output, and both append to
//! `out` what is to be sent. No function here waits.
//!
//! A web server may break the protocol: another version, or a BEGIN_REQUEST of the wrong size, with id 0 or with an
//! active id. The application then cannot know to which request the following bytes belong. So it stops reading,
//! answers the requests that it has received completely, and closes the connection. The same happens at the end of
//! input. A request that was not received completely gets no END_REQUEST.

use std::sync::Arc;

use reusespec_wire::fastcgi::{Kind, ProtocolStatus, Record, RecordError, Repr, Stream};
use tokio::sync::Semaphore;

use super::hooks::ConnectionHooks;
use super::management::known_values;
use super::receive::Flow;
use super::running::Running;
use super::table::{Active, Serial, Stage, Table};
use super::{AppStatus, Handler, Settings};

/// How far a connection is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Records are read.
    Open,
    /// Nothing more is read; requests that were received completely are answered.
    Finishing,
    /// The rest of the output is sent, then the connection is closed.
    Closing,
}

/// The state of one connection.
pub(super) struct Dialogue<H> {
    pub(super) handler: Arc<H>,
    pub(super) settings: Arc<Settings>,
    /// `requests_max`, shared by all connections.
    pub(super) requests: Arc<Semaphore>,
    /// `input_held_max`.
    pub(super) budget: Arc<Semaphore>,
    pub(super) table: Table,
    pub(super) running: Running,
    /// Records to be sent.
    pub(super) out: Vec<u8>,
    pub(super) life: Life,
    pub(super) draining: bool,
    /// Whether a rejected request without KEEP_CONN closes the connection once the last request has ended.
    pub(super) close_when_idle: bool,
    pub(super) hooks: ConnectionHooks,
}

impl<H: Handler> Dialogue<H> {
    pub(super) fn new(handler: Arc<H>, settings: Arc<Settings>, requests: Arc<Semaphore>) -> Self {
        let one_record = usize::from(u16::MAX);
        Self {
            handler,
            requests,
            budget: Arc::new(Semaphore::new(settings.input_held_max.max(one_record))),
            table: Table::default(),
            running: Running::new(),
            out: Vec::new(),
            life: Life::Open,
            draining: false,
            close_when_idle: false,
            hooks: ConnectionHooks::new(settings.hooks()),
            settings,
        }
    }

    /// Takes one record from the web server.
    pub(super) fn take(&mut self, record: &Record<&[u8]>) -> Flow {
        match Repr::parse(record) {
            Ok(Repr::Begin { id, role, keep_conn }) => self.begin(id, role, keep_conn),
            Ok(Repr::Abort { id }) => self.abort(id),
            Ok(Repr::Stream {
                stream: Stream::Params,
                id,
                content,
            }) => self.params(id, content),
            Ok(Repr::Stream {
                stream: stream @ (Stream::Stdin | Stream::Data),
                id,
                content,
            }) => {
                return self.input(stream, id, content);
            }
            Ok(Repr::GetValues { content }) => self.get_values(content),
            // Only a management record is answered (§4.2). A record with an id belongs to a request and is ignored.
            Ok(Repr::Other { number, id: 0, .. }) => self.append(&Repr::UnknownType {
                unknown: Kind::Other(number),
            }),
            Err(RecordError::Version(_)) => self.end_of_input(),
            Err(RecordError::ContentLen {
                kind: Kind::BeginRequest,
                ..
            })
            | Err(RecordError::Id {
                kind: Kind::BeginRequest,
                ..
            }) => self.end_of_input(),
            // Types that only an application sends and ids that no request can have are ignored, as inactive ids are.
            Ok(_) | Err(_) => {}
        }
        Flow::Next
    }

    fn abort(&mut self, id: u16) {
        if let Some((serial, _)) = self.table.by_id(id) {
            self.end(serial, 0, ProtocolStatus::Complete);
        }
    }

    fn get_values(&mut self, query: &[u8]) {
        let content = known_values(query, &self.settings);
        self.append(&Repr::GetValuesResult { content: &content });
    }

    /// Ends a request: closes its streams, appends END_REQUEST and frees its id. This is one step, so a web server that
    /// has seen END_REQUEST can use the id again.
    pub(super) fn end(&mut self, serial: Serial, status: AppStatus, protocol_status: ProtocolStatus) {
        let Some(active) = self.drop_request(serial) else {
            return;
        };
        let id = active.id;
        // A rejected request has no output. Any other request has STDOUT, even if it is empty (§6.1).
        if protocol_status == ProtocolStatus::Complete {
            self.append_stream_end(Stream::Stdout, id);
        }
        if active.stderr {
            self.append_stream_end(Stream::Stderr, id);
        }
        self.append_end(id, status, protocol_status);
        self.table.free_id(id, serial);
        if !active.keep_conn {
            // §5.1 says close, even while other requests are active: the web server asked for it.
            self.close();
        }
        self.close_if_idle();
    }

    /// Removes a request and stops its handler, if it still runs.
    pub(super) fn drop_request(&mut self, serial: Serial) -> Option<Active> {
        let active = self.table.remove(serial)?;
        if let Stage::Running { task, .. } = &active.stage {
            task.abort();
        }
        Some(active)
    }

    fn append_stream_end(&mut self, stream: Stream, id: u16) {
        self.append(&Repr::Stream {
            stream,
            id,
            content: &[],
        });
    }

    pub(super) fn append_end(&mut self, id: u16, app_status: AppStatus, protocol_status: ProtocolStatus) {
        self.append(&Repr::End {
            id,
            app_status,
            protocol_status,
        });
    }

    /// Appends a record to the output. Its content must fit one record.
    pub(super) fn append(&mut self, record: &Repr<'_>) {
        let start = self.out.len();
        record
            .append_to(&mut self.out)
            .expect("the content is a query's or of fixed length");
        self.hooks.appended(&mut self.out, start);
    }

    /// Appends whole records to the output.
    pub(super) fn append_records(&mut self, records: &[u8]) {
        let start = self.out.len();
        self.out.extend_from_slice(records);
        self.hooks.appended(&mut self.out, start);
    }

    /// Stops reading, because the input has ended or its records can no longer be assigned to requests.
    pub(super) fn end_of_input(&mut self) {
        if self.life == Life::Open {
            self.life = Life::Finishing;
            for serial in self.table.unreceived() {
                self.drop_request(serial);
            }
            self.close_if_idle();
        }
    }

    /// Rejects new requests from now on and closes the connection when the last request has ended.
    pub(super) fn drain(&mut self) {
        self.draining = true;
        self.close_if_idle();
    }

    pub(super) fn close_if_idle(&mut self) {
        let closes = self.life == Life::Finishing || self.draining || self.close_when_idle;
        if closes && self.table.len() == 0 {
            self.close();
        }
    }

    pub(super) fn close(&mut self) {
        self.life = Life::Closing;
    }
}
