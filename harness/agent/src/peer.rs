//! A TCP peer in user space, on a wire of its own: what a kernel does about silence is seen on that wire.
//!
//! The rules of the peer are `reusespec_wire::segment::Peer`; the thread that moves its segments is `shared`, and here is
//! the handle a case holds. The wire itself is `veth` on Linux and `tun` on the BSDs.
//!
//! What the kernel sends waits for a soft interrupt before it is on the peer's end, and on a busy machine that is a
//! thread which waits for its turn. Before a behaviour changes or a recording is read, a datagram is therefore sent
//! after it (`marker`): what comes in before the datagram is all there was.

mod addresses;
mod marker;
mod shared;
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
mod tun;
#[cfg(target_os = "linux")]
mod veth;

#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
use tun::Link;
#[cfg(target_os = "linux")]
use veth::Link;

use std::io::{self, PipeWriter};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub use addresses::Addresses;
use marker::Marker;
use nix::time::{ClockId, clock_gettime};
use reusespec_wire::segment::{Behaviour, Pair, Peer, Recorded, Recording};
use shared::Shared;

/// Wires that are to exist beside each other: those in namespaces do not meet, but a namespace takes its time to end.
#[cfg(target_os = "linux")]
pub(crate) const MOST_WIRES: usize = 400;
/// Wires that can exist beside each other: a device each.
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
pub(crate) const MOST_WIRES: usize = tun::UNITS as usize;

/// How a wire and its peer begin.
#[derive(Debug, Clone)]
pub struct Config {
    /// The behaviour at the start.
    pub behaviour: Behaviour,
    /// The initial sequence number of the peer's first connection.
    pub first_iss: u32,
    /// Whether the wire gets IPv6 addresses too; a kernel without IPv6 refuses them.
    pub ipv6: bool,
}

impl Default for Config {
    fn default() -> Self {
        // The numbers wrap after 4096 octets, so every longer case crosses the end of sequence space.
        Self {
            behaviour: Behaviour::Answering,
            first_iss: u32::MAX - 4096,
            ipv6: true,
        }
    }
}

/// Why there is no wire, or why it did not show what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The wire could not be made; `step` says at what.
    #[error("cannot {step}")]
    Wire {
        /// What was tried.
        step: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The wire broke while the peer was running.
    #[error("the wire broke: {0}")]
    Broken(String),
    /// The awaited did not come about in time.
    #[error("nothing of the kind within {budget:?}")]
    Late {
        /// How long was waited.
        budget: Duration,
    },
}

