//! Waits for events of a connection, and reports what the wire peer recorded meanwhile.
//!
//! Times are those of the recording: the kernel's time stamps where it has them. The end of a connection has the time
//! of the segment that caused it: the RST of the kernel, the FIN of the peer, or the segment that the peer answered
//! with an RST. The times at which the peer and the application run do not count, because they depend on the scheduler.

use std::time::{Duration, Instant};

use reusespec_core::step::keepalive::{AwaitClose, AwaitProbes, Quiet, Via};
use reusespec_core::{Observed, Timed, timing};
use reusespec_wire::segment::{Direction, Flags, Pair, Recorded, Recording};

use super::end::{EOF, end};
use super::implementation::not_started;
use super::resent::resent;
use super::{Answer, Connections, LatenessLog, Mark, Owner, Stop, Wire};
use crate::peer::{PeerError, now};
use crate::program::{ProgramError, Received};

const ALIVE: &str = "alive";
/// How long to wait for the RST in the recording after the application has seen the end. The RST comes from a timer,
/// possibly on another processor, and segments of this one may overtake it. On a busy machine 100 ms was too short in
/// one of some ten thousand ends.
const RESET_WITHIN: Duration = Duration::from_millis(500);

/// The connection and the time window of an observation, on the recording's clock.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) pair: Pair,
    /// The origin of its times: the peer's last segment or the mark, whichever is later.
    pub(super) at: Duration,
    /// Upper bound of the mark's lateness, if the origin is the mark.
    pub(super) late: Duration,
    /// Earlier segments are ignored.
    pub(super) from: Duration,
    /// Later segments are ignored: a case that wakes up late would see more of them.
    pub(super) until: Duration,
}

/// A probe of any form: a segment of the kernel whose sequence number the peer has acknowledged.
fn is_probe(segment: &Recorded) -> bool {
    let control = [Flags::SYN, Flags::FIN, Flags::RST];
    segment.direction == Direction::FromKernel
        && segment.seq == segment.una - 1
        && segment.flags.contains(Flags::ACK)
        && !control.into_iter().any(|flag| segment.flags.contains(flag))
}

fn is_reset(segment: &Recorded) -> bool {
    segment.direction == Direction::FromKernel && segment.flags.contains(Flags::RST)
}

/// `seq=una-1 len=0 A ack=next`.
fn form(probe: &Recorded) -> String {
    let ack = match probe.ack {
        None => "none".to_owned(),
        Some(ack) if ack == probe.next => "next".to_owned(),
        Some(ack) => format!("next{:+}", i64::from(ack) - i64::from(probe.next)),
    };
    format!(
        "seq=una{:+} len={} {} ack={ack}",
        i64::from(probe.seq) - i64::from(probe.una),
        probe.len,
        probe.flags
    )
}

/// The kind of a segment of the kernel; `None` for a bare acknowledgement.
fn kind(segment: &Recorded) -> Option<&'static str> {
    let has = |flag| segment.flags.contains(flag);
    match segment.direction {
        Direction::FromPeer => None,
        Direction::FromKernel if has(Flags::RST) => Some("RST"),
        Direction::FromKernel if has(Flags::FIN) => Some("FIN"),
        Direction::FromKernel if is_probe(segment) => Some("probe"),
        Direction::FromKernel if segment.len > 0 => Some("data"),
        Direction::FromKernel => None,
    }
}

/// The segment that caused this outcome. The outcome `ok` has none.
fn cause<'r>(outcome: &str, segments: impl Iterator<Item = &'r Recorded>) -> Option<&'r Recorded> {
    if outcome == "ok" {
        return None;
    }
    let mut last_of_kernel = None;
    for segment in segments {
        match segment.direction {
            Direction::FromKernel if segment.flags.contains(Flags::RST) => return Some(segment),
            Direction::FromPeer if segment.flags.contains(Flags::RST) => return last_of_kernel,
            Direction::FromPeer if outcome == EOF && segment.flags.contains(Flags::FIN) => {
                return Some(segment);
            }
            Direction::FromKernel => last_of_kernel = Some(segment),
            Direction::FromPeer => {}
        }
    }
    None
}

/// When the peer last sent a segment that does not answer a probe of the observation that begins now.
///
/// `waited` is the end of the scenario's last wait. A kernel that has to probe at once does so before the case reaches
/// the step that watches, and on a slow machine the peer's answer is recorded by then too.
fn last_heard(segments: &[Recorded], pair: Pair, waited: Duration) -> Option<Duration> {
    let of_pair = || segments.iter().filter(|segment| segment.pair == pair);
    let first_probe = of_pair().find(|segment| segment.at >= waited && is_probe(segment));
    of_pair()
        .filter(|segment| segment.direction == Direction::FromPeer)
        .rfind(|segment| first_probe.is_none_or(|probe| segment.at < probe.at))
        .map(|segment| segment.at)
}

