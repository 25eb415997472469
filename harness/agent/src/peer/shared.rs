//! The state of the wire peer, shared between its thread and the case.
//!
//! The thread receives segments and sends the replies. A case that changes the peer first receives what waits on the
//! wire, so that the change falls between two segments. The price: the case's thread may do the work of the peer's
//! thread.

use std::io::{self, PipeReader};
use std::os::fd::AsFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use reusespec_wire::segment::{Direction, Peer, Recorder, Segment, unreachable};

use super::{Link, PeerError, marker, now};

/// The timeout of one poll of the wire. A DragonFly guest with two processors sometimes does not wake up a process that
/// polls a tun device. Its source does not show why.
const POLL_TIMEOUT_MS: Option<u8> = if cfg!(target_os = "dragonfly") {
    Some(100)
} else {
    None
};

#[derive(Debug)]
pub(super) struct Shared {
    link: Link,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) peer: Peer,
    pub(super) recorder: Recorder,
    /// The start of the recording, on the clock of [`now`].
    pub(super) began: Duration,
    broken: Option<String>,
    /// The number of the last marker that has arrived.
    pub(super) marked: u64,
}

impl Shared {
    pub(super) fn new(link: Link, peer: Peer) -> Self {
        let began = now();
        let state = State {
            peer,
            recorder: Recorder::new(began),
            began,
            broken: None,
            marked: 0,
        };
        Self {
            link,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// The number of frames that were lost between the two ends.
    pub(super) fn lost(&self) -> io::Result<u64> {
        self.link.lost()
    }

    /// The number of keepalive probes that the kernel has counted.
    pub(super) fn probes_sent(&self) -> io::Result<u64> {
        self.link.probes_sent()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The peer's thread: receives segments until `stopped` closes or the wire breaks.
    pub(super) fn run(&self, stopped: &PipeReader) {
        loop {
            let mut waiting = [
                PollFd::new(self.link.as_fd(), PollFlags::POLLIN),
                PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
            ];
            let polled = poll(&mut waiting, POLL_TIMEOUT_MS);
            if waiting[1].any().unwrap_or(true) {
                return;
            }
            let mut state = self.state();
            match polled {
                Ok(_) => state.receive_all(&self.link),
                Err(Errno::EINTR) => {}
                Err(errno) => state.broken = Some(errno.to_string()),
            }
            let broken = state.broken.is_some();
            drop(state);
            self.changed.notify_all();
            if broken {
                return;
            }
        }
    }

    /// Receives what waits on the wire, calls `act`, and sends the segments that it returns.
    pub(super) fn act(&self, act: impl FnOnce(&mut Peer) -> Vec<Segment>) -> Result<(), PeerError> {
        let mut state = self.state();
        state.receive_all(&self.link);
        let segments = act(&mut state.peer);
        state.send(&self.link, &segments);
        let broken = state.broken.clone();
        drop(state);
        self.changed.notify_all();
        broken.map_or(Ok(()), |why| Err(PeerError::Broken(why)))
    }

    /// Waits until `find` returns something for the state, and returns that.
    pub(super) fn wait<T>(
        &self,
        budget: Duration,
        find: impl Fn(&State) -> Option<T>,
    ) -> Result<T, PeerError> {
        let deadline = Instant::now() + budget;
        let mut state = self.state();
        loop {
            if let Some(found) = find(&state) {
                return Ok(found);
            }
            if let Some(why) = &state.broken {
                return Err(PeerError::Broken(why.clone()));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(PeerError::Late { budget });
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    /// Receives all datagrams that wait on the wire and sends the replies. Ignores everything but TCP and markers.
    fn receive_all(&mut self, link: &Link) {
        loop {
            match link.receive() {
                Ok(Some((at, datagram))) => {
                    if let Some(number) = marker::number(&datagram) {
                        self.marked = self.marked.max(number);
                    } else if let Ok(segment) = Segment::parse(&datagram) {
                        let router = self.peer.is_unreachable().then(|| unreachable(&datagram));
                        self.record(at, Direction::FromKernel, &segment, datagram);
                        let replies = self.peer.receive(&segment);
                        self.send(link, &replies);
                        if let Some(message) = router.flatten()
                            && let Err(error) = link.send(&message)
                        {
                            return self.broken = Some(error.to_string());
                        }
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    self.broken = Some(error.to_string());
                    return;
                }
            }
        }
    }

    fn send(&mut self, link: &Link, segments: &[Segment]) {
        for segment in segments {
            let datagram = match segment.emit() {
                Ok(datagram) => datagram,
                Err(error) => return self.broken = Some(error.to_string()),
            };
            match link.send(&datagram) {
                Ok(at) => self.record(at, Direction::FromPeer, segment, datagram),
                Err(error) => return self.broken = Some(error.to_string()),
            }
        }
    }

    fn record(&mut self, at: Duration, direction: Direction, segment: &Segment, datagram: Vec<u8>) {
        self.recorder
            .record(at.saturating_sub(self.began), direction, segment, datagram);
    }
}
