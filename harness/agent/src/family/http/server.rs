//! The server under test, whatever it is: started, told things, asked for its counters.
//!
//! What it cannot do is known before it is started, from its profile and the steps: a case that needs more is
//! `unsupported` and costs nothing.

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

enum Kin {
    Reference(Reference),
    Adapter(Program),
    Server(Program),
    /// It runs already: nobody can tell it anything.
    Target,
}

pub(super) struct Server {
    /// Where it accepts connections.
    pub(super) address: SocketAddr,
    kin: Kin,
}

impl Server {
    /// Starts it at that address with the settings of the case, if it can do what the steps ask for.
    pub(super) fn start(
        implementation: &Implementation,
        address: SocketAddr,
        steps: &[Step<HttpStep>],
    ) -> Result<Self, Stop> {
        let serve = steps.iter().find_map(|step| match &step.action {
            HttpStep::Serve(serve) => Some(serve),
            _ => None,
        });
        match implementation {
            Implementation::Kernel => Err(Stop::Unsupported("the kernel has no HTTP server".to_owned())),
            Implementation::Reference { fault } => {
                let kin = Reference::start(address, serve, fault.as_deref()).map(Kin::Reference);
                let kin =
                    kin.map_err(|error| Stop::Broken(format!("the server could not be started: {error}")))?;
                Ok(Self { address, kin })
            }
            Implementation::External(external) => {
                let lack = needs(steps).find_map(|need| external.lacks(need));
                lack.map_or(Ok(()), |reason| Err(Stop::Unsupported(reason)))?;
                let kin = start(external, address, serve)?;
                Ok(Self { address, kin })
            }
            Implementation::Target(target) => Self::target(target, steps),
        }
    }

    fn target(target: &Target, steps: &[Step<HttpStep>]) -> Result<Self, Stop> {
        if let Some(need) = needs(steps).next() {
            let reason = format!("nobody can ask a server that runs already for `{need}`");
            return Err(Stop::Unsupported(reason));
        }
        match target.at.parse().map_err(Stop::Broken)? {
            ListenAddr::Tcp(address) => Ok(Self {
                address,
                kin: Kin::Target,
            }),
            ListenAddr::Unix(_) => Err(Stop::Unsupported("a target for HTTP is `host:port`".to_owned())),
        }
    }

    pub(super) fn control(&mut self, control: Control) -> Result<(), Stop> {
        match &mut self.kin {
            Kin::Reference(server) => {
                server.control(control);
                Ok(())
            }
            Kin::Adapter(program) => Ok(program.ask(&request(control))?),
            Kin::Server(program) => Ok(program.control(control.name())?),
            Kin::Target => Err(Stop::Unsupported("a target cannot be told anything".to_owned())),
        }
    }

    pub(super) fn counted(&mut self, key: &str) -> Result<u64, Stop> {
        match &mut self.kin {
            Kin::Reference(server) => Ok(server.counted(key)),
            Kin::Adapter(program) => Ok(program.count(key)?),
            Kin::Server(_) | Kin::Target => Err(Stop::Unsupported("it has no counters".to_owned())),
        }
    }
}

fn needs(steps: &[Step<HttpStep>]) -> impl Iterator<Item = &'static str> {
    steps.iter().flat_map(|step| step.action.properties().needs)
}

fn start(external: &External, address: SocketAddr, serve: Option<&Serve>) -> Result<Kin, ProgramError> {
    let place = ListenAddr::Tcp(address);
    let (idle, requests) = serve.map_or((None, None), |serve| (serve.idle_ms, serve.requests_max));
    if external.kind == Kind::Server {
        // Longer than any case where the scenario says nothing.
        let idle = idle.unwrap_or(60_000).to_string();
        let requests = requests.unwrap_or(1000).to_string();
        let values = [("idle-ms", idle.as_str()), ("requests-max", requests.as_str())];
        return Program::start(external, Some(&place), &values).map(Kin::Server);
    }
    let mut program = Program::start(external, None, &[])?;
    program.ask(&AdapterRequest::ServeHttp {
        at: place.to_string(),
        idle_ms: idle,
        requests_max: requests,
    })?;
    Ok(Kin::Adapter(program))
}

fn request(control: Control) -> AdapterRequest {
    match control {
        Control::DisableKeepAlives => AdapterRequest::KeepAlives { enabled: false },
        Control::EnableKeepAlives => AdapterRequest::KeepAlives { enabled: true },
        Control::Shutdown => AdapterRequest::Shutdown { grace_ms: None },
    }
}
