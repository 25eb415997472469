//! The wire peer: a TCP peer in user space that shares a wire with the kernel under test.
//!
//! It can fall silent, answer or reboot, and it records every segment, so a case sees what the kernel does about a
//! silent peer. This file has the handle that a case holds. `reusespec_wire::segment::Peer` has the peer's state
//! machine, `shared` the thread that moves its segments, and `veth` (Linux) or `tun` (BSDs) the wire.
//!
//! A segment that the kernel has sent may still wait for a soft interrupt before it reaches the peer's end, and on a
//! busy machine that takes a while. So before a behaviour changes or a recording is read, `marker` sends a datagram the
//! same way: when the datagram arrives, everything sent before it has arrived.

mod addresses;
#[cfg(target_os = "dragonfly")]
mod kept;
mod marker;
mod shared;
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
mod tun;
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
mod tun_device;
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
#[cfg(target_os = "dragonfly")]
pub(crate) use kept::Loan;
use marker::Marker;
use nix::time::{ClockId, clock_gettime};
use reusespec_wire::segment::{Behaviour, Pair, Peer, Recorded, Recording};
use shared::Shared;

/// The limit of wires that exist at once. Each has its own namespace, and the kernel takes time to remove one.
#[cfg(target_os = "linux")]
pub(crate) const MOST_WIRES: usize = 400;
/// The limit of wires that exist at once: each needs a device.
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
pub(crate) const MOST_WIRES: usize = tun_device::UNITS as usize;

/// The initial state of a wire and its peer.
#[derive(Debug, Clone)]
pub struct Config {
    /// The behaviour at first.
    pub behaviour: Behaviour,
    /// The initial sequence number of the peer's first connection.
    pub first_iss: u32,
    /// Whether the wire gets IPv6 addresses too. A kernel without IPv6 refuses them.
    pub ipv6: bool,
}

impl Default for Config {
    fn default() -> Self {
        // The sequence number wraps after 4096 octets, so every longer exchange tests the wrap.
        Self {
            behaviour: Behaviour::Answering,
            first_iss: u32::MAX - 4096,
            ipv6: true,
        }
    }
}

/// Why the wire could not be made, or why a wait for an event on it failed.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The wire could not be made. `step` completes "cannot".
    #[error("cannot {step}")]
    Wire {
        /// The step that failed.
        step: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The wire broke while the peer was running.
    #[error("the wire broke: {0}")]
    Broken(String),
    /// The awaited event did not happen in time.
    #[error("the awaited event did not happen within {budget:?}")]
    Late {
        /// The length of the wait.
        budget: Duration,
    },
}

/// A running peer. Dropping it ends its thread, so the wire falls silent. On Linux the veth pair exists as long as its
/// namespace.
#[derive(Debug)]
pub struct WirePeer {
    shared: Arc<Shared>,
    addresses: Addresses,
    marker: Marker,
    /// Closing it ends the thread.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl WirePeer {
    /// Makes the wire, configures the kernel's end, and starts the peer on the other end.
    ///
    /// The caller must have a network stack of its own and the right to configure it: on Linux a namespace with
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
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("wire peer".into())
            .spawn(move || of_thread.run(&stopped))
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

    /// The time since the start of the recording, on the clock of its time stamps.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        now().saturating_sub(self.shared.state().began)
    }

    /// Changes the behaviour once everything that the kernel has sent so far has arrived. Then sends the segments that
    /// belong to the change, such as a FIN.
    ///
    /// # Errors
    /// [`PeerError::Broken`]; [`PeerError::Late`] if the kernel's segments do not arrive.
    pub fn behave(&self, behaviour: Behaviour) -> Result<(), PeerError> {
        self.settle()?;
        self.shared.act(|peer| peer.behave(behaviour))
    }

    /// Ends every connection, as the last act of a case: the kernel keeps nothing that could still send.
    ///
    /// # Errors
    /// [`PeerError::Broken`].
    pub fn reset_all(&self) -> Result<(), PeerError> {
        self.shared.act(Peer::reset_all)
    }

    /// Sends data on every open connection, with any behaviour.
    ///
    /// # Errors
    /// [`PeerError::Broken`].
    pub fn send(&self, payload: &[u8]) -> Result<(), PeerError> {
        self.shared.act(|peer| peer.send(payload))
    }

    /// Opens a connection from the peer's `port` to the kernel's `address` and waits for the handshake.
    ///
    /// # Errors
    /// [`PeerError::Late`] if no listener accepts within `budget`; [`PeerError::Broken`].
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

    /// Waits for the `count`-th keepalive probe since the start of the recording, and returns it.
    ///
    /// # Errors
    /// [`PeerError::Late`] after `budget`; [`PeerError::Broken`].
    pub fn await_probes(&self, count: usize, budget: Duration) -> Result<Recorded, PeerError> {
        self.await_segment(budget, |recording| {
            recording.probes().nth(count.saturating_sub(1)).cloned()
        })
    }

    /// Waits until `find` returns something for the recording, and returns that.
    ///
    /// # Errors
    /// [`PeerError::Late`] after `budget`; [`PeerError::Broken`].
    pub fn await_segment<T>(
        &self,
        budget: Duration,
        find: impl Fn(&Recording) -> Option<T>,
    ) -> Result<T, PeerError> {
        self.shared.wait(budget, |state| find(state.recorder.recording()))
    }

    /// All segments on the wire so far.
    ///
    /// # Errors
    /// [`PeerError::Broken`], also if a frame was lost between the two ends, or if the kernel has counted more probes
    /// than the recording has: a lost probe would otherwise look like one that was never sent.
    /// [`PeerError::Late`] if the kernel's segments do not arrive.
    pub fn recording(&self) -> Result<Recording, PeerError> {
        /// The time between the kernel's count of a probe and its arrival. The kernel may lose the processor in
        /// between.
        const ARRIVAL_TIMEOUT: Duration = Duration::from_millis(500);
        let broken = |error: io::Error| PeerError::Broken(error.to_string());
        let sent = self.shared.probes_sent().map_err(broken)?;
        self.settle()?;
        self.shared.act(|_| Vec::new())?;
        match self.shared.lost().map_err(broken)? {
            0 => {}
            lost => {
                return Err(PeerError::Broken(format!("the machine dropped {lost} frames")));
            }
        }
        let recorded = |recording: &Recording| recording.probes().count() as u64;
        let complete = |recording: &Recording| (recorded(recording) >= sent).then(|| recording.clone());
        self.await_segment(ARRIVAL_TIMEOUT, complete)
            .map_err(|error| match error {
                PeerError::Late { .. } => PeerError::Broken(format!(
                    "the kernel counts {sent} keepalive probes, the wire carried {}",
                    recorded(self.shared.state().recorder.recording())
                )),
                other => other,
            })
    }

    /// Waits until everything that the kernel has sent so far has reached the peer.
    fn settle(&self) -> Result<(), PeerError> {
        /// A machine that needs longer for one datagram is too slow to measure times on.
        const TIMEOUT: Duration = Duration::from_secs(5);
        let number = self.marker.send().map_err(during("send a marker"))?;
        self.shared
            .wait(TIMEOUT, |state| (state.marked >= number).then_some(()))
    }
}

impl Drop for WirePeer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has already printed its message.
            let _ = thread.join();
        }
    }
}

/// The time since the Unix epoch on the real-time clock, which the kernel's time stamps use.
pub(crate) fn now() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).expect("every system has a real-time clock");
    Duration::from(now)
}

fn during(step: &'static str) -> impl FnOnce(io::Error) -> PeerError {
    move |source| PeerError::Wire { step, source }
}