/// A running peer. Dropping it ends its thread and makes the wire silent; on Linux the veth pair itself goes
/// with its namespace.
#[derive(Debug)]
pub struct WirePeer {
    shared: Arc<Shared>,
    addresses: Addresses,
    marker: Marker,
    /// Its closing ends the thread.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl WirePeer {
    /// Makes the wire, configures the kernel's end and starts the peer on the other.
    ///
    /// The caller has a network stack to itself and may configure it: on Linux a namespace in which it has
    /// `CAP_NET_ADMIN` and `CAP_NET_RAW`, on the BSDs root.
    ///
    /// # Errors
    /// [`PeerError::Wire`].
    pub fn start(config: Config) -> Result<Self, PeerError> {
        let (link, addresses) = Link::open(config.ipv6)?;
        let marker = Marker::on(addresses).map_err(during("open a socket for markers"))?;
        let (stopped, stop) = io::pipe().map_err(during("make a pipe"))?;
        let peer = Peer::new(config.behaviour, config.first_iss);
        let shared = Arc::new(Shared::new(link, peer));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("wire peer".into())
            .spawn(move || theirs.run(&stopped))
            .map_err(during("start a thread"))?;
        Ok(Self {
            shared,
            addresses,
            marker,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The addresses of both ends. The peer answers on every port.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The time since the recording began, on the recording's clock.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        now().saturating_sub(self.shared.state().began)
    }

    /// Changes the behaviour after all that the kernel has sent by now, and sends what the change itself sends.
    ///
    /// # Errors
    /// [`PeerError::Broken`]; [`PeerError::Late`] where what was sent does not arrive.
    pub fn behave(&self, behaviour: Behaviour) -> Result<(), PeerError> {
        self.settle()?;
        self.shared.act(|peer| peer.behave(behaviour))
    }

    /// Sends data on every open connection, whatever the behaviour.
    ///
    /// # Errors
    /// [`PeerError::Broken`].
    pub fn send(&self, payload: &[u8]) -> Result<(), PeerError> {
        self.shared.act(|peer| peer.send(payload))
    }

    /// Opens a connection from the peer's `port` to the kernel's `address` and waits for the handshake.
    ///
    /// # Errors
    /// [`PeerError::Late`] where nobody accepts within `budget`, [`PeerError::Broken`].
    pub fn connect(&self, port: u16, address: SocketAddr, budget: Duration) -> Result<Pair, PeerError> {
        let peer = SocketAddr::new(self.addresses.peer(address.ip()), port);
        let pair = Pair {
            peer,
            kernel: address,
        };
        self.shared.act(|peer| vec![peer.connect(pair)])?;
        self.shared
            .wait(budget, |state| state.peer.is_open(pair).then_some(pair))
    }

    /// Waits for the `count`-th keepalive probe since the recording began, and gives it.
    ///
    /// # Errors
    /// [`PeerError::Late`] after `budget`, [`PeerError::Broken`].
    pub fn await_probes(&self, count: usize, budget: Duration) -> Result<Recorded, PeerError> {
        self.await_segment(budget, |recording| {
            recording.probes().nth(count.saturating_sub(1)).cloned()
        })
    }

    /// Waits until `find` finds in the recording what it looks for, and gives that.
    ///
    /// # Errors
    /// [`PeerError::Late`] after `budget`, [`PeerError::Broken`].
    pub fn await_segment<T>(
        &self,
        budget: Duration,
        find: impl Fn(&Recording) -> Option<T>,
    ) -> Result<T, PeerError> {
        self.shared.wait(budget, |state| find(state.recorder.recording()))
    }

    /// Everything on the wire up to now.
    ///
    /// # Errors
    /// [`PeerError::Broken`], also where some frame got lost between the two ends or the kernel has counted more
    /// probes than there are: what is not in the recording would otherwise look as if it had not been sent.
    /// [`PeerError::Late`] where what was sent does not arrive.
    pub fn recording(&self) -> Result<Recording, PeerError> {
        /// The kernel counts a probe before it hands it on, maybe on a processor that is then taken away from it.
        const COUNTED_WITHIN: Duration = Duration::from_millis(500);
        let broken = |error: io::Error| PeerError::Broken(error.to_string());
        let sent = self.shared.probes_sent().map_err(broken)?;
        self.settle()?;
        self.shared.act(|_| Vec::new())?;
        match self.shared.lost().map_err(broken)? {
            0 => {}
            lost => {
                return Err(PeerError::Broken(format!(
                    "the machine was too busy for {lost} frames"
                )));
            }
        }
        let seen = |recording: &Recording| recording.probes().count() as u64;
        let whole = |recording: &Recording| (seen(recording) >= sent).then(|| recording.clone());
        self.await_segment(COUNTED_WITHIN, whole)
            .map_err(|error| match error {
                PeerError::Late { .. } => PeerError::Broken(format!(
                    "keepalive probes by the kernel's count: {sent}, over the wire: {}",
                    seen(self.shared.state().recorder.recording())
                )),
                other => other,
            })
    }
}

impl WirePeer {
    /// Waits until the peer has met all that the kernel has sent by now.
    fn settle(&self) -> Result<(), PeerError> {
        /// A machine that takes longer for one datagram cannot be asked for times.
        const WITHIN: Duration = Duration::from_secs(5);
        let number = self.marker.send().map_err(during("send a marker"))?;
        self.shared
            .wait(WITHIN, |state| (state.marked >= number).then_some(()))
    }
}

impl Drop for WirePeer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has printed itself, and a drop cannot report it.
            let _ = thread.join();
        }
    }
}

/// The clock of the kernel's receive time stamps: real time, since the Unix epoch.
pub(crate) fn now() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).expect("every system has a real-time clock");
    Duration::from(now)
}

fn during(step: &'static str) -> impl FnOnce(io::Error) -> PeerError {
    move |source| PeerError::Wire { step, source }
}
