//! Steps on the wire and its peer, and the moments from which times on the wire are counted.

use std::time::Duration;

use reusespec_core::Observed;
use reusespec_core::step::keepalive as vocabulary;
use reusespec_wire::segment::Behaviour;

use super::{Connections, wheel};
use crate::peer::{Config, WirePeer};
use crate::sandbox::lateness::LatenessProbe;
use crate::stop::{Answer, Stop};

/// The wire peer, and the origins of times on its wire.
pub(super) struct Wire {
    pub(super) peer: WirePeer,
    /// Records how late timers fire on this machine, as long as the wire exists.
    _lateness_probe: LatenessProbe,
    /// Times are counted from the last `mark` or from the peer's last segment, whichever is later.
    pub(super) mark: Mark,
    /// When keepalive was last switched on.
    pub(super) switched: Option<Mark>,
    pub(super) waits: Waits,
}

/// The waits that the scenario asked for.
#[derive(Clone, Copy, Default)]
pub(super) struct Waits {
    /// When the last wait ended.
    pub(super) until: Duration,
    /// The total time by which the waits took longer than requested.
    pub(super) over: Duration,
}

/// A moment from which times may be counted, and the waits before it.
#[derive(Clone, Copy, Default)]
pub(super) struct Mark {
    pub(super) at: Duration,
    pub(super) waits: Waits,
}

impl Wire {
    /// This moment.
    fn now(&self) -> Mark {
        Mark {
            at: self.peer.elapsed(),
            waits: self.waits,
        }
    }
}

impl Connections<'_, '_> {
    pub(super) fn set_behaviour(&mut self, step: &vocabulary::PeerStep) -> Answer {
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

    pub(super) fn peer_send(&mut self, step: &vocabulary::PeerSend) -> Answer {
        self.wire()?.peer.send(step.text.as_bytes())?;
        Ok(Observed::ok())
    }

    pub(super) fn set_mark(&mut self) -> Answer {
        let wire = self.wire()?;
        wire.mark = wire.now();
        Ok(Observed::ok())
    }

    /// The wire. Creates it if it does not exist.
    pub(super) fn wire(&mut self) -> Result<&mut Wire, Stop> {
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
                _lateness_probe: LatenessProbe::start(self.run.lateness_log, self.run.left())?,
                mark: Mark::default(),
                switched: None,
                waits: Waits::default(),
            });
        }
        Ok(self.wire.as_mut().expect("it was made above"))
    }

    /// Records that keepalive was switched on at this moment, if there is a wire.
    pub(super) fn note_switch(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.switched = Some(wire.now());
        }
    }
}
