//! Executes the keepalive vocabulary, one case at a time.
//!
//! The peer and its wire exist only in cases that use them. What only waits is told to the loop, so that a
//! hundred cases wait at once.

mod connection;
mod end;
mod option;
mod resent;
mod schedule;
mod wait;
mod watch;
mod wheel;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use reusespec_core::step::Step;
use reusespec_core::step::keepalive::{self as vocabulary, IpVersion, KeepaliveStep};
use reusespec_core::{Observation, Observed, Outcome};
use reusespec_wire::segment::{Behaviour, Pair, pcapng};
use socket2::Socket;

use crate::case_run::CaseRun;
use crate::peer::{Config, PeerError, WirePeer};
use crate::sandbox::lateness::{LatenessLog, LatenessProbe};
pub(crate) use wheel::turn;

/// Why a step has no result.
#[derive(Debug)]
enum Stop {
    /// The system or the implementation refused; the word is the result.
    Refused(String),
    /// The platform lacks something.
    Unsupported(String),
    /// Nothing was found out.
    Broken(String),
    /// The socket could not be had: an earlier labelled step failed.
    Poisoned,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Refused(crate::errno::name(&error))
    }
}

impl From<PeerError> for Stop {
    fn from(error: PeerError) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        Self::Broken(format!("{error}{}", cause.unwrap_or_default()))
    }
}

type Answer = Result<Observed, Stop>;

/// A socket of a case. Its connection outlives its descriptor, for the wire goes on showing it.
struct Named {
    name: String,
    socket: Option<Socket>,
    pair: Option<Pair>,
}

/// The peer, and what watches the clock beside it.
struct Wire {
    peer: WirePeer,
    /// Notes how late the machine is, as long as the wire is there.
    _witness: LatenessProbe,
    /// Times count from here or from the peer's last segment, whichever is later.
    mark: Mark,
    /// When keepalive was last switched on.
    switched: Option<Mark>,
    waits: Waits,
}

/// What the scenario has waited for on purpose.
#[derive(Clone, Copy, Default)]
struct Waits {
    /// When the last wait ended.
    until: Duration,
    /// How much longer than asked they took, all together.
    over: Duration,
}

/// A moment that times may count from, and the waits before it.
#[derive(Clone, Copy, Default)]
struct Mark {
    at: Duration,
    waits: Waits,
}

struct Connections<'s, 'r> {
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

/// Executes the steps of a case.
pub(crate) fn execute(steps: &[Step<KeepaliveStep>], run: &mut CaseRun<'_>) -> Outcome {
    let v6 = |step: &Step<KeepaliveStep>| match &step.action {
        KeepaliveStep::Connect(step) | KeepaliveStep::Listen(step) => step.family == IpVersion::Ipv6,
        KeepaliveStep::Open(step) => step.family == IpVersion::Ipv6,
        KeepaliveStep::AwaitConnect(step) => step.family == IpVersion::Ipv6,
        _ => false,
    };
    let mut connections = Connections {
        ipv6: steps.iter().any(v6),
        run,
        wire: None,
        named: Vec::new(),
        poisoned: Vec::new(),
        dialled: Vec::new(),
        kept: Vec::new(),
    };
    let outcome = connections.run(steps);
    connections.hand_over_capture();
    outcome
}

impl Connections<'_, '_> {
    fn run(&mut self, steps: &[Step<KeepaliveStep>]) -> Outcome {
        let (system, _) = crate::system::identify();
        let mut observations = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            if !step.on.is_empty() && !step.on.iter().any(|range| range.contains(&system)) {
                continue;
            }
            let broken = |reason| Outcome::Broken(format!("step {}: {reason}", index + 1));
            let seen = match (self.step(&step.action), &step.label) {
                (Ok(seen), _) => seen,
                (Err(Stop::Unsupported(reason)), _) => return Outcome::Unsupported(reason),
                (Err(Stop::Broken(reason)), _) => return broken(reason),
                (Err(Stop::Poisoned), _) => Observed::NotReached,
                (Err(Stop::Refused(word)), Some(_)) => {
                    self.poison(&step.action);
                    Observed::Word(word)
                }
                (Err(Stop::Refused(word)), None) => {
                    let what = serde_json::to_string(&step.action).unwrap_or_default();
                    return broken(format!("it has no label and failed with {word}: {what}"));
                }
            };
            if let Some(label) = &step.label {
                let label = label.clone();
                observations.push(Observation { label, seen });
            }
        }
        Outcome::Observed(observations)
    }

    fn step(&mut self, step: &KeepaliveStep) -> Answer {
        if self.run.virtual_time && self.wire.is_some() {
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
            KeepaliveStep::Sysctl(step) => self.sysctl(step),
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

    /// The wire, made when it is first needed.
    fn wire(&mut self) -> Result<&mut Wire, Stop> {
        if self.wire.is_none() {
            self.run
                .sandbox
                .must_be_own("a wire")
                .map_err(Stop::Unsupported)?;
            let config = Config {
                ipv6: self.ipv6,
                ..Config::default()
            };
            let peer = WirePeer::start(config)?;
            if self.run.virtual_time {
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

    /// Notes that keepalive has been switched on just now, where that can be timed.
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

    /// Remembers a socket that a labelled step could not make, so that later steps on it are not reached.
    fn poison(&mut self, step: &KeepaliveStep) {
        let name = match step {
            KeepaliveStep::Open(step) => &step.socket,
            KeepaliveStep::Connect(step) | KeepaliveStep::Listen(step) => &step.socket,
            KeepaliveStep::Accept(step) => &step.into,
            KeepaliveStep::AwaitConnect(step) => &step.socket,
            _ => return,
        };
        self.poisoned.push(name.clone());
    }

    fn hand_over_capture(&mut self) {
        let (true, Some(wire)) = (self.run.capture, &self.wire) else {
            return;
        };
        if let Ok(recording) = wire.peer.recording() {
            // A loop that is gone hears nothing any more.
            let _ = self.run.reporter.capture(&pcapng::encode(&recording));
        }
    }
}

/// An address of the family, to name it by.
fn any(family: IpVersion) -> IpAddr {
    match family {
        IpVersion::Ipv4 => Ipv4Addr::LOCALHOST.into(),
        IpVersion::Ipv6 => Ipv6Addr::LOCALHOST.into(),
    }
}
