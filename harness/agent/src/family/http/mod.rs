//! Executes the HTTP vocabulary. The agent is the client of the server under test.
//!
//! Whatever the server does on a connection is an observation and part of the transcript. A case is broken if it cannot
//! test anything, for example because a handler that should be running never started.

mod connection;
mod exchange;
mod reference;
mod request;
mod server;

use std::net::{Ipv4Addr, SocketAddr};

use reusespec_core::Observed;
use reusespec_core::step::Step;
use reusespec_core::step::http::HttpStep;

use crate::case_run::CaseRun;
use crate::execute::Executor;
use crate::stop::{Answer, Stop};
use connection::Connection;
use server::Server;

/// A client and the server under test.
pub(super) struct Client<'s, 'r> {
    run: &'s mut CaseRun<'r>,
    server: Server,
    connections: Vec<(String, Connection)>,
    poisoned: Vec<String>,
}

impl Executor for Client<'_, '_> {
    type Step = HttpStep;

    fn step(&mut self, step: &HttpStep, is_labelled: bool) -> Answer {
        match step {
            // The server was started with these settings before the first step.
            HttpStep::Serve(_) => Ok(Observed::ok()),
            HttpStep::Connect(on) => self.connect(&on.connection),
            HttpStep::Send(step) => self.send(step),
            HttpStep::Receive(step) => self.receive(step, is_labelled),
            HttpStep::HalfClose(on) => {
                self.named(&on.connection)?.half_close();
                Ok(Observed::ok())
            }
            HttpStep::Reset(on) => {
                let index = self.index(&on.connection)?;
                self.connections.remove(index).1.reset()?;
                Ok(Observed::ok())
            }
            HttpStep::Control(control) => {
                self.server.control(*control)?;
                for (_, connection) in &mut self.connections {
                    connection.did(&format!("control {}", control.name()));
                }
                Ok(Observed::ok())
            }
            HttpStep::Await(step) => self.await_counter(&step.counter),
            HttpStep::Count(step) => {
                let value = self.server.counted(&step.counter)?;
                Ok(Observed::Number(i64::try_from(value).unwrap_or(i64::MAX)))
            }
            HttpStep::AwaitRefusal(_) => self.await_refusal(),
        }
    }

    fn poison(&mut self, name: &str) {
        self.poisoned.push(name.to_owned());
    }
}

impl<'s, 'r> Client<'s, 'r> {
    /// Starts the server. Fails where it lacks something that the steps need.
    pub(super) fn new(steps: &[Step<HttpStep>], run: &'s mut CaseRun<'r>) -> Result<Self, Stop> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, run.sandbox.ports[0]));
        Ok(Self {
            server: Server::start(&run.start.implementation, address, steps)?,
            run,
            connections: Vec::new(),
            poisoned: Vec::new(),
        })
    }

    fn index(&self, name: &str) -> Result<usize, Stop> {
        if self.poisoned.iter().any(|poisoned| poisoned == name) {
            return Err(Stop::Poisoned);
        }
        let found = self.connections.iter().position(|(each, _)| each == name);
        found.ok_or_else(|| Stop::Broken(format!("no earlier step opened the connection `{name}`")))
    }

    fn named(&mut self, name: &str) -> Result<&mut Connection, Stop> {
        let index = self.index(name)?;
        Ok(&mut self.connections[index].1)
    }
}
