//! Executes the keepalive vocabulary.
//!
//! The wire peer and its wire are created by the first step that uses them. Waits are reported to the agent loop, so
//! that a hundred cases can wait at the same time.

mod connection;
mod end;
mod implementation;
mod option;
mod resent;
mod wait;
mod watch;
mod wheel;
mod wire;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reusespec_core::step::Step;
use reusespec_core::step::keepalive::{IpVersion, KeepaliveStep};
use reusespec_wire::segment::{Pair, pcapng};
use socket2::Socket;

use crate::case_run::CaseRun;
use crate::execute::Executor;
use crate::program::AdapterSockets;
use crate::sandbox::lateness::LatenessLog;
use crate::socket_owner::Owner;
use crate::stop::{Answer, Stop};
pub(crate) use wheel::turn;
use wire::{Mark, Wire};

/// A socket of a case. The wire still shows its connection after the socket is closed.
struct Named {
    name: String,
    /// `None` once it is closed.
    owner: Option<Owner>,
    pair: Option<Pair>,
}

/// The connections of a case.
pub(super) struct Connections<'s, 'r> {
    run: &'s mut CaseRun<'r>,
    ipv6: bool,
    wire: Option<Wire>,
    named: Vec<Named>,
    poisoned: Vec<String>,
    /// Connections to listeners, not yet accepted.
    dialled: Vec<(String, Option<Pair>)>,
    /// The other ends of connections over loopback.
    kept: Vec<Socket>,
    /// The adapter under test, once a step has needed it.
    adapter: Option<AdapterSockets>,
}

impl Executor for Connections<'_, '_> {
    type Step = KeepaliveStep;

    fn step(&mut self, step: &KeepaliveStep, _is_labelled: bool) -> Answer {
        if self.run.start.virtual_time && self.wire.is_some() {
            wheel::wait_for_a_spoke();
        }
        match step {
            KeepaliveStep::Open(step) => self.open(step),
            KeepaliveStep::Connect(step) => self.connect(step),
            KeepaliveStep::Listen(step) => self.listen(step),
            KeepaliveStep::Dial(step) => self.dial(&step.socket),
            KeepaliveStep::Accept(step) => self.accept(step),
            KeepaliveStep::Keepalive(step) => self.set_schedule(step),
            KeepaliveStep::KeepalivePeriod(step) => self.set_period(step),
            KeepaliveStep::KeepaliveOff(step) => self.switch_off(&step.socket),
            KeepaliveStep::SetRaw(step) => self.set_raw(step),
            KeepaliveStep::GetRaw(step) => self.get_raw(step),
            KeepaliveStep::Sysctl(step) => self.run.sandbox.set_sysctl(step),
            KeepaliveStep::Peer(step) => self.set_behaviour(step),
            KeepaliveStep::PeerSend(step) => self.peer_send(step),
            KeepaliveStep::Mark(_) => self.set_mark(),
            KeepaliveStep::Quiet(step) => self.quiet(step),
            KeepaliveStep::AwaitProbes(step) => self.await_probes(step),
            KeepaliveStep::AwaitClose(step) => self.await_close(step),
            KeepaliveStep::AwaitConnect(step) => self.await_connect(step),
            KeepaliveStep::AwaitFree(step) => self.await_free(step),
            KeepaliveStep::Send(step) => self.send(step),
            KeepaliveStep::Receive(step) => self.receive(&step.socket),
            KeepaliveStep::Shutdown(step) => self.shutdown(step),
            KeepaliveStep::Close(step) => self.close(&step.socket),
        }
    }

    fn poison(&mut self, name: &str) {
        self.poisoned.push(name.to_owned());
    }

    fn finish(&mut self) {
        let Some(wire) = &self.wire else {
            return;
        };
        if self.run.start.capture
            && let Ok(recording) = wire.peer.recording()
        {
            // If the agent loop has ended, there is no report to put the capture into.
            let _ = self.run.reporter.capture(&pcapng::encode(&recording));
        }
        // On DragonFly the next case gets this wire. The outcome is known, so an error changes nothing.
        let _ = wire.peer.reset_all();
    }
}

impl<'s, 'r> Connections<'s, 'r> {
    pub(super) fn new(steps: &[Step<KeepaliveStep>], run: &'s mut CaseRun<'r>) -> Self {
        Self {
            ipv6: steps
                .iter()
                .any(|step| step.action.family() == Some(IpVersion::Ipv6)),
            run,
            wire: None,
            named: Vec::new(),
            poisoned: Vec::new(),
            dialled: Vec::new(),
            kept: Vec::new(),
            adapter: None,
        }
    }

    fn named(&self, name: &str) -> Result<&Named, Stop> {
        if self.poisoned.iter().any(|poisoned| poisoned == name) {
            return Err(Stop::Poisoned);
        }
        let named = self.named.iter().find(|named| named.name == name);
        named.ok_or_else(|| Stop::Broken(format!("no earlier step made the socket `{name}`")))
    }

    fn owner(&self, name: &str) -> Result<&Owner, Stop> {
        let closed = || Stop::Broken(format!("the socket `{name}` is closed"));
        self.named(name)?.owner.as_ref().ok_or_else(closed)
    }

    /// A socket that the agent uses by system calls.
    fn socket(&self, name: &str) -> Result<&Socket, Stop> {
        self.owner(name)?.own(name)
    }

    fn add(&mut self, name: &str, owner: Owner, pair: Option<Pair>) {
        self.named.retain(|named| named.name != name);
        self.named.push(Named {
            name: name.to_owned(),
            owner: Some(owner),
            pair,
        });
    }
}

/// An address of the family, where an argument only selects the family.
fn any(family: IpVersion) -> IpAddr {
    match family {
        IpVersion::Ipv4 => Ipv4Addr::LOCALHOST.into(),
        IpVersion::Ipv6 => Ipv6Addr::LOCALHOST.into(),
    }
}
