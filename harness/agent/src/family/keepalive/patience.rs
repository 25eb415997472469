//! What takes minutes: a connect nobody answers, a port that is not free yet, and when such a case begins.
//!
//! How long a port is taken is asked with bind(2), because that is what a server that restarts does, and no system tells
//! it in any other way that all have. The price is a look each hundredth of a second; the looks are at times counted from
//! the origin, so that what a look costs does not add up.
//!
//! A coarse timer's wheel does not begin to turn when a case begins. Seven thousand seconds are rounded up to where a
//! spoke of 8^5 ticks comes by, so the first default probe is up to two minutes late, and how late depends on when it was
//! set. Where waiting costs nothing a case therefore begins with a turn, and each of its steps early in a tick a spoke
//! later: what it observes then depends on nothing that came before it, neither on how long the kernel took to start nor
//! on other cases. What a kernel does at its first connection is done before: Linux fills 256 KiB with random numbers
//! (net/ipv4/inet_hashtables.c, table_perturb), which delays the first SYN by six milliseconds at 1 ns per instruction.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use nix::time::{ClockId, clock_gettime};
use reusespec_core::Observed;
use reusespec_core::step::keepalive::{AwaitConnect, AwaitFree};
use reusespec_wire::segment::{Direction, Pair};
use socket2::{Domain, Protocol, Socket, Type};

use super::connection::{PEER_PORT, raw};
use super::end::ready;
use super::option::pending_error;
use super::watch::Origin;
use super::{Answer, Connections, Stop, any};
use crate::clocks;

/// How often a port is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Ticks between two spokes of the wheel on which Linux keeps waits of hours (kernel/time/timer.c: eight to the level).
/// All finer wheels have turned round by then.
const TICKS_OF_A_TURN: u64 = 8 * 8 * 8 * 8 * 8;
/// Ticks between two spokes of the wheel of waits of a second.
const TICKS_OF_A_SPOKE: u32 = 8;

/// How long a turn takes, and a case at most to begin.
pub(crate) fn turn() -> Duration {
    Duration::from_micros(clocks::tick_us() * TICKS_OF_A_TURN)
}

/// Has the kernel do what it does once, and waits until the time since its start is a multiple of a turn.
pub(super) fn wait_for_a_whole_turn() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    TcpStream::connect(listener.local_addr()?)?;
    wait_for_a_multiple_of(turn());
    wait_for_a_spoke();
    Ok(())
}

/// Waits for the first spoke above a single tick, and into its tick: what the step costs is not to carry it into the next.
pub(super) fn wait_for_a_spoke() {
    let tick = Duration::from_micros(clocks::tick_us());
    wait_for_a_multiple_of(tick * TICKS_OF_A_SPOKE);
    thread::sleep(tick / 4);
}

fn wait_for_a_multiple_of(period: Duration) {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every system has a monotonic clock");
    let gone = Duration::from(now).as_nanos() % period.as_nanos();
    thread::sleep(period - Duration::from_nanos(gone as u64));
}

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
            until: ended,
        };
        let at = outcome.is_some().then_some(ended);
        let outcome = outcome.unwrap_or_else(|| "nothing".to_owned());
        let mut timed = origin.timed(outcome, at, wire, lateness_log)?;
        timed.resent_us = Some(origin.resent_us(&recording));
        self.add(&step.socket, socket, Some(origin.pair));
        Ok(Observed::Timed(timed))
    }

    pub(super) fn await_free(&mut self, step: &AwaitFree) -> Answer {
        let lateness_log = self.run.lateness_log;
        let origin = self.origin(&step.socket)?;
        let wire = self.wire.as_ref().expect("an origin is on a wire");
        // Whole looks since the origin.
        let looks_in =
            |time: Duration| u32::try_from(time.as_millis() / LOOK_EVERY.as_millis()).unwrap_or(u32::MAX);
        let first = looks_in(wire.peer.elapsed().saturating_sub(origin.at));
        let looks = first..=first.saturating_add(looks_in(step.within.0));
        let taken = self.run.reporter.waiting(|| {
            let mut last = None;
            for look in looks {
                let due = origin.at + LOOK_EVERY * look;
                thread::sleep(due.saturating_sub(wire.peer.elapsed()));
                match bind_to(origin.pair) {
                    Ok(()) => return Ok(wire.peer.elapsed()),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.expect("there is a first look"))
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

/// Binds the kernel's end of the connection to a new socket that is gone at once.
fn bind_to(pair: Pair) -> io::Result<()> {
    let socket = Socket::new(
        Domain::for_address(pair.kernel),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.bind(&pair.kernel.into())
}
