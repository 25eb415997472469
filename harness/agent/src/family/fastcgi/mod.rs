//! Executes the FastCGI vocabulary. The agent is the web server.
//!
//! Whatever the application does on a connection is an observation: `receive` shows that the connection was closed or
//! that nothing came.

mod application;
mod bytes;
mod clients;
mod connection;
mod exchange;
mod many;
mod transcript;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reusespec_core::Observed;
use reusespec_core::protocol::Implementation;
use reusespec_core::step::fastcgi::{FastcgiStep, Serve};
use reusespec_core::step::{Action, Step};

use crate::case_run::CaseRun;
use crate::execute::Executor;
use crate::stop::{Answer, Stop};
use application::Application;
use bytes::Writer;
use clients::ReverseProxy;
use connection::Connection;

/// Time that a case keeps for its report.
const RESERVE: Duration = Duration::from_millis(500);

/// A web server with its connections to the application.
pub(super) struct Probe<'s, 'r> {
    run: &'s mut CaseRun<'r>,
    application: Option<Application>,
    connections: BTreeMap<String, Connection>,
    /// Names of connections that a labelled step could not open.
    poisoned: Vec<String>,
    /// The web server, where a web server is tested.
    proxy: Option<ReverseProxy>,
}

impl Executor for Probe<'_, '_> {
    type Step = FastcgiStep;

    fn step(&mut self, step: &FastcgiStep, _is_labelled: bool) -> Answer {
        match step {
            FastcgiStep::Serve(step) => {
                self.application = Some(Application::start(step, self.run)?);
                Ok(Observed::ok())
            }
            FastcgiStep::Connect(step) => self.connect(&step.connection),
            FastcgiStep::Send(step) => self.send(step),
            FastcgiStep::Receive(step) => self.receive(step),
            FastcgiStep::HalfClose(step) => self.half_close(&step.connection),
            FastcgiStep::Close(step) => self.close(&step.connection),
            FastcgiStep::Repeat(step) => self.repeat(step),
            FastcgiStep::BeginMany(step) => self.begin_many(step),
            FastcgiStep::WebServer(step) => {
                self.proxy = Some(ReverseProxy::start(step, self.run)?);
                Ok(Observed::ok())
            }
            FastcgiStep::Visit(step) => self.proxy()?.visit(step).map(Observed::Transcript),
            FastcgiStep::Recorded(step) => {
                let proxy = self.proxy.as_ref().ok_or_else(no_web_server)?;
                let lines = self.run.reporter.waiting(|| proxy.recorded(step))?;
                Ok(Observed::Transcript(lines))
            }
        }
    }

    fn poison(&mut self, name: &str) {
        self.poisoned.push(name.to_owned());
    }
}

impl<'s, 'r> Probe<'s, 'r> {
    /// Fails where the implementation lacks something that the steps need.
    pub(super) fn new(steps: &[Step<FastcgiStep>], run: &'s mut CaseRun<'r>) -> Result<Self, Stop> {
        if let Some(reason) = lacking(steps, &run.start.implementation) {
            return Err(Stop::Unsupported(reason));
        }
        Ok(Self {
            run,
            application: None,
            connections: BTreeMap::new(),
            poisoned: Vec::new(),
            proxy: None,
        })
    }

    fn proxy(&self) -> Result<&ReverseProxy, Stop> {
        self.proxy.as_ref().ok_or_else(no_web_server)
    }

    fn is_target(&self) -> bool {
        matches!(self.run.start.implementation, Implementation::Target(_))
    }

    fn application(&mut self) -> Result<&mut Application, Stop> {
        if self.application.is_none() {
            let defaults: Serve = serde_json::from_str("{}").expect("every key of `serve` has a default");
            self.application = Some(Application::start(&defaults, self.run)?);
        }
        Ok(self.application.as_mut().expect("it was started above"))
    }

    fn writer(&mut self) -> Result<Writer, Stop> {
        let script_filename = self.application()?.script_filename.clone();
        Ok(Writer { script_filename })
    }

    fn deadline(&self) -> Instant {
        self.run
            .deadline
            .checked_sub(RESERVE)
            .unwrap_or(self.run.deadline)
    }
}

fn no_web_server() -> Stop {
    Stop::Broken("no `web-server` has been started".to_owned())
}

/// Something that the steps need and the implementation lacks.
fn lacking(steps: &[Step<FastcgiStep>], implementation: &Implementation) -> Option<String> {
    match implementation {
        Implementation::External(external) => {
            let mut needs = steps.iter().flat_map(|step| step.action.properties().needs);
            let missing = external.missing.clone();
            missing.or_else(|| needs.find_map(|need| external.lacks(need)))
        }
        Implementation::Target(_) => {
            let mut settings = steps
                .iter()
                .filter(|step| matches!(step.action, FastcgiStep::Serve(_)));
            let reason = "an application that runs already cannot be told settings";
            settings.next().map(|_| reason.to_owned())
        }
        Implementation::Kernel | Implementation::Reference { .. } => None,
    }
}
