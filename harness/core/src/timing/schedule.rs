//! The keepalive schedule that a case's steps set, and its named moments.
//!
//! This is arithmetic over the steps. It never reads an option back, because a kernel or an implementation with a wrong
//! unit would then move the moment that it is measured against. The last value set before a step counts, whether a
//! system call, a sysctl or the implementation sets it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::case::{Case, Steps};
use crate::duration::parse_duration;
use crate::step::keepalive::{KeepaliveStep, RawOption, Time};

/// Idle, interval and count; `None` for what no step sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Quiet time before the first probe.
    pub idle: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
    /// Number of unanswered probes before the connection ends.
    pub count: Option<u32>,
}

/// A moment of a schedule, as a time since the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `origin`: time zero.
    Origin,
    /// `idle-end`, `2nd-probe`, `3rd-probe`, …: idle + (number − 1) × interval. The first probe has number 1.
    Probe(u32),
    /// `schedule-end`: idle + count × interval.
    ScheduleEnd,
    /// `1.5s`: a time that the scenario gives.
    After(Duration),
}

impl Schedule {
    /// The schedule that the steps of a case have set when the step with this label begins.
    pub fn at(case: &Case, label: &str) -> Self {
        let mut schedule = Self::default();
        let Steps::Keepalive(steps) = &case.steps else {
            return schedule;
        };
        for step in steps {
            if step.label.as_deref() == Some(label) {
                break;
            }
            schedule.apply(&step.action);
        }
        schedule
    }

    #[deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]
    fn apply(&mut self, step: &KeepaliveStep) {
        let whole = |time: Time| Duration::from_secs(time.0.as_nanos().div_ceil(1_000_000_000) as u64);
        match step {
            KeepaliveStep::SetRaw(set) => {
                let Ok(value) = u32::try_from(set.value) else {
                    return;
                };
                let seconds = Duration::from_secs(value.into());
                match set.option {
                    RawOption::TCP_KEEPIDLE => self.idle = Some(seconds),
                    RawOption::TCP_KEEPINTVL => self.interval = Some(seconds),
                    RawOption::TCP_KEEPCNT => self.count = Some(value),
                    RawOption::SO_KEEPALIVE
                    | RawOption::SO_ERROR
                    | RawOption::TCP_USER_TIMEOUT
                    | RawOption::TCP_SYNCNT
                    | RawOption::TCP_LINGER2 => {}
                }
            }
            KeepaliveStep::Keepalive(set) => {
                self.idle = set.idle.map(whole).or(self.idle);
                self.interval = set.interval.map(whole).or(self.interval);
                self.count = set.count.or(self.count);
            }
            KeepaliveStep::KeepalivePeriod(set) => self.idle = Some(whole(set.period)),
            KeepaliveStep::Sysctl(set) => {
                let Ok(value) = set.value.parse::<u32>() else {
                    return;
                };
                let [seconds, milliseconds] = [
                    Duration::from_secs(value.into()),
                    Duration::from_millis(value.into()),
                ];
                match set.name.as_str() {
                    "net.ipv4.tcp_keepalive_time" => self.idle = Some(seconds),
                    "net.ipv4.tcp_keepalive_intvl" => self.interval = Some(seconds),
                    "net.ipv4.tcp_keepalive_probes" | "net.inet.tcp.keepcnt" => self.count = Some(value),
                    "net.inet.tcp.keepidle" => self.idle = Some(milliseconds),
                    "net.inet.tcp.keepintvl" => self.interval = Some(milliseconds),
                    _ => {}
                }
            }
            KeepaliveStep::Open(_)
            | KeepaliveStep::Connect(_)
            | KeepaliveStep::Listen(_)
            | KeepaliveStep::Dial(_)
            | KeepaliveStep::Accept(_)
            | KeepaliveStep::KeepaliveOff(_)
            | KeepaliveStep::GetRaw(_)
            | KeepaliveStep::Peer(_)
            | KeepaliveStep::PeerSend(_)
            | KeepaliveStep::Mark(_)
            | KeepaliveStep::Quiet(_)
            | KeepaliveStep::AwaitProbes(_)
            | KeepaliveStep::AwaitClose(_)
            | KeepaliveStep::AwaitConnect(_)
            | KeepaliveStep::AwaitFree(_)
            | KeepaliveStep::Send(_)
            | KeepaliveStep::Receive(_)
            | KeepaliveStep::Shutdown(_)
            | KeepaliveStep::Close(_) => {}
        }
    }

