//! The properties of FastCGI steps, above all the handlers, roles and settings that an application must offer.
//!
//! They are derived from the steps and not written into each scenario, so that an author cannot forget one. An
//! application that lacks a handler is `unsupported` exactly in the cases that use it.

use super::{FastcgiStep, Record, RoleName, Serve, Transport};
use crate::profile::INHERITED;
use crate::step::{Action, Properties, Subject};

/// The handlers of `HANDLERS.md`. No application serves another SCRIPT_NAME.
const HANDLERS: [&str; 9] = [
    "/echo",
    "/ignore-body",
    "/slow",
    "/early",
    "/stream",
    "/big",
    "/stderr",
    "/no-content",
    "/exit",
];

impl Action for FastcgiStep {
    /// The words are `/slow` for a handler, `authorizer` and `filter` for roles, `multiplex`, `one-at-a-time`,
    /// `max-requests`, `max-connections`, `roles`, `web-server-addrs` and `unix` for settings, `keep-conn` for a web
    /// server, and [`INHERITED`], which a profile offers by `start-inherited`.
    fn properties(&self) -> Properties<'_> {
        let application = Properties::of(Subject::Implementation);
        let web_server = Properties::of(Subject::WebServer);
        let handlers = |records: &[Record]| records.iter().filter_map(Record::need).collect();
        match self {
            Self::Serve(step) => application.needs(step.needs()),
            Self::Send(step) => application.needs(handlers(&step.records)),
            Self::Repeat(step) => application.needs(handlers(&step.records)),
            Self::Connect(step) => application.poisons(&step.connection),
            Self::Receive(_) | Self::HalfClose(_) | Self::Close(_) | Self::BeginMany(_) => application,
            Self::WebServer(step) if step.keep_conn => web_server.needs(vec!["keep-conn"]),
            Self::WebServer(_) | Self::Visit(_) | Self::Recorded(_) => web_server,
        }
    }
}

impl Serve {
    fn needs(&self) -> Vec<&'static str> {
        let words = [
            match self.transport {
                Transport::Tcp => None,
                Transport::Unix => Some("unix"),
                Transport::Inherited => Some(INHERITED),
            },
            self.multiplex
                .map(|on| if on { "multiplex" } else { "one-at-a-time" }),
            self.max_requests.map(|_| "max-requests"),
            self.max_connections.map(|_| "max-connections"),
            self.roles.as_ref().map(|_| "roles"),
            self.web_server_addrs.as_ref().map(|_| "web-server-addrs"),
        ];
        words.into_iter().flatten().collect()
    }
}

impl Record {
    /// The handler of a Responder, or the role: a role other than Responder has only one handler.
    fn need(&self) -> Option<&'static str> {
        let (role, script) = match self {
            Self::Request(request) => (request.role, Some(&request.script)),
            Self::Begin(begin) => (begin.role, None),
            Self::Params(params) => (RoleName::default(), Some(&params.script)),
            Self::Stdin(_)
            | Self::Data(_)
            | Self::Abort(_)
            | Self::GetValues(_)
            | Self::Unknown(_)
            | Self::Raw(_)
            | Self::Bytes(_) => return None,
        };
        match role.0 {
            2 => Some("authorizer"),
            3 => Some("filter"),
            _ => HANDLERS
                .into_iter()
                .find(|handler| Some(*handler) == script.map(String::as_str)),
        }
    }
}
