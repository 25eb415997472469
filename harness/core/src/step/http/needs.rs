//! The properties of HTTP steps, above all the handlers, controls and settings that a server must offer.
//!
//! They are derived from the steps and not written into each scenario, so that an author cannot forget one. A server
//! with two of fifteen handlers is `unsupported` exactly in the cases that need another one. For that, request lines
//! are also searched in raw bytes.

use super::{HttpStep, Send};
use crate::step::{Action, Properties, Subject};

impl Action for HttpStep {
    /// The words are `/slow` for a handler, `disable-keep-alives` for a control, `idle-ms` for a setting, and `count`
    /// where counters are read. `/` needs nothing, and neither do paths without a handler.
    fn properties(&self) -> Properties<'_> {
        let server = Properties::of(Subject::Implementation);
        match self {
            Self::Serve(step) => {
                let settings = [
                    step.idle_ms.map(|_| "idle-ms"),
                    step.grace_ms.map(|_| "grace-ms"),
                    step.requests_max.map(|_| "requests-max"),
                ];
                server.needs(settings.into_iter().flatten().collect())
            }
            Self::Connect(step) => server.poisons(&step.connection),
            Self::Send(step) => server.needs(step.needs()),
            Self::Control(control) => server.needs(vec![control.name()]),
            Self::Await(_) | Self::Count(_) => server.needs(vec!["count"]),
            Self::Receive(_) | Self::HalfClose(_) | Self::Reset(_) | Self::AwaitRefusal(_) => server,
        }
    }
}

impl Send {
    fn needs(&self) -> Vec<&'static str> {
        let before = self.request.iter().map(AsRef::as_ref).chain(&self.requests);
        let typed = before.chain(&self.behind);
        let raw = self.raw.iter().flat_map(|raw| raw.lines()).filter_map(|line| {
            let (_, rest) = line.split_once(' ')?;
            rest.split_once(" HTTP/").map(|(target, _)| target)
        });
        let targets = typed.map(|request| request.target.as_str()).chain(raw);
        targets.flat_map(of_target).collect()
    }
}

/// The handler's name, and `count` if the query has a counter.
fn of_target(target: &str) -> impl Iterator<Item = &'static str> {
    const HANDLERS: [&str; 12] = [
        "/echo",
        "/ignore-body",
        "/early",
        "/slow",
        "/stream",
        "/no-content",
        "/not-modified",
        "/short",
        "/big",
        "/close",
        "/count",
        "/keep-alives",
    ];
    let path = match target.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/').unwrap_or(rest.len())..],
        None => target,
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let fits = |handler: &&str| {
        path.strip_prefix(*handler)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let handler = HANDLERS.into_iter().find(fits);
    let counts = query.split('&').any(|pair| pair.starts_with("count="));
    handler.into_iter().chain(counts.then_some("count"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(step: &str) -> Vec<&'static str> {
        toml::from_str::<HttpStep>(step).unwrap().properties().needs
    }

    #[test]
    fn a_request_needs_its_handler() {
        assert!(needs("send = { request = {} }").is_empty());
        assert!(needs("send = { request = { target = '/nowhere' } }").is_empty());
        assert_eq!(
            needs("send = { request = { target = '/slow?count=in' } }"),
            ["/slow", "count"]
        );
        assert_eq!(
            needs("send = { request = { target = 'http://a/echo' } }"),
            ["/echo"]
        );
    }

    #[test]
    fn a_raw_request_line_needs_its_handler_too() {
        assert_eq!(
            needs(r#"send = { raw = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n" }"#),
            ["/big"]
        );
    }

    #[test]
    fn a_control_and_a_setting_are_needed_by_name() {
        assert_eq!(needs("control = 'shutdown'"), ["shutdown"]);
        assert_eq!(needs("serve = { idle-ms = 50 }"), ["idle-ms"]);
    }
}
