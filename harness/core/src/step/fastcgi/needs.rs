//! What an application must have for a step: handlers, roles, settings.
//!
//! Read off the steps, not written into scenarios: an author cannot forget one, and an application that lacks
//! one handler is `unsupported` on exactly the cases that ask for it.

use crate::profile::INHERITED;

use super::{FastcgiStep, Record, RoleName, Serve, Transport};

/// The handlers of `HANDLERS.md`; every other SCRIPT_NAME is one that nobody serves.
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

impl FastcgiStep {
    /// Words that profiles list: `/slow` for a handler, `authorizer` and `filter` for roles, `multiplex` and
    /// `one-at-a-time`, `max-requests`, `max-connections`, `roles`, `web-server-addrs`, `unix` for settings, `keep-conn` for
    /// a web server; and [`INHERITED`], which profiles offer by `start-inherited`.
    pub fn needs(&self) -> Vec<String> {
        let words = match self {
            Self::Serve(serve) => serve.needs(),
            Self::Send(step) => step.records.iter().filter_map(Record::need).collect(),
            Self::Repeat(step) => step.records.iter().filter_map(Record::need).collect(),
            Self::Connect(_)
            | Self::Receive(_)
            | Self::HalfClose(_)
            | Self::Close(_)
            | Self::BeginMany(_)
            | Self::Visit(_)
            | Self::Recorded(_) => Vec::new(),
            Self::WebServer(step) => step.keep_conn.then_some("keep-conn").into_iter().collect(),
        };
        words.into_iter().map(str::to_owned).collect()
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
    /// A role other than Responder has one handler, so the role is what is needed.
    fn need(&self) -> Option<&str> {
        let (role, script) = match self {
            Self::Request(request) => (request.role, Some(&request.script)),
            Self::Begin(begin) => (begin.role, None),
            Self::Params(params) => (RoleName::default(), Some(&params.script)),
            _ => return None,
        };
        match role.0 {
            2 => Some("authorizer"),
            3 => Some("filter"),
            _ => script
                .map(String::as_str)
                .filter(|script| HANDLERS.contains(script)),
        }
    }
}