impl Origin {
    fn segments<'r>(&self, recording: &'r Recording) -> impl Iterator<Item = &'r Recorded> {
        let (pair, window) = (self.pair, self.from..=self.until);
        let meant = move |segment: &&Recorded| segment.pair == pair && window.contains(&segment.at);
        recording.segments.iter().filter(meant)
    }

    /// A time since the origin, in microseconds.
    pub(super) fn since_us(&self, at: Duration) -> i64 {
        let us = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        us(at) - us(self.at)
    }

    /// The time that the case's own steps took between the two moments that a kernel may count from: the peer's last
    /// segment, and the switching on of keepalive. Waits of the scenario are not included.
    fn preparation(&self, wire: &Wire) -> Duration {
        let own = |switched: Mark| switched.at.checked_sub(self.at.max(switched.waits.until));
        wire.switched.and_then(own).unwrap_or_default()
    }

    /// The peer's answers to probes.
    fn answers(&self, recording: &Recording) -> Vec<timing::Answer> {
        let mut asked = None;
        let mut answers = Vec::new();
        for segment in self.segments(recording) {
            match segment.direction {
                Direction::FromKernel => asked = is_probe(segment).then(|| self.since_us(segment.at)),
                Direction::FromPeer => answers.extend(asked.take().map(|asked| {
                    let at_us = self.since_us(segment.at);
                    let took_us = at_us - asked;
                    timing::Answer { at_us, took_us }
                })),
            }
        }
        answers
    }

    /// What the recording shows of this window, with an outcome and its time by the application.
    pub(super) fn timed(
        &self,
        outcome: String,
        at: Option<Duration>,
        wire: &Wire,
        lateness_log: LatenessLog,
    ) -> Result<Timed, PeerError> {
        let recording = wire.peer.recording()?;
        let probes: Vec<_> = self.segments(&recording).filter(|each| is_probe(each)).collect();
        let mut forms: Vec<String> = Vec::new();
        for form in probes.iter().map(|probe| form(probe)) {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        let reset = self.segments(&recording).find(|each| is_reset(each));
        let reset_us = reset.map(|reset| self.since_us(reset.at));
        let cause = cause(&outcome, self.segments(&recording)).map(|segment| segment.at);
        let own_us = (self.preparation(wire) + wire.waits.over).as_micros() as u64;
        let late = lateness_log.lateness(recording.began + self.at, now());
        Ok(Timed {
            at_us: at.map(|at| self.since_us(cause.unwrap_or(at))),
            outcome,
            probes_us: probes.iter().map(|probe| self.since_us(probe.at)).collect(),
            forms,
            reset_us,
            answers: self.answers(&recording),
            origin_late_us: self.late.as_micros() as u64,
            late: timing::Lateness {
                least_us: late.least_us + own_us,
                most_us: late.most_us + own_us,
            },
            ..Timed::default()
        })
    }

    /// When the kernel retransmitted something in this window.
    pub(super) fn resent_us(&self, recording: &Recording) -> Vec<i64> {
        let is_meant = |each: &&Recorded| each.pair == self.pair;
        let again = resent(recording.segments.iter().filter(is_meant));
        let meant = again
            .into_iter()
            .filter(|at| (self.from..=self.until).contains(at));
        meant.map(|at| self.since_us(at)).collect()
    }
}

impl Connections<'_, '_> {
    /// The window of an observation of the connection that begins now.
    pub(super) fn origin(&mut self, name: &str) -> Result<Origin, Stop> {
        let pair = self.named(name)?.pair;
        let pair = pair.ok_or_else(|| Stop::Broken(format!("`{name}` is not connected over a wire")))?;
        let wire = self.wire()?;
        let recording = wire.peer.recording()?;
        let heard = last_heard(&recording.segments, pair, wire.waits.until).unwrap_or_default();
        let mark = wire.mark;
        let at = heard.max(mark.at);
        let late = mark.waits.over + mark.at.saturating_sub(mark.waits.until.max(heard));
        Ok(Origin {
            pair,
            at,
            late: if at > heard { late } else { Duration::ZERO },
            from: at,
            until: Duration::MAX,
        })
    }

