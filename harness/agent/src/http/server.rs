//! The server under test, whatever it is: started, told things, asked for its counters.

use std::net::SocketAddr;

use reusespec_core::protocol::Implementation;
use reusespec_core::step::Step;
use reusespec_core::step::http::{Control, HttpStep};

use super::Stop;
use super::reference::Reference;

pub(super) enum Server {
    Reference(Reference),
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
            Implementation::Reference { fault } => Reference::start(address, serve, fault.as_deref())
                .map(Self::Reference)
                .map_err(|error| Stop::Broken(format!("the server could not be started: {error}"))),
        }
    }

    pub(super) fn control(&mut self, control: Control) -> Result<(), Stop> {
        match self {
            Self::Reference(server) => server.control(control),
        }
        Ok(())
    }

    pub(super) fn counted(&mut self, key: &str) -> Result<u64, Stop> {
        match self {
            Self::Reference(server) => Ok(server.counted(key)),
        }
    }
}