    /// The time of the moment; `None` if the steps do not set it.
    pub fn due(&self, moment: Moment) -> Option<Duration> {
        match moment {
            Moment::Origin => Some(Duration::ZERO),
            Moment::After(time) => Some(time),
            Moment::Probe(1) => self.idle,
            Moment::Probe(number) => Some(self.idle? + self.interval? * number.saturating_sub(1)),
            Moment::ScheduleEnd => self.due(Moment::Probe(self.count?.saturating_add(1))),
        }
    }

    /// The kernel's timers that run one after the other until the moment: their lengths, and how often each runs.
    pub fn timers(&self, moment: Moment) -> Vec<(Duration, u32)> {
        match moment {
            Moment::Origin => vec![(Duration::ZERO, 1)],
            Moment::After(time) => vec![(time, 1)],
            Moment::Probe(number) => {
                let idle = self.idle.map(|idle| (idle, 1));
                let intervals = self.interval.map(|interval| (interval, number.saturating_sub(1)));
                idle.into_iter().chain(intervals).collect()
            }
            Moment::ScheduleEnd => self.timers(Moment::Probe(self.count.unwrap_or(0).saturating_add(1))),
        }
    }

    /// The named moments up to the probe of this number. A time is named after the first one that fits.
    pub fn moments(&self, probes: u32) -> Vec<Moment> {
        let mut moments = vec![Moment::ScheduleEnd];
        moments.extend((1..=probes.max(1)).map(Moment::Probe));
        moments.push(Moment::Origin);
        moments.retain(|moment| self.due(*moment).is_some());
        moments
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin => f.write_str("origin"),
            Self::Probe(1) => f.write_str("idle-end"),
            Self::Probe(number) => write!(f, "{number}{}-probe", ordinal(*number)),
            Self::ScheduleEnd => f.write_str("schedule-end"),
            Self::After(time) => write!(f, "{}s", time.as_secs_f64()),
        }
    }
}

fn ordinal(number: u32) -> &'static str {
    match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "origin" => return Ok(Self::Origin),
            "idle-end" => return Ok(Self::Probe(1)),
            "schedule-end" => return Ok(Self::ScheduleEnd),
            _ => {}
        }
        let number = text.strip_suffix("-probe").and_then(|ordinal| {
            let digits = ordinal.trim_end_matches(|c: char| c.is_ascii_lowercase());
            digits.parse().ok().filter(|number| *number > 0)
        });
        let moment = number
            .map(Self::Probe)
            .or_else(|| parse_duration(text).map(Self::After));
        moment.ok_or_else(|| {
            format!(
                "unknown moment `{text}`, expected `origin`, `idle-end`, `schedule-end`, a probe such as `2nd-probe`, \
                 or a time such as `1.5s`"
            )
        })
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl<'de> serde::Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "`origin`, `idle-end`, `2nd-probe`, `schedule-end`, or a time such as `1.5s`",
            "pattern": r"^(origin|idle-end|schedule-end|[0-9]+(st|nd|rd|th)-probe|[0-9]+(\.[0-9]+)?(ms|s))$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_back_as_they_are_written() {
        for text in [
            "origin",
            "idle-end",
            "2nd-probe",
            "3rd-probe",
            "11th-probe",
            "schedule-end",
            "1.5s",
        ] {
            assert_eq!(text.parse::<Moment>().unwrap().to_string(), text);
        }
        assert!("0th-probe".parse::<Moment>().is_err());
        assert!("soon".parse::<Moment>().is_err());
    }

    #[test]
    fn the_schedule_ends_an_interval_after_the_last_probe() {
        let schedule = Schedule {
            idle: Some(Duration::from_secs(2)),
            interval: Some(Duration::from_secs(1)),
            count: Some(3),
        };
        assert_eq!(schedule.due(Moment::Probe(3)), Some(Duration::from_secs(4)));
        assert_eq!(schedule.due(Moment::ScheduleEnd), Some(Duration::from_secs(5)));
        let seconds = Duration::from_secs;
        assert_eq!(
            schedule.timers(Moment::ScheduleEnd),
            [(seconds(2), 1), (seconds(1), 3)]
        );
    }

    #[test]
    fn without_a_schedule_only_the_origin_is_a_moment() {
        assert_eq!(Schedule::default().due(Moment::ScheduleEnd), None);
        assert_eq!(Schedule::default().moments(3), [Moment::Origin]);
    }
}
