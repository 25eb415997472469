//! Executes the HTTP vocabulary. The agent is the client of the server under test.
//!
//! Whatever the server does on a connection is an observation and part of the transcript. A case is broken if it cannot
//! test anything, for example because a handler that should be running never started.

mod connection;
mod reference;
mod request;
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use reusespec_core::Observed;
use reusespec_core::step::Step;
use reusespec_core::step::http::{HttpStep, Receive, Send, Until};

use crate::case_run::CaseRun;
use crate::errno;
use crate::execute::Executor;
use crate::stop::{Answer, Stop};
use connection::Connection;
use request::Outgoing;
use server::Server;

/// Timeout of an event that should happen. Only a server for which it does not happen uses it up.
const HAPPENS_WITHIN: Duration = Duration::from_secs(3);
/// A connection counts as silent after this many reads in which nothing came.
const SILENT_LOOKS: u32 = 12;
/// Timeout of each of those reads.
const SILENT_LOOK: Duration = Duration::from_millis(10);
/// Time between two checks of something that has no event to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(1);

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

    fn connect(&mut self, name: &str) -> Answer {
        let connection = Connection::open(self.server.address)?;
        self.poisoned.retain(|poisoned| poisoned != name);
        self.connections.retain(|(each, _)| each != name);
        self.connections.push((name.to_owned(), connection));
        Ok(Observed::ok())
    }

    fn send(&mut self, step: &Send) -> Answer {
        let outgoing = Outgoing::of(step);
        let sent = self.named(&step.connection)?.send(&outgoing);
        sent.map_err(|error| Stop::Broken(error.to_string()))?;
        Ok(Observed::ok())
    }

    fn receive(&mut self, step: &Receive, is_labelled: bool) -> Answer {
        let within = HAPPENS_WITHIN.min(self.run.left());
        let index = self.index(&step.connection)?;
        let connection = &mut self.connections[index].1;
        let replies = step.responses.unwrap_or(u32::from(step.until.is_none()));
        self.run.reporter.waiting(|| {
            connection.receive(replies, within);
            match step.until {
                None => {}
                Some(Until::Eof) => connection.receive_end(within),
                Some(Until::Silence) => connection.receive_silence(SILENT_LOOKS, SILENT_LOOK, within),
            }
        })?;
        if !is_labelled {
            return Ok(Observed::ok());
        }
        if step.until.is_some() || connection.has_ended() {
            connection.tell_state();
        }
        Ok(Observed::Transcript(connection.take_lines()))
    }

    fn await_counter(&mut self, key: &str) -> Answer {
        let until = Instant::now() + HAPPENS_WITHIN.min(self.run.left());
        while self.server.counted(key)? == 0 {
            if Instant::now() >= until {
                return Err(Stop::Broken(format!(
                    "no handler has incremented the counter `{key}`"
                )));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(Observed::ok())
    }

    fn await_refusal(&mut self) -> Answer {
        let until = Instant::now() + HAPPENS_WITHIN.min(self.run.left());
        loop {
            match Connection::open(self.server.address) {
                Ok(_) if Instant::now() >= until => return Ok(Observed::ok()),
                // The connection may have been in the queue of a listener that is being closed. The next is refused.
                Ok(_) => thread::sleep(LOOK_EVERY),
                Err(error) => return Ok(Observed::Word(errno::name(&error))),
            }
        }
    }
}
