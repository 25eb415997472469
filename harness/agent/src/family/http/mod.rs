//! Executes the HTTP vocabulary: the client's side of every connection, against a server under test.
//!
//! `server` is what is tested, `connection` what the client sees of it, `request` what it sends. A step whose
//! outcome is a matter of the server never breaks a case: it is in the transcript. What breaks one is what
//! makes it say nothing, such as a handler that was to be running and never began.

mod connection;
mod reference;
mod request;
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use reusespec_core::step::Step;
use reusespec_core::step::http::{HttpStep, Receive, Send, Until};
use reusespec_core::{Observation, Observed, Outcome};

use crate::case_run::CaseRun;
use crate::errno;
use crate::stop::Stop;
use connection::Connection;
use request::Outgoing;
use server::Server;

/// How long something that should happen may take. Only a server that does not do it uses it up.
const HAPPENS_WITHIN: Duration = Duration::from_secs(3);
/// How many looks have to find nothing for it to be silence, and how long each of them waits.
const SILENT_LOOKS: u32 = 12;
const SILENT_LOOK: Duration = Duration::from_millis(10);
/// Between two looks at something that cannot be waited for.
const LOOK_EVERY: Duration = Duration::from_millis(1);

struct Client<'s, 'r> {
    run: &'s mut CaseRun<'r>,
    server: Server,
    connections: Vec<(String, Connection)>,
}

/// Executes the steps of a case.
pub(crate) fn execute(steps: &[Step<HttpStep>], run: &mut CaseRun<'_>) -> Outcome {
    match execute_all(steps, run) {
        Ok(observations) => Outcome::Observed(observations),
        Err(Stop::Unsupported(reason)) => Outcome::Unsupported(reason),
        Err(Stop::Broken(reason)) => Outcome::Broken(reason),
        Err(Stop::Refused(error)) => Outcome::Broken(error.to_string()),
        Err(Stop::Poisoned) => unreachable!("no connection is spent: its end is part of its transcript"),
    }
}

fn execute_all(steps: &[Step<HttpStep>], run: &mut CaseRun<'_>) -> Result<Vec<Observation>, Stop> {
    let (system, _) = crate::system::identify();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, run.sandbox.ports[0]));
    let server = Server::start(&run.implementation, address, steps)?;
    let mut client = Client {
        run,
        server,
        connections: Vec::new(),
    };
    let mut observations = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        if !step.on.is_empty() && !step.on.iter().any(|range| range.contains(&system)) {
            continue;
        }
        let number = index + 1;
        let seen = client.step(&step.action, step.label.is_some());
        let seen = seen.map_err(|stop| match stop {
            Stop::Broken(reason) => Stop::Broken(format!("step {number}: {reason}")),
            Stop::Refused(error) => Stop::Broken(format!("step {number}: {error}")),
            other => other,
        })?;
        if let Some(label) = &step.label {
            let label = label.clone();
            observations.push(Observation { label, seen });
        }
    }
    Ok(observations)
}

impl Client<'_, '_> {
    fn step(&mut self, step: &HttpStep, is_labelled: bool) -> Result<Observed, Stop> {
        match step {
            // It has been started with them.
            HttpStep::Serve(_) => Ok(Observed::ok()),
            HttpStep::Connect(on) => self.connect(&on.connection, is_labelled),
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

    fn index(&self, name: &str) -> Result<usize, Stop> {
        let found = self.connections.iter().position(|(each, _)| each == name);
        found.ok_or_else(|| Stop::Broken(format!("no earlier step opened the connection `{name}`")))
    }

    fn named(&mut self, name: &str) -> Result<&mut Connection, Stop> {
        let index = self.index(name)?;
        Ok(&mut self.connections[index].1)
    }

    /// A refusal is an answer where it has a label.
    fn connect(&mut self, name: &str, is_labelled: bool) -> Result<Observed, Stop> {
        match Connection::open(self.server.address) {
            Ok(connection) => {
                self.connections.retain(|(each, _)| each != name);
                self.connections.push((name.to_owned(), connection));
                Ok(Observed::ok())
            }
            Err(error) if is_labelled => Ok(Observed::Word(errno::name(&error))),
            Err(error) => Err(Stop::Broken(format!(
                "connecting failed: {}",
                errno::name(&error)
            ))),
        }
    }

    fn send(&mut self, step: &Send) -> Result<Observed, Stop> {
        let outgoing = Outgoing::of(step);
        let sent = self.named(&step.connection)?.send(&outgoing);
        sent.map_err(|error| Stop::Broken(error.to_string()))?;
        Ok(Observed::ok())
    }

    fn receive(&mut self, step: &Receive, is_labelled: bool) -> Result<Observed, Stop> {
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

    fn await_counter(&mut self, key: &str) -> Result<Observed, Stop> {
        let until = Instant::now() + HAPPENS_WITHIN.min(self.run.left());
        while self.server.counted(key)? == 0 {
            if Instant::now() >= until {
                return Err(Stop::Broken(format!("no handler has raised the counter `{key}`")));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(Observed::ok())
    }

    fn await_refusal(&mut self) -> Result<Observed, Stop> {
        let until = Instant::now() + HAPPENS_WITHIN.min(self.run.left());
        loop {
            match Connection::open(self.server.address) {
                Ok(_) if Instant::now() >= until => return Ok(Observed::ok()),
                // It may have stood in the queue of a listener that is being closed. The next one is refused.
                Ok(_) => thread::sleep(LOOK_EVERY),
                Err(error) => return Ok(Observed::Word(errno::name(&error))),
            }
        }
    }
}