    pub(super) fn quiet(&mut self, step: &Quiet) -> Answer {
        let lateness_log = self.run.lateness_log;
        let Some(name) = &step.socket else {
            self.pause(step.r#for.0)?;
            return Ok(Observed::ok());
        };
        let mut origin = self.origin(name)?;
        origin.from = self.wire()?.peer.elapsed().max(origin.at);
        origin.until = origin.from + step.r#for.0;
        self.pause(step.r#for.0)?;
        let wire = self.wire()?;
        let mut kinds: Vec<&str> = Vec::new();
        for kind in origin.segments(&wire.peer.recording()?).filter_map(kind) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let outcome = if kinds.is_empty() {
            "nothing".to_owned()
        } else {
            kinds.join("+")
        };
        let mut timed = origin.timed(outcome, None, wire, lateness_log)?;
        timed.until_us = Some(origin.since_us(origin.until));
        Ok(Observed::Timed(timed))
    }

    /// Waits as the scenario asks, and notes by how much the wait overran.
    fn pause(&mut self, time: Duration) -> Result<(), Stop> {
        let begun = Instant::now();
        self.run.reporter.waiting(|| std::thread::sleep(time))?;
        self.note_wait();
        if let Some(wire) = &mut self.wire {
            wire.waits.over += begun.elapsed().saturating_sub(time);
        }
        Ok(())
    }

    /// Notes that a wait of the scenario ends now.
    pub(super) fn note_wait(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.waits.until = wire.peer.elapsed();
        }
    }

    pub(super) fn await_probes(&mut self, step: &AwaitProbes) -> Answer {
        let lateness_log = self.run.lateness_log;
        let mut origin = self.origin(&step.socket)?;
        let number = (step.count as usize).saturating_sub(1);
        let wire = self.wire.as_ref().expect("an origin is on a wire");
        let begun = wire.peer.elapsed();
        let found = self.run.reporter.waiting(|| {
            wire.peer.await_segment(step.within.0, |recording| {
                let mut probes = origin.segments(recording).filter(|each| is_probe(each));
                probes.nth(number).map(|probe| probe.at)
            })
        })?;
        self.note_wait();
        let wire = self.wire.as_ref().expect("an origin is on a wire");
        let (outcome, until) = match found {
            Ok(at) => ("ok", at),
            Err(PeerError::Late { .. }) => ("too few", begun + step.within.0),
            Err(error) => return Err(error.into()),
        };
        origin.until = until;
        let mut timed = origin.timed(outcome.to_owned(), None, wire, lateness_log)?;
        timed.until_us = (outcome != "ok").then(|| origin.since_us(until));
        Ok(Observed::Timed(timed))
    }

    /// Waits for the end of a connection and returns how its user sees it; `None` if it sees none within the time.
    fn end(&mut self, step: &AwaitClose) -> Result<Option<String>, Stop> {
        let Owner::Adapter(_) = self.owner(&step.socket)? else {
            let socket = self.socket(&step.socket)?.try_clone()?;
            let end = || end(&socket, step.via, step.within.0);
            return Ok(self.run.reporter.waiting(end)??);
        };
        if step.via != Via::Receive {
            let reason = "an adapter learns of the end of a connection only by receiving";
            return Err(Stop::Unsupported(reason.to_owned()));
        }
        let adapter = self.adapter.as_mut().ok_or_else(not_started)?;
        let deadline = Instant::now() + step.within.0;
        self.run.reporter.waiting(|| {
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                match adapter.receive(&step.socket, left) {
                    Ok(Received::Text(_)) => {}
                    Ok(Received::Nothing) => return Ok(None),
                    Ok(Received::Eof) => return Ok(Some(EOF.to_owned())),
                    Err(ProgramError::Refused(error)) => return Ok(Some(error)),
                    Err(error) => return Err(error.into()),
                }
            }
        })?
    }

    pub(super) fn await_close(&mut self, step: &AwaitClose) -> Answer {
        let lateness_log = self.run.lateness_log;
        let mut origin = self.origin(&step.socket)?;
        let begun = self.wire()?.peer.elapsed();
        let end = self.end(step)?;
        let wire = self.wire.as_ref().expect("an origin is on a wire");
        let at = end.as_ref().map(|_| wire.peer.elapsed());
        if let Some(end) = &end {
            let caused = |recording: &Recording| cause(end, origin.segments(recording)).map(|_| ());
            // An end without a segment for a cause has the application's time.
            let _ = self
                .run
                .reporter
                .waiting(|| wire.peer.await_segment(RESET_WITHIN, caused))?;
        } else {
            origin.until = begun + step.within.0;
        }
        self.note_wait();
        let wire = self.wire.as_ref().expect("an origin is on a wire");
        let outcome = end.unwrap_or_else(|| ALIVE.to_owned());
        let mut timed = origin.timed(outcome, at, wire, lateness_log)?;
        timed.until_us = at.is_none().then(|| origin.since_us(origin.until));
        if step.resent {
            timed.resent_us = Some(origin.resent_us(&wire.peer.recording()?));
        }
        Ok(Observed::Timed(timed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(direction: Direction, ms: u64, seq: i32) -> Recorded {
        Recorded {
            at: Duration::from_millis(ms),
            direction,
            pair: pair(),
            seq,
            ack: Some(1),
            flags: Flags::ACK,
            len: 0,
            window: 0,
            una: 1,
            next: 1,
            datagram: Vec::new(),
        }
    }

    fn pair() -> Pair {
        let end = |port| (std::net::Ipv4Addr::LOCALHOST, port).into();
        Pair {
            peer: end(1),
            kernel: end(2),
        }
    }

    #[test]
    fn an_answer_to_a_probe_before_the_watch_is_not_its_origin() {
        let (probe, peer) = (
            |ms| segment(Direction::FromKernel, ms, 0),
            |ms| segment(Direction::FromPeer, ms, 1),
        );
        let segments = [peer(10), probe(500), peer(501), probe(2_003), peer(2_004)];
        let heard = |waited| last_heard(&segments, pair(), Duration::from_millis(waited));
        assert_eq!(heard(2_000), Some(Duration::from_millis(501)));
        assert_eq!(heard(2_010), Some(Duration::from_millis(2_004)));
    }
}
