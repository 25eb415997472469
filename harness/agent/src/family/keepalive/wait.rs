//! Steps that take minutes: a connect that nothing answers, and a port that is not free yet.
//!
//! Whether a port is free is found with bind(2), because a server that restarts does the same, and because it is the only
//! way that all systems have. That means polling, every 10 ms. The polls are due at times counted from the origin, so
//! that the time they take does not accumulate.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use reusespec_core::Observed;
use reusespec_core::step::keepalive::{AwaitConnect, AwaitFree};
use reusespec_wire::segment::{Direction, Pair};
use socket2::{Domain, Protocol, Socket, Type};

use super::connection::{PEER_PORT, raw};
use super::end::ready;
use super::option::pending_error;
use super::watch::Origin;
use super::{Answer, Connections, Owner, Stop, any};

/// How often a port is polled.
const POLL_EVERY: Duration = Duration::from_millis(10);

impl Connections<'_, '_> {
    pub(super) fn await_connect(&mut self, step: &AwaitConnect) -> Answer {
        let lateness_log = self.run.lateness_log;
        let peer = self.wire()?.peer.addresses().peer(any(step.family));
        let peer = SocketAddr::new(peer, PEER_PORT);
        let socket = raw(step.family)?;
        socket.set_nonblocking(true)?;
        let deadline = Instant::now() + step.within.0;
        let begun = self.wire()?.peer.elapsed();
        let outcome = match socket.connect(&peer.into()) {
            Ok(()) => Some("ok".to_owned()),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {
                let ended = || ready(&socket, PollFlags::POLLOUT, deadline);
                if self.run.reporter.waiting(ended)??.is_empty() {
                    None
                } else {
                    Some(pending_error(&socket)?.unwrap_or_else(|| "ok".to_owned()))
                }
            }
            Err(error) => return Err(error.into()),
        };
        self.note_wait();
        let wire = self.wire()?;
        let ended = wire.peer.elapsed();
        let recording = wire.peer.recording()?;
        let first = recording.segments.iter().find(|segment| {
            segment.at >= begun && segment.direction == Direction::FromKernel && segment.pair.peer == peer
        });
        let first = first.ok_or_else(|| Stop::Broken("the kernel sent nothing".to_owned()))?;
        let origin = Origin {
            pair: first.pair,
            at: first.at,
            late: Duration::ZERO,
            from: first.at,
            until: ended.min(begun + step.within.0),
        };
        let at = outcome.is_some().then_some(ended);
        let outcome = outcome.unwrap_or_else(|| "nothing".to_owned());
        let mut timed = origin.timed(outcome, at, wire, lateness_log)?;
        timed.until_us = at.is_none().then(|| origin.since_us(origin.until));
        timed.resent_us = Some(origin.resent_us(&recording));
        self.add(&step.socket, Owner::Agent(socket), Some(origin.pair));
        Ok(Observed::Timed(timed))
    }

    pub(super) fn await_free(&mut self, step: &AwaitFree) -> Answer {
        let lateness_log = self.run.lateness_log;
        let origin = self.origin(&step.socket)?;
        let wire = self.wire.as_ref().expect("an origin is on a wire");
        // Whole polls since the origin.
        let polls_in =
            |time: Duration| u32::try_from(time.as_millis() / POLL_EVERY.as_millis()).unwrap_or(u32::MAX);
        let first = polls_in(wire.peer.elapsed().saturating_sub(origin.at));
        let polls = first..=first.saturating_add(polls_in(step.within.0));
        let taken = self.run.reporter.waiting(|| {
            let mut last = None;
            for poll in polls {
                let due = origin.at + POLL_EVERY * poll;
                thread::sleep(due.saturating_sub(wire.peer.elapsed()));
                match bind_to(origin.pair) {
                    Ok(()) => return Ok(wire.peer.elapsed()),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.expect("there is a first poll"))
        })?;
        self.note_wait();
        let wire = self.wire.as_ref().expect("an origin is on a wire");
        let (outcome, at) = match taken {
            Ok(at) => ("ok".to_owned(), Some(at)),
            Err(error) => (crate::errno::name(&error), None),
        };
        Ok(Observed::Timed(origin.timed(outcome, at, wire, lateness_log)?))
    }
}

/// Binds a new socket to the kernel's end of the connection, and closes it.
fn bind_to(pair: Pair) -> io::Result<()> {
    let socket = Socket::new(
        Domain::for_address(pair.kernel),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.bind(&pair.kernel.into())
}
