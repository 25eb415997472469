//! What each record means for the connection it arrives on: the protocol without its bytes and sockets.
//!
//! Records come in through [`Dialogue::take`], handlers report through [`Dialogue::heard`], everything to be
//! sent is appended to `out`. Nothing here waits.
//!
//! A web server that breaks the protocol (another version, a BEGIN_REQUEST of the wrong size, with id 0, or
//! with an id that is active) leaves us not knowing whose bytes follow. So nothing more is read, requests
//! that have been received whole are answered, and the connection is closed; the original request is not
//! harmed by the second one. The same happens at the end of input. A request that can no longer be received
//! gets no END_REQUEST: it was not completed.

use std::sync::Arc;

use reusespec_wire::fastcgi::{Kind, ProtocolStatus, Record, RecordError, Repr, Stream};
use tokio::sync::Semaphore;

use super::management::{answer_get_values, answer_unknown_type, append};
use super::misread::{ACCEPTED_NULL_ID, Misread, misread};
use super::receive::Flow;
use super::running::Running;
use super::table::{Active, Serial, Stage, Table};
use super::{AppStatus, FastCgiFault as Fault, Handler, Settings};

/// How much longer a connection lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Records are read.
    Open,
    /// Nothing more is read; what has been received is answered.
    Finishing,
    /// What has been written is sent, then the connection is closed.
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
    /// Close when the last request has ended: one that was rejected asked for it.
    pub(super) close_when_idle: bool,
    /// A fault has lost its place in the input: the next record is not one.
    lost_place: bool,
    /// A fault does not listen any more.
    is_deaf: bool,
}

impl<H: Handler> Dialogue<H> {
    pub(super) fn new(handler: Arc<H>, settings: Arc<Settings>, requests: Arc<Semaphore>) -> Self {
        let one_record = usize::from(u16::MAX);
        let held_max = if settings.has(Fault::StdinBlocksConnection) {
            one_record
        } else {
            settings.input_held_max
        };
        Self {
            handler,
            requests,
            budget: Arc::new(Semaphore::new(held_max.max(one_record))),
            table: Table::default(),
            running: Running::new(),
            out: Vec::new(),
            life: Life::Open,
            draining: false,
            close_when_idle: false,
            lost_place: false,
            is_deaf: false,
            settings,
        }
    }

    /// Takes one record from the web server.
    pub(super) fn take(&mut self, record: &Record<&[u8]>) -> Flow {
        if self.is_deaf {
            return Flow::Next;
        }
        if self.lost_place {
            self.end_of_input();
            return Flow::Next;
        }
        match misread(record, &self.settings, self.table.newest_id()) {
            Misread::No => self.take_read(record),
            Misread::As(bytes) => self.take_read(&Record::new_unchecked(&bytes)),
            Misread::GaveUp => {
                self.end_of_input();
                Flow::Next
            }
            Misread::LostPlaceAfter => {
                self.lost_place = true;
                self.take_read(record)
            }
        }
    }

