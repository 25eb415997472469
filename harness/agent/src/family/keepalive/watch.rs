//! Waiting for what a connection does, and saying what its wire showed meanwhile.
//!
//! Times are those of the wire's recording, stamped by the kernel where it stamps. The end of a connection has
//! the time of the segment that brought it about: the RST of the kernel, the FIN of the peer, or what the peer
//! answered with an RST. When the peer or the application was let run is the scheduler's business.

use std::time::{Duration, Instant};

use reusespec_core::step::keepalive::{AwaitClose, AwaitProbes, Quiet};
use reusespec_core::{Observed, Timed, timing};
use reusespec_wire::segment::{Direction, Flags, Pair, Recorded, Recording};

use super::end::{EOF, end};
use super::resent::resent;
use super::{Answer, Connections, LatenessLog, Mark, Stop, Wire};
use crate::peer::{PeerError, now};

const ALIVE: &str = "alive";
/// How long the RST of an end may be on its way to the recording after the application has heard of the end: it comes
/// from a timer, maybe on another processor, and what this one sends meanwhile may overtake it. On a busy machine a
/// tenth of a second was too short once in some ten thousand ends.
const RESET_WITHIN: Duration = Duration::from_millis(500);

/// Where an observation begins.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) pair: Pair,
    /// What times count from: the peer's last segment or the mark.
    pub(super) at: Duration,
    /// How late the mark came, where it is the mark.
    pub(super) late: Duration,
    /// Segments before this are not looked at.
    pub(super) from: Duration,
    /// Nor those after this: what the case sees because it was woken late is not part of what it waited for.
    pub(super) until: Duration,
}

/// A segment of the kernel with a sequence number it has had acknowledged: a probe, whatever its form.
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

/// What kind of segment it is, where it is more than an acknowledgement.
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

/// The segment that brought this outcome about, if one did. What came to no error came by no segment.
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

/// When the peer last said something that is no answer to what an observation beginning now is about.
///
/// A kernel that has to probe at once does so while the case is still on its way from the step that asked for it to
/// the one that watches; on a slow machine the answer is there before the watching begins.
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

    fn since_us(&self, at: Duration) -> i64 {
        let us = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        us(at) - us(self.at)
    }

    /// What the case itself took between the two moments a kernel may count from: the peer's last segment, and
    /// when keepalive was switched on. What the scenario waits on purpose is not slowness.
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
            resent_us: None,
            answers: self.answers(&recording),
            origin_late_us: self.late.as_micros() as u64,
            late: timing::Lateness {
                least_us: late.least_us + own_us,
                most_us: late.most_us + own_us,
            },
            cell: String::new(),
        })
    }

    /// When the kernel sent something again.
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
    /// Where an observation of a connection that begins now counts from.
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
        Ok(Observed::Timed(origin.timed(
            outcome,
            None,
            wire,
            lateness_log,
        )?))
    }

    /// Waits on purpose for so long, and notes what it took.
    fn pause(&mut self, time: Duration) -> Result<(), Stop> {
        let begun = Instant::now();
        self.run.reporter.waiting(|| std::thread::sleep(time))?;
        self.note_wait();
        if let Some(wire) = &mut self.wire {
            wire.waits.over += begun.elapsed().saturating_sub(time);
        }
        Ok(())
    }

    /// Notes that the scenario has waited on purpose up to now.
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
        let found = self.run.reporter.waiting(|| {
            wire.peer.await_segment(step.within.0, |recording| {
                let mut probes = origin.segments(recording).filter(|each| is_probe(each));
                probes.nth(number).map(|probe| probe.at)
            })
        })?;
        self.note_wait();
        let wire = self.wire.as_ref().expect("an origin is on a wire");
        let outcome = match found {
            Ok(at) => {
                origin.until = at;
                "ok"
            }
            Err(PeerError::Late { .. }) => "too few",
            Err(error) => return Err(error.into()),
        };
        Ok(Observed::Timed(origin.timed(
            outcome.to_owned(),
            None,
            wire,
            lateness_log,
        )?))
    }

    pub(super) fn await_close(&mut self, step: &AwaitClose) -> Answer {
        let lateness_log = self.run.lateness_log;
        let mut origin = self.origin(&step.socket)?;
        let begun = self.wire()?.peer.elapsed();
        let socket = self.socket(&step.socket)?.try_clone()?;
        let end = self
            .run
            .reporter
            .waiting(|| end(&socket, step.via, step.within.0))??;
        let wire = self.wire.as_ref().expect("an origin is on a wire");
        let at = end.as_ref().map(|_| wire.peer.elapsed());
        if let Some(end) = &end {
            let caused = |recording: &Recording| cause(end, origin.segments(recording)).map(|_| ());
            // Not every end has a segment for a cause: then the application's time is all there is.
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
    fn the_answer_to_a_probe_that_came_before_the_watching_is_not_where_times_count_from() {
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
