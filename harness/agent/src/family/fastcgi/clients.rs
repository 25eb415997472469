//! Tests a web server. The agent is its HTTP client and its FastCGI application.

mod answer;
mod record;
mod upstream;
mod visit;

use std::time::{Duration, Instant};

use reusespec_core::profile::External;
use reusespec_core::protocol::Implementation;
use reusespec_core::step::fastcgi::{Recorded, Visit, WebServer};

use super::connection::QUIET;
use crate::case_run::CaseRun;
use crate::listen_addr::ListenAddr;
use crate::program::Program;
use crate::stop::Stop;
use upstream::Upstream;

/// Time between two checks for a request that was given up.
const POLL: Duration = Duration::from_millis(2);
/// The web server counts as silent after this many checks without a new record.
const SILENT_LOOKS: u32 = 12;
/// Timeout for the web server to notice that its client has gone.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(2);
/// Timeout for the web server to become silent.
const SILENT_WITHIN: Duration = Duration::from_secs(2);

/// A web server and the application that it passes requests to. Dropping it ends both.
pub(super) struct ReverseProxy {
    place: ListenAddr,
    upstream: Upstream,
    _program: Program,
}

impl ReverseProxy {
    /// Starts the application and the web server.
    pub(super) fn start(step: &WebServer, run: &CaseRun<'_>) -> Result<Self, Stop> {
        let [port, upstream_port] = run.sandbox.ports;
        let place = ListenAddr::Tcp(([127, 0, 0, 1], port).into());
        let upstream = Upstream::start(([127, 0, 0, 1], upstream_port).into(), step.answer)?;
        let at = format!("127.0.0.1:{upstream_port}");
        let port_text = upstream_port.to_string();
        let external = web_server(&run.start.implementation)?;
        let keep_conn = if step.keep_conn { "on" } else { "off" };
        let no_keep_conn = if step.keep_conn { "" } else { "no " };
        let more = [
            ("upstream", at.as_str()),
            ("upstream-port", port_text.as_str()),
            ("keep-conn", keep_conn),
            ("no-keep-conn", no_keep_conn),
        ];
        let program = Program::start(&external, Some(&place), &more)?;
        Ok(Self {
            place,
            upstream,
            _program: program,
        })
    }

    /// Requests a page `times` times. Returns the answers, equal consecutive ones as one line with their number.
    pub(super) fn visit(&self, step: &Visit) -> Result<Vec<String>, Stop> {
        let mut answers: Vec<(String, u32)> = Vec::new();
        for _ in 0..step.times {
            let before = self.upstream.record().requests();
            let has_arrived = || self.upstream.record().requests() > before;
            let answer = visit::visit(&self.place, step, has_arrived)?;
            match answers.last_mut() {
                Some((last, times)) if *last == answer => *times += 1,
                _ => answers.push((answer, 1)),
            }
        }
        let line = |(answer, times): (String, u32)| format!("< {answer} × {times}");
        Ok(answers.into_iter().map(line).collect())
    }

    /// What the web server has sent. Waits until it is silent, because it learns only later that a client has gone.
    pub(super) fn recorded(&self, step: &Recorded) -> Vec<String> {
        let deadline = Instant::now() + GIVEN_UP_WITHIN;
        while step.given_up && !self.upstream.record().is_given_up() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        let mut lines = self.upstream.record().lines();
        let mut silent = 0;
        let deadline = Instant::now() + SILENT_WITHIN;
        while silent < SILENT_LOOKS {
            if Instant::now() >= deadline {
                lines.push("and goes on".to_owned());
                break;
            }
            std::thread::sleep(QUIET / SILENT_LOOKS);
            let before = std::mem::replace(&mut lines, self.upstream.record().lines());
            silent = if before == lines { silent + 1 } else { 0 };
        }
        lines
    }
}

/// The commands that start the implementation as a web server.
fn web_server(implementation: &Implementation) -> Result<External, Stop> {
    match implementation {
        Implementation::External(external) => match &external.reverse_proxy {
            Some(start) => Ok(External {
                start: start.clone(),
                ready_said: None,
                ..(**external).clone()
            }),
            None => Err(Stop::Unsupported(format!(
                "{} is not a web server",
                external.name
            ))),
        },
        Implementation::Kernel | Implementation::Reference { .. } | Implementation::Target(_) => Err(
            Stop::Unsupported("there is no web server to be tested".to_owned()),
        ),
    }
}
