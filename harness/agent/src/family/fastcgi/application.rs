//! The application under test: the reference in a thread of the case, a program that the agent starts, or a target.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use reusespec_core::adapter::AdapterRequest;
use reusespec_core::profile::Kind;
use reusespec_core::protocol::Implementation;
use reusespec_core::step::fastcgi::{Serve, Transport};
use reusespec_reference::fastcgi::{At, Background, FastCgiFault, Settings, web_server_addrs};
use reusespec_wire::fastcgi::Role;

use crate::case_run::CaseRun;
use crate::listen_addr::ListenAddr;
use crate::program::{self, Program};
use crate::stop::Stop;

/// Timeout of a connection attempt.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// An application that accepts connections. Dropping it ends the application, unless it is a target.
pub(super) struct Application {
    /// Where it accepts connections.
    pub(super) place: ListenAddr,
    /// SCRIPT_FILENAME of every request.
    pub(super) script_filename: Option<String>,
    _program: Option<Program>,
    _reference: Option<Background>,
    _directory: Option<tempfile::TempDir>,
}

impl Application {
    /// Starts the implementation with the settings of `serve`.
    pub(super) fn start(step: &Serve, run: &CaseRun<'_>) -> Result<Self, Stop> {
        if let Implementation::Target(target) = &run.start.implementation {
            return Ok(Self {
                place: target.at.parse().map_err(Stop::Broken)?,
                script_filename: target.script_filename.clone(),
                _program: None,
                _reference: None,
                _directory: None,
            });
        }
        let (place, directory) = place(step.transport, run)?;
        let mut application = Self {
            place: place.clone(),
            script_filename: None,
            _program: None,
            _reference: None,
            _directory: directory,
        };
        let inherited = match (step.transport, &place) {
            (Transport::Inherited, ListenAddr::Tcp(address)) => Some(listen(*address)?),
            _ => None,
        };
        match (&run.start.implementation, inherited) {
            (Implementation::External(external), Some(listener)) => {
                let program = Program::start_inherited(external, listener, &place)?;
                application.script_filename.clone_from(&external.script_filename);
                application._program = Some(program);
            }
            (Implementation::External(external), None) => {
                let at = (external.kind == Kind::Server).then_some(&place);
                let mut program = Program::start(external, at, &[])?;
                if external.kind == Kind::Adapter {
                    let serve = AdapterRequest::ServeFastcgi {
                        at: place.to_string(),
                    };
                    program.ask(&serve)?;
                }
                application.script_filename.clone_from(&external.script_filename);
                application._program = Some(program);
            }
            (Implementation::Reference { fault }, inherited) => {
                let at = match (inherited, place) {
                    (Some(listener), _) => At::Inherited(listener.into()),
                    (None, ListenAddr::Tcp(address)) => At::Tcp(address),
                    (None, ListenAddr::Unix(path)) => At::Unix(path),
                };
                let started = Background::start(at, settings(step, fault.as_deref())?);
                application._reference = Some(started.map_err(|error| Stop::broken(&error))?);
            }
            (Implementation::Kernel | Implementation::Target(_), _) => {
                return Err(Stop::Unsupported("there is no FastCGI in a kernel".to_owned()));
            }
        }
        Ok(application)
    }
}

fn place(transport: Transport, run: &CaseRun<'_>) -> Result<(ListenAddr, Option<tempfile::TempDir>), Stop> {
    match transport {
        Transport::Tcp | Transport::Inherited => {
            let address = ([127, 0, 0, 1], run.sandbox.ports[0]).into();
            Ok((ListenAddr::Tcp(address), None))
        }
        Transport::Unix => {
            let directory = program::create_directory()?;
            Ok((ListenAddr::Unix(directory.path().join("socket")), Some(directory)))
        }
    }
}

/// The listener that the application inherits as descriptor 0.
fn listen(address: SocketAddr) -> Result<TcpListener, Stop> {
    TcpListener::bind(address).map_err(|error| Stop::Broken(format!("cannot listen on {address}: {error}")))
}

/// The settings of `serve` for the reference. What is left out has its default.
fn settings(step: &Serve, fault: Option<&str>) -> Result<Settings, Stop> {
    let mut settings = Settings {
        // Faults of other families have no effect on FastCGI.
        fault: fault.and_then(FastCgiFault::named),
        ..Settings::default()
    };
    if let Some(multiplex) = step.multiplex {
        settings.multiplex = multiplex;
    }
    if let Some(max) = step.max_requests {
        settings.requests_max = max;
    }
    if let Some(max) = step.max_connections {
        settings.connections_max = max;
    }
    if let Some(roles) = &step.roles {
        settings.roles = roles.iter().map(|role| Role::from(role.0)).collect();
    }
    if let Some(addresses) = &step.web_server_addrs {
        let addresses = web_server_addrs(addresses).map_err(|error| Stop::broken(&error))?;
        settings.web_server_addrs = Some(addresses);
    }
    Ok(settings)
}