    fn take_read(&mut self, record: &Record<&[u8]>) -> Flow {
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
            // Only a management record is answered (§4.2); with an id it belongs to a request, and is
            // ignored.
            Ok(Repr::Other { number, id: 0, .. }) if !self.has(Fault::UnknownTypeIgnored) => {
                answer_unknown_type(number, &mut self.out);
            }
            Err(RecordError::Version(_)) => self.end_of_input(),
            Err(RecordError::ContentLen {
                kind: Kind::BeginRequest,
                ..
            })
            | Err(RecordError::Id {
                kind: Kind::BeginRequest,
                ..
            }) => self.end_of_input(),
            // Types that only an application sends, and ids no request can have, are ignored as inactive ids
            // are.
            Ok(_) | Err(_) => {}
        }
        Flow::Next
    }

    fn abort(&mut self, id: u16) {
        let Some((serial, active)) = self.table.by_id(id) else {
            if self.has(Fault::LateAbortAnswered) {
                self.append_end(id, 0, ProtocolStatus::Complete);
            }
            return;
        };
        let is_running = matches!(active.stage, Stage::Running { .. });
        match self.settings.fault {
            Some(Fault::AbortIgnored) => {}
            Some(Fault::AbortCloses) => self.close(),
            Some(Fault::TwoEndsOnAbort) if is_running => {
                self.append_end(id, 0, ProtocolStatus::Complete);
                self.table.free_id(id, serial);
            }
            _ => self.end(serial, 0, ProtocolStatus::Complete),
        }
    }

    fn get_values(&mut self, query: &[u8]) {
        if self.has(Fault::NoGetValues) {
            return;
        }
        answer_get_values(query, &self.settings, &mut self.out);
        if self.has(Fault::ClosesAfterGetValues) {
            self.close();
        }
    }

    /// Ends a request: closes its streams, writes END_REQUEST, and with that frees its id. All of it is one
    /// step, so whoever sees END_REQUEST can use the id.
    pub(super) fn end(&mut self, serial: Serial, status: AppStatus, protocol_status: ProtocolStatus) {
        let Some(active) = self.drop_request(serial) else {
            return;
        };
        let id = active.id;
        // A rejected request has no output; any other has STDOUT, were it empty (§6.1).
        if protocol_status == ProtocolStatus::Complete && !self.has(Fault::StdoutNotClosed) {
            self.append_stream_end(Stream::Stdout, id);
        }
        if active.stderr && !self.has(Fault::StderrNotClosed) {
            self.append_stream_end(Stream::Stderr, id);
        }
        self.append_end(id, status, protocol_status);
        match self.settings.fault {
            Some(Fault::IdKeptAfterEnd) => {}
            Some(Fault::IdFreedLate) => self.table.free_id_late(id, serial),
            _ => self.table.free_id(id, serial),
        }
        if self.has(Fault::EarlyEndStuck) && !active.is_received() {
            self.is_deaf = true;
        }
        if !active.keep_conn {
            // The text says close, whatever else runs here (§5.1): the web server asked for it.
            self.close();
        }
        self.close_if_idle();
    }

    /// Forgets a request and stops its handler, if it still runs.
    pub(super) fn drop_request(&mut self, serial: Serial) -> Option<Active> {
        let active = self.table.remove(serial)?;
        if let Stage::Running { task, .. } = &active.stage {
            task.abort();
        }
        Some(active)
    }

    fn append_stream_end(&mut self, stream: Stream, id: u16) {
        let id = self.id_on_wire(id);
        append(
            &Repr::Stream {
                stream,
                id,
                content: &[],
            },
            &mut self.out,
        );
    }

    pub(super) fn append_end(&mut self, id: u16, app_status: AppStatus, protocol_status: ProtocolStatus) {
        let app_status = if self.has(Fault::AppStatusLost) {
            0
        } else {
            app_status
        };
        let end = Repr::End {
            id: self.id_on_wire(id),
            app_status,
            protocol_status,
        };
        append(&end, &mut self.out);
        if self.has(Fault::TwoEnds) {
            append(&end, &mut self.out);
        }
        if self.has(Fault::StrayByteAfterEnd) {
            self.out.push(0);
        }
    }

    /// Nothing more will be read, because there is nothing more or because it would make no sense.
    pub(super) fn end_of_input(&mut self) {
        if self.life == Life::Open {
            self.life = Life::Finishing;
            for serial in self.table.unreceived() {
                self.drop_request(serial);
            }
            self.close_if_idle();
        }
    }

    /// No new requests; the connection closes when the last one has ended.
    pub(super) fn drain(&mut self) {
        self.draining = true;
        self.close_if_idle();
    }

    pub(super) fn close_if_idle(&mut self) {
        let wants_to = self.life == Life::Finishing || self.draining || self.close_when_idle;
        if wants_to && self.table.len() == 0 {
            self.close();
        }
    }

    pub(super) fn close(&mut self) {
        self.life = Life::Closing;
    }

    pub(super) fn id_on_wire(&self, id: u16) -> u16 {
        match self.settings.fault {
            Some(Fault::ConstantId) => 1,
            Some(Fault::NullIdAccepted) if id == ACCEPTED_NULL_ID => 0,
            _ => id,
        }
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.settings.has(fault)
    }
}
