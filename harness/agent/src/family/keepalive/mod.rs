//! Executes the keepalive vocabulary.
//!
//! The wire peer and its wire are created by the first step that uses them. Waits are reported to the agent loop, so
//! that a hundred cases can wait at the same time.

mod connection;
mod end;
mod option;
mod resent;
mod schedule;
mod wait;
mod watch;
mod wheel;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use reusespec_core::Observed;
use reusespec_core::step::Step;
use reusespec_core::step::keepalive::{self as vocabulary, IpVersion, KeepaliveStep};
use reusespec_wire::segment::{Behaviour, Pair, pcapng};
use socket2::Socket;

use crate::case_run::CaseRun;
use crate::execute::Executor;
use crate::peer::{Config, WirePeer};
use crate::sandbox::lateness::{LatenessLog, LatenessProbe};
use crate::stop::{Answer, Stop};
pub(crate) use wheel::turn;

/// A socket of a case. The wire still shows its connection after the socket is closed.
struct Named {
    name: String,
    socket: Option<Socket>,
    pair: Option<Pair>,
}

/// The wire peer, and the origins of times on its wire.
struct Wire {
    peer: WirePeer,
    /// Records how late timers fire on this machine, as long as the wire exists.
    _witness: LatenessProbe,
    /// Times are counted from the last `mark` or from the peer's last segment, whichever is later.
    mark: Mark,
    /// When keepalive was last switched on.
    switched: Option<Mark>,
    waits: Waits,
}

/// The waits that the scenario asked for.
#[derive(Clone, Copy, Default)]
struct Waits {
    /// When the last wait ended.
    until: Duration,
    /// By how much they exceeded the requested times, in total.
    over: Duration,
}

/// A moment from which times may be counted, and the waits before it.
#[derive(Clone, Copy, Default)]
struct Mark {
    at: Duration,
    waits: Waits,
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
            KeepaliveStep::Peer(step) => self.tell_peer(step),
            KeepaliveStep::PeerSend(step) => {
                self.wire()?.peer.send(step.text.as_bytes())?;
                Ok(Observed::ok())
            }
            KeepaliveStep::Mark(_) => {
                let wire = self.wire()?;
                wire.mark = Mark {
                    at: wire.peer.elapsed(),
                    waits: wire.waits,
                };
                Ok(Observed::ok())
            }
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
        let (true, Some(wire)) = (self.run.start.capture, &self.wire) else {
            return;
        };
        if let Ok(recording) = wire.peer.recording() {
            // If the agent loop has ended, there is no report to put the capture into.
            let _ = self.run.reporter.capture(&pcapng::encode(&recording));
        }
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
        }
    }

    fn tell_peer(&mut self, step: &vocabulary::PeerStep) -> Answer {
        let behaviour = match step.behaves {
            vocabulary::Behaviour::Answering => Behaviour::Answering,
            vocabulary::Behaviour::Silent => Behaviour::Silent,
            vocabulary::Behaviour::Rebooted => Behaviour::Rebooted,
            vocabulary::Behaviour::Closing => Behaviour::Closing,
            vocabulary::Behaviour::AnsweringSome => Behaviour::AnsweringSome(step.pattern.clone()),
            vocabulary::Behaviour::HoldingData => Behaviour::HoldingData,
            vocabulary::Behaviour::WindowShut => Behaviour::WindowShut,
            vocabulary::Behaviour::Unreachable => Behaviour::Unreachable,
        };
        self.wire()?.peer.behave(behaviour)?;
        Ok(Observed::ok())
    }

    /// The wire. Creates it if it does not exist.
    fn wire(&mut self) -> Result<&mut Wire, Stop> {
        if self.wire.is_none() {
            self.run.sandbox.must_be_own("a wire")?;
            let config = Config {
                ipv6: self.ipv6,
                ..Config::default()
            };
            let peer = WirePeer::start(config)?;
            if self.run.start.virtual_time {
                wheel::wait_for_a_whole_turn()?;
            }
            self.wire = Some(Wire {
                peer,
                _witness: LatenessProbe::start(self.run.lateness_log, self.run.left())?,
                mark: Mark::default(),
                switched: None,
                waits: Waits::default(),
            });
        }
        Ok(self.wire.as_mut().expect("it was made above"))
    }

    /// Records that keepalive was switched on at this moment, if there is a wire.
    fn note_switch(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.switched = Some(Mark {
                at: wire.peer.elapsed(),
                waits: wire.waits,
            });
        }
    }

    fn named(&self, name: &str) -> Result<&Named, Stop> {
        if self.poisoned.iter().any(|poisoned| poisoned == name) {
            return Err(Stop::Poisoned);
        }
        let named = self.named.iter().find(|named| named.name == name);
        named.ok_or_else(|| Stop::Broken(format!("no earlier step made the socket `{name}`")))
    }

    fn socket(&self, name: &str) -> Result<&Socket, Stop> {
        let closed = || Stop::Broken(format!("the socket `{name}` is closed"));
        self.named(name)?.socket.as_ref().ok_or_else(closed)
    }

    fn add(&mut self, name: &str, socket: Socket, pair: Option<Pair>) {
        self.named.retain(|named| named.name != name);
        self.named.push(Named {
            name: name.to_owned(),
            socket: Some(socket),
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
