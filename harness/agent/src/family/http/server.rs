//! The server under test: starts it, changes its behaviour while it runs, and reads its counters.
//!
//! Its profile and the steps tell before the start whether it lacks something. Then the case is `unsupported` and no
//! server is started.

use std::net::SocketAddr;

use reusespec_core::adapter::AdapterRequest;
use reusespec_core::profile::{External, Kind};
use reusespec_core::protocol::{Implementation, Target};
use reusespec_core::step::http::{Control, HttpStep, Serve};
use reusespec_core::step::{Action, Step};

use super::reference::Reference;
use crate::listen_addr::ListenAddr;
use crate::program::{Program, ProgramError};
use crate::stop::Stop;

enum Running {
    Reference(Reference),
    Adapter(Program),
    Server(Program),
    /// A server that runs already. It cannot be controlled.
    Target,
}

pub(super) struct Server {
    /// Where it accepts connections.
    pub(super) address: SocketAddr,
    running: Running,
}

impl Server {
    /// Starts the server at this address with the settings of the case, if it offers what the steps need.
    pub(super) fn start(
        implementation: &Implementation,
        address: SocketAddr,
        steps: &[Step<HttpStep>],
    ) -> Result<Self, Stop> {
        let serve = steps.iter().find_map(|step| {
            if let HttpStep::Serve(serve) = &step.action {
                Some(serve)
            } else {
                None
            }
        });
        match implementation {
            Implementation::Kernel => Err(Stop::Unsupported("the kernel has no HTTP server".to_owned())),
            Implementation::Reference { fault } => {
                let running = Reference::start(address, serve, fault.as_deref()).map(Running::Reference);
                let running = running
                    .map_err(|error| Stop::Broken(format!("the server could not be started: {error}")))?;
                Ok(Self { address, running })
            }
            Implementation::External(external) => {
                let lack = needs(steps).find_map(|need| external.lacks(need));
                lack.map_or(Ok(()), |reason| Err(Stop::Unsupported(reason)))?;
                let running = start(external, address, serve)?;
                Ok(Self { address, running })
            }
            Implementation::Target(target) => Self::target(target, steps),
        }
    }

    fn target(target: &Target, steps: &[Step<HttpStep>]) -> Result<Self, Stop> {
        if let Some(need) = needs(steps).next() {
            let reason = format!("a server that runs already cannot be asked for `{need}`");
            return Err(Stop::Unsupported(reason));
        }
        match target.at.parse().map_err(Stop::Broken)? {
            ListenAddr::Tcp(address) => Ok(Self {
                address,
                running: Running::Target,
            }),
            ListenAddr::Unix(_) => Err(Stop::Unsupported("a target for HTTP is `host:port`".to_owned())),
        }
    }

    pub(super) fn control(&mut self, control: Control) -> Result<(), Stop> {
        match &mut self.running {
            Running::Reference(server) => {
                server.control(control);
                Ok(())
            }
            Running::Adapter(program) => Ok(program.ask(&request(control))?),
            Running::Server(program) => Ok(program.control(control.name())?),
            Running::Target => Err(Stop::Unsupported("a target cannot be controlled".to_owned())),
        }
    }

    pub(super) fn counted(&mut self, key: &str) -> Result<u64, Stop> {
        match &mut self.running {
            Running::Reference(server) => Ok(server.counted(key)),
            Running::Adapter(program) => Ok(program.count(key)?),
            Running::Server(_) | Running::Target => Err(Stop::Unsupported("it has no counters".to_owned())),
        }
    }
}

fn needs(steps: &[Step<HttpStep>]) -> impl Iterator<Item = &'static str> {
    steps.iter().flat_map(|step| step.action.properties().needs)
}

fn start(external: &External, address: SocketAddr, serve: Option<&Serve>) -> Result<Running, ProgramError> {
    let place = ListenAddr::Tcp(address);
    let (idle, requests) = serve.map_or((None, None), |serve| (serve.idle_ms, serve.requests_max));
    if external.kind == Kind::Server {
        // The default is longer than any case.
        let idle = idle.unwrap_or(60_000).to_string();
        let requests = requests.unwrap_or(1000).to_string();
        let values = [("idle-ms", idle.as_str()), ("requests-max", requests.as_str())];
        return Program::start(external, Some(&place), &values).map(Running::Server);
    }
    let mut program = Program::start(external, None, &[])?;
    program.ask(&AdapterRequest::ServeHttp {
        at: place.to_string(),
        idle_ms: idle,
        requests_max: requests,
    })?;
    Ok(Running::Adapter(program))
}

fn request(control: Control) -> AdapterRequest {
    match control {
        Control::DisableKeepAlives => AdapterRequest::KeepAlives { enabled: false },
        Control::EnableKeepAlives => AdapterRequest::KeepAlives { enabled: true },
        Control::Shutdown => AdapterRequest::Shutdown { grace_ms: None },
    }
}
