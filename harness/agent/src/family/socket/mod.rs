//! Executes the socket vocabulary, one case at a time.
//!
//! What a labelled step answers is an observation, error or not. A step without a label is preparation: when
//! it fails nothing was found out, and the case is broken.

mod distribution;
mod ephemeral;
mod open;
mod options;
mod pcblist;
mod state;
mod stream;
mod sysctl;
mod time_wait;

use std::io;

use reusespec_core::step::Step;
use reusespec_core::step::socket::{Kind, SocketStep, User};
use reusespec_core::{Observation, Observed, Outcome};
use reusespec_reference::sockets::Sockets as Reference;
use socket2::Socket;

use crate::case_run::CaseRun;
use crate::sandbox::act_as;
pub(crate) use crate::stop::{Answer, Stop};
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
pub(crate) use distribution::SOURCES;
pub(crate) use ephemeral::CHOSEN_PORTS;

/// A socket of a case.
pub(crate) struct Named {
    name: String,
    socket: Socket,
    kind: Kind,
    user: User,
    poisoned: bool,
}

/// The sockets of a case and where it runs.
pub(crate) struct Sockets<'s, 'r> {
    run: &'s mut CaseRun<'r>,
    named: Vec<Named>,
    /// Sockets that only have to stay open until the case ends.
    kept: Vec<Socket>,
}

/// Executes the steps of a case.
pub(crate) fn execute(steps: &[Step<SocketStep>], run: &mut CaseRun<'_>) -> Outcome {
    let (system, _) = crate::system::identify();
    let mut sockets = Sockets {
        run,
        named: Vec::new(),
        kept: Vec::new(),
    };
    let mut observations = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        if !step.on.is_empty() && !step.on.iter().any(|range| range.contains(&system)) {
            continue;
        }
        let seen = match (sockets.step(&step.action), &step.label) {
            (Ok(seen), _) => seen,
            (Err(Stop::Unsupported(reason)), _) => return Outcome::Unsupported(reason),
            (Err(Stop::Poisoned), _) => Observed::NotReached,
            (Err(Stop::Broken(reason)), _) => {
                return Outcome::Broken(format!("step {}: {reason}", index + 1));
            }
            (Err(Stop::Refused(error)), Some(_)) => {
                sockets.poison(&step.action);
                Observed::Word(crate::errno::name(&error))
            }
            (Err(Stop::Refused(error)), None) => {
                let what = serde_json::to_string(&step.action).unwrap_or_default();
                let error = crate::errno::name(&error);
                return Outcome::Broken(format!(
                    "step {} has no label and failed with {error}: {what}",
                    index + 1
                ));
            }
        };
        if let Some(label) = &step.label {
            observations.push(Observation {
                label: label.clone(),
                seen,
            });
        }
    }
    Outcome::Observed(observations)
}

impl Sockets<'_, '_> {
    fn step(&mut self, step: &SocketStep) -> Answer {
        match step {
            SocketStep::Open(step) => self.open(step),
            SocketStep::Set(step) => self.set(step),
            SocketStep::Get(step) => self.get(step),
            SocketStep::Bind(step) => self.bind(step),
            SocketStep::Listen(step) => self.listen(step),
            SocketStep::Connect(step) => self.connect(step),
            SocketStep::Accept(step) => self.accept(step),
            SocketStep::Send(step) => self.send(step),
            SocketStep::Receive(step) => self.receive(&step.socket),
            SocketStep::Shutdown(step) => self.shutdown(step),
            SocketStep::Close(step) => self.close(step),
            SocketStep::Join(step) => self.join(step),
            SocketStep::ConnectMany(step) => self.connect_many(step),
            SocketStep::SendToGroup(step) => self.send_to_group(step),
            SocketStep::TimeWait(step) => self.time_wait(step),
            SocketStep::AwaitState(step) => self.await_state(&step.local, step.state),
            SocketStep::FillEphemeral(step) => self.fill_ephemeral(step),
            SocketStep::BindMany(step) => self.bind_many(step),
            SocketStep::Sysctl(step) => self.sysctl(step),
            SocketStep::ListenTcp(step) => self.reference(Reference::listen_tcp, step),
            SocketStep::BindUdp(step) => self.reference(Reference::bind_udp, step),
            SocketStep::ListenBalanced(step) => self.reference(Reference::listen_balanced, step),
            SocketStep::ListenMulticastUdp(step) => self.listen_multicast(step),
        }
    }

    /// The socket with this name, unless it is spent.
    fn named(&self, name: &str) -> Result<&Named, Stop> {
        match self.named.iter().find(|named| named.name == name) {
            Some(named) if named.poisoned => Err(Stop::Poisoned),
            Some(named) => Ok(named),
            None => Err(Stop::Broken(format!("no earlier step made the socket `{name}`"))),
        }
    }

    /// Runs something on a socket as the user it belongs to.
    fn as_owner<T>(&self, name: &str, act: impl FnOnce(&Socket) -> io::Result<T>) -> Result<T, Stop> {
        let named = self.named(name)?;
        let users = &self.run.sandbox.users;
        Ok(act_as(users, named.user, || act(&named.socket))
            .map_err(|error| Stop::Broken(format!("becoming {:?} failed: {error}", named.user)))??)
    }

    fn add(&mut self, name: &str, socket: Socket, kind: Kind, user: User) -> Answer {
        self.named.retain(|named| named.name != name);
        self.named.push(Named {
            name: name.to_owned(),
            socket,
            kind,
            user,
            poisoned: false,
        });
        Ok(Observed::ok())
    }

    /// Marks the socket a failed step worked on. A socket that could not be made at all is remembered too, so
    /// that later steps on it are not reached instead of nonsense.
    fn poison(&mut self, step: &SocketStep) {
        let name = match step {
            SocketStep::Open(step) => &step.socket,
            SocketStep::Bind(step) => &step.socket,
            SocketStep::Listen(step) => &step.socket,
            SocketStep::Connect(step) => &step.socket,
            SocketStep::Accept(step) => &step.into,
            SocketStep::Join(step) => &step.socket,
            SocketStep::ListenTcp(step) | SocketStep::BindUdp(step) | SocketStep::ListenBalanced(step) => {
                &step.socket
            }
            SocketStep::ListenMulticastUdp(step) => &step.socket,
            _ => return,
        };
        if let Some(named) = self.named.iter_mut().find(|named| named.name == *name) {
            named.poisoned = true;
        } else if let Ok(socket) = Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None) {
            let (kind, user) = (Kind::Udp4, User::Root);
            self.named.push(Named {
                name: name.clone(),
                socket,
                kind,
                user,
                poisoned: true,
            });
        }
    }
}
