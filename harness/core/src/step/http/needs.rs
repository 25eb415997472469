//! What an implementation must offer for a step: handlers, controls, settings.
//!
//! Read off the steps instead of being written into each scenario: an author cannot forget one, and a server
//! with two handlers of fifteen gets `unsupported` on exactly the cases that ask for more. The price is that
//! request lines in raw bytes are looked for, too.

use super::{HttpStep, Send};

impl HttpStep {
    /// Words an implementation lists: `/slow` for a handler, `disable-keep-alives` for a control, `idle-ms`
    /// for a setting, `count` where counters are read. `/`, and paths nobody serves, need nothing.
    pub fn needs(&self) -> Vec<String> {
        let words: Vec<&str> = match self {
            Self::Send(send) => return send.needs(),
            Self::Serve(serve) => [
                serve.idle_ms.map(|_| "idle-ms"),
                serve.grace_ms.map(|_| "grace-ms"),
                serve.requests_max.map(|_| "requests-max"),
            ]
            .into_iter()
            .flatten()
            .collect(),
            Self::Control(control) => vec![control.name()],
            Self::Await(_) | Self::Count(_) => vec!["count"],
            Self::Connect(_)
            | Self::Receive(_)
            | Self::HalfClose(_)
            | Self::Reset(_)
            | Self::AwaitRefusal(_) => Vec::new(),
        };
        words.into_iter().map(str::to_owned).collect()
    }
}

impl Send {
    fn needs(&self) -> Vec<String> {
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

/// The handler's name, and `count` where the query has it.
fn of_target(target: &str) -> Vec<String> {
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
    let words = handler.into_iter().chain(counts.then_some("count"));
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(step: &str) -> Vec<String> {
        toml::from_str::<HttpStep>(step).unwrap().needs()
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
