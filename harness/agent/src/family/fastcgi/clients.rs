//! The other way round: a web server is tested, visited over HTTP, and we are the application behind it.

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

/// How often the record is looked at.
const POLL: Duration = Duration::from_millis(2);
/// In how many looks nothing may be new for there to be silence.
const SILENT_LOOKS: u32 = 12;
/// How long a web server may take to pass on that a client has gone.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(2);
/// For it to fall silent.
const SILENT_WITHIN: Duration = Duration::from_secs(2);

/// A web server and the application it passes requests on to, for as long as this lives.
pub(super) struct ReverseProxy {
    place: ListenAddr,
    upstream: Upstream,
    _program: Program,
}

impl ReverseProxy {
    /// Starts both.
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

    /// Asks for a page and tells what came.
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

    /// What the web server has done, once it does nothing more: that a client has gone it learns after the client has.
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

/// How the implementation is started as a web server.
fn web_server(implementation: &Implementation) -> Result<External, Stop> {
    match implementation {
        Implementation::External(external) => match &external.reverse_proxy {
            Some(start) => Ok(External {
                start: start.clone(),
                ready_said: None,
                ..(**external).clone()
            }),
            None => Err(Stop::Unsupported(format!("{} is no web server", external.name))),
        },
        _ => Err(Stop::Unsupported(
            "there is no web server to be tested".to_owned(),
        )),
    }
}
