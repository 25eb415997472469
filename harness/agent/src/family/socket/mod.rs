//! Executes the socket vocabulary.

mod distribution;
mod ephemeral;
mod implementation;
mod open;
mod options;
mod pcblist;
mod state;
mod stream;
mod time_wait;

use std::io;

use reusespec_core::Observed;
use reusespec_core::step::socket::{Kind, SocketStep, User};
use socket2::Socket;

use crate::case_run::CaseRun;
use crate::execute::Executor;
use crate::program::AdapterSockets;
use crate::sandbox::act_as;
use crate::socket_owner::Owner;
use crate::stop::{Answer, Stop};

/// A socket of a case.
struct Named {
    name: String,
    owner: Owner,
    kind: Kind,
    user: User,
}

/// The sockets of a case.
pub(super) struct Sockets<'s, 'r> {
    run: &'s mut CaseRun<'r>,
    named: Vec<Named>,
    poisoned: Vec<String>,
    /// Sockets that only have to stay open until the case ends.
    kept: Vec<Socket>,
    /// The adapter under test, once a step has needed it.
    adapter: Option<AdapterSockets>,
}

impl Executor for Sockets<'_, '_> {
    type Step = SocketStep;

    fn step(&mut self, step: &SocketStep, _is_labelled: bool) -> Answer {
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
            SocketStep::Sysctl(step) => self.run.sandbox.set_sysctl(step),
            SocketStep::ListenTcp(step) => self.listen_tcp(step),
            SocketStep::BindUdp(step) => self.bind_udp(step),
            SocketStep::ListenBalanced(step) => self.listen_balanced(step),
            SocketStep::ListenMulticastUdp(step) => self.listen_multicast(step),
        }
    }

    fn poison(&mut self, name: &str) {
        self.poisoned.push(name.to_owned());
    }
}

impl<'s, 'r> Sockets<'s, 'r> {
    pub(super) fn new(run: &'s mut CaseRun<'r>) -> Self {
        Self {
            run,
            named: Vec::new(),
            poisoned: Vec::new(),
            kept: Vec::new(),
            adapter: None,
        }
    }

    /// The socket with this name, unless it is poisoned.
    fn named(&self, name: &str) -> Result<&Named, Stop> {
        if self.poisoned.iter().any(|poisoned| poisoned == name) {
            return Err(Stop::Poisoned);
        }
        let named = self.named.iter().find(|named| named.name == name);
        named.ok_or_else(|| Stop::Broken(format!("no earlier step made the socket `{name}`")))
    }

    /// A socket that the agent uses by system calls.
    fn own(&self, name: &str) -> Result<&Socket, Stop> {
        self.named(name)?.owner.own(name)
    }

    /// Makes a system call on a socket as the user the socket belongs to.
    fn as_owner<T>(&self, name: &str, call: impl FnOnce(&Socket) -> io::Result<T>) -> Result<T, Stop> {
        let (user, socket) = (self.named(name)?.user, self.own(name)?);
        Ok(self.as_user(user, || call(socket))??)
    }

    /// Makes system calls as a user.
    fn as_user<T>(&self, user: User, calls: impl FnOnce() -> T) -> Result<T, Stop> {
        act_as(&self.run.sandbox.users, user, calls)
            .map_err(|error| Stop::Broken(format!("becoming {user:?} failed: {error}")))
    }

    /// Adds a socket. It replaces an earlier one of the same name, which may be poisoned.
    fn add(&mut self, name: &str, socket: Socket, kind: Kind, user: User) -> Answer {
        self.add_owned(name, Owner::Agent(socket), kind, user)
    }

    fn add_owned(&mut self, name: &str, owner: Owner, kind: Kind, user: User) -> Answer {
        self.poisoned.retain(|poisoned| poisoned != name);
        self.named.retain(|named| named.name != name);
        self.named.push(Named {
            name: name.to_owned(),
            owner,
            kind,
            user,
        });
        Ok(Observed::ok())
    }
}
