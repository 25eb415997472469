//! What a claim expects of a connection over time: an outcome, moments, probes and their form.
//!
//! A claim about time holds, does not hold, or cannot be judged because the machine was late. If it holds, reports show
//! the margin: one that shrinks from run to run announces a flaky claim.

use serde::Deserialize;

use super::{Bounds, Moment, Timed, Tolerance};

/// Conditions on what a watch saw; all of them must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TimedExpectation {
    /// The outcome: `ETIMEDOUT`, `alive`, `nothing`.
    pub outcome: Option<String>,
    /// When the outcome is seen, within the platform's bounds.
    pub at: Option<Moment>,
    /// The earliest time of the outcome; for an outcome without a time, of the first probe.
    pub not_before: Option<Moment>,
    /// The latest time of the outcome; for an outcome without a time, of the first probe.
    pub not_after: Option<Moment>,
    /// The number of probes.
    pub probes: Option<usize>,
    /// The least number of probes.
    pub probes_at_least: Option<usize>,
    /// When the first probe is sent.
    pub first_probe: Option<Moment>,
    /// Whether every probe is within the bounds of the probe of its number.
    pub on_schedule: Option<bool>,
    /// The form of every probe: `seq=una-1 len=0 A ack=next`.
    pub form: Option<String>,
    /// Whether the kernel sends an RST.
    pub reset: Option<bool>,
    /// The number of retransmissions, if the step counts them.
    pub resent: Option<usize>,
    /// The least number of retransmissions.
    pub resent_at_least: Option<usize>,
}

/// The keys, which distinguish this table from conditions on a transcript.
pub(crate) const KEYS: [&str; 12] = [
    "outcome",
    "at",
    "not-before",
    "not-after",
    "probes",
    "probes-at-least",
    "first-probe",
    "on-schedule",
    "form",
    "reset",
    "resent",
    "resent-at-least",
];

/// The result of comparing a watch with the conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// Whether a condition that is not about time is violated.
    pub wrong: bool,
    /// The smallest margin of all times, in microseconds, negative outside the bounds; `None` if no condition is about
    /// time.
    pub margin_us: Option<i64>,
}

impl Finding {
    /// Whether the conditions hold.
    pub fn holds(self) -> bool {
        !self.wrong && self.margin_us.is_none_or(|margin| margin >= 0)
    }

    fn time(&mut self, margin_us: Option<i64>) {
        match margin_us {
            Some(margin) => self.margin_us = Some(self.margin_us.map_or(margin, |worst| worst.min(margin))),
            None => self.wrong = true,
        }
    }

    fn must(&mut self, holds: bool) {
        self.wrong |= !holds;
    }
}

impl TimedExpectation {
    /// Compares what was seen with the conditions.
    pub fn find(&self, seen: &Timed, tolerance: &Tolerance) -> Finding {
        let mut finding = Finding::default();
        let first_probe = seen.probes_us.first().copied();
        let event = seen.at_us.or(first_probe);
        let within = |moment: Moment, at: Option<i64>, margin: fn(&Bounds, i64) -> i64| {
            Some(margin(&tolerance.bounds(moment)?, at?))
        };
        finding.must(
            self.outcome
                .as_ref()
                .is_none_or(|outcome| *outcome == seen.outcome),
        );
        if let Some(moment) = self.at {
            finding.time(within(moment, event, Bounds::margin_us));
        }
        if let (Some(moment), Some(at)) = (self.not_before, event) {
            finding.time(within(moment, Some(at), |bounds, at| at - bounds.earliest_us));
        }
        if let Some(moment) = self.not_after {
            finding.time(within(moment, event, |bounds, at| bounds.latest_us - at));
        }
        if let Some(moment) = self.first_probe {
            finding.time(within(moment, first_probe, Bounds::margin_us));
        }
        finding.must(self.probes.is_none_or(|probes| probes == seen.probes_us.len()));
        finding.must(
            self.probes_at_least
                .is_none_or(|least| least <= seen.probes_us.len()),
        );
        match self.on_schedule {
            Some(true) => finding.time(seen.worst_probe_margin_us(tolerance)),
            Some(false) => finding.must(!seen.is_on_schedule(tolerance)),
            None => {}
        }
        if let Some(form) = &self.form {
            finding.must(seen.forms.iter().all(|each| each == form) && !seen.forms.is_empty());
        }
        finding.must(self.reset.is_none_or(|reset| reset == seen.reset_us.is_some()));
        let resent = seen.resent_us.as_ref().map(Vec::len);
        finding.must(self.resent.is_none_or(|count| resent == Some(count)));
        finding.must(self.resent_at_least.is_none_or(|least| resent >= Some(least)));
        finding
    }

    /// The conditions in words, with the times of their moments.
    pub fn wording(&self, tolerance: Option<&Tolerance>) -> String {
        let moment = |moment: Moment| {
            let due = tolerance.and_then(|tolerance| tolerance.schedule.due(moment));
            match due {
                Some(due) if !matches!(moment, Moment::After(_)) => {
                    format!("{moment} ({:.3} s)", due.as_secs_f64())
                }
                _ => moment.to_string(),
            }
        };
        let mut parts = Vec::new();
        parts.extend(self.outcome.clone());
        parts.extend(self.at.map(|at| format!("at {}", moment(at))));
        parts.extend(self.not_before.map(|at| format!("not before {}", moment(at))));
        parts.extend(self.not_after.map(|at| format!("not after {}", moment(at))));
        parts.extend(self.probes.map(|count| format!("{count} probes")));
        parts.extend(
            self.probes_at_least
                .map(|count| format!("at least {count} probes")),
        );
        parts.extend(
            self.first_probe
                .map(|at| format!("first probe at {}", moment(at))),
        );
        parts.extend(self.on_schedule.map(|on| {
            if on {
                "probes on schedule"
            } else {
                "probes off schedule"
            }
            .into()
        }));
        parts.extend(
            self.form
                .as_ref()
                .map(|form| format!("probes of the form `{form}`")),
        );
        parts.extend(
            self.reset
                .map(|reset| if reset { "an RST" } else { "no RST" }.into()),
        );
        parts.extend(self.resent.map(|count| format!("{count} sent again")));
        parts.extend(
            self.resent_at_least
                .map(|count| format!("at least {count} sent again")),
        );
        parts.join(", ")
    }

    /// The moments in the conditions.
    pub fn moments(&self) -> impl Iterator<Item = Moment> {
        [self.at, self.not_before, self.not_after, self.first_probe]
            .into_iter()
            .flatten()
    }

    /// Whether the two contradict each other: no watch can satisfy both. May miss a contradiction.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        let differ = |one: &Option<String>, other: &Option<String>| matches!((one, other), (Some(one), Some(other)) if one != other);
        let counts = matches!((self.probes, other.probes), (Some(one), Some(other)) if one != other);
        let resent = matches!((self.resent, other.resent), (Some(one), Some(other)) if one != other);
        let resets = matches!((self.reset, other.reset), (Some(one), Some(other)) if one != other);
        differ(&self.outcome, &other.outcome) || differ(&self.form, &other.form) || counts || resets || resent
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Lateness, Schedule, Timers, Timing};
    use super::*;

    fn tolerance() -> Tolerance {
        Tolerance {
            timing: Timing {
                tick_us: 4000,
                timers: Timers::Wheel,
                lateness_us: 1000,
            },
            schedule: Schedule {
                idle: Some(Duration::from_secs(1)),
                interval: Some(Duration::from_secs(1)),
                count: Some(2),
            },
            origin_late_us: 0,
            exact: false,
        }
    }

    fn seen() -> Timed {
        let mut seen = Timed {
            outcome: "ETIMEDOUT".to_owned(),
            at_us: Some(3_075_000),
            probes_us: vec![1_027_000, 2_051_000],
            reset_us: Some(3_075_000),
            ..Timed::default()
        };
        seen.normalise(&tolerance());
        seen
    }

    fn find(text: &str) -> Finding {
        toml::from_str::<TimedExpectation>(text)
            .unwrap()
            .find(&seen(), &tolerance())
    }

    #[test]
    fn a_measured_schedule_is_named_by_its_moments() {
        assert_eq!(
            seen().cell,
            "ETIMEDOUT at schedule-end, 2 probes on schedule, RST"
        );
    }

    #[test]
    fn a_time_near_no_moment_is_rounded() {
        let mut late = Timed {
            outcome: "ETIMEDOUT".to_owned(),
            at_us: Some(2_440_000),
            ..Timed::default()
        };
        late.normalise(&tolerance());
        assert_eq!(late.cell, "ETIMEDOUT at about 2.5 s, no probe");
    }

    #[test]
    fn a_time_in_its_bounds_keeps_its_name_on_a_late_machine() {
        let mut late = Timed {
            late: Lateness {
                least_us: 900_000,
                most_us: 900_000,
            },
            ..seen()
        };
        late.normalise(&tolerance());
        assert_eq!(late.cell, seen().cell);
    }

    #[test]
    fn a_time_inside_its_bounds_has_a_margin() {
        let finding = find("outcome = 'ETIMEDOUT'\nat = 'schedule-end'\non-schedule = true");
        assert!(finding.holds() && finding.margin_us.unwrap() > 10_000);
    }

    #[test]
    fn a_wrong_moment_or_outcome_does_not_hold() {
        assert!(!find("at = 'idle-end'").holds());
        assert!(!find("not-before = '4s'").holds());
        assert!(!find("outcome = 'alive'").holds());
        assert!(!find("probes = 3").holds());
        assert!(!find("reset = false").holds());
    }

    #[test]
    fn the_keys_are_those_of_the_type() {
        for key in KEYS {
            let known = format!("{key} = 'x'");
            let error = toml::from_str::<TimedExpectation>(&known)
                .err()
                .map(|error| error.to_string());
            assert!(
                error.is_none_or(|error| !error.contains("unknown field")),
                "{key}"
            );
        }
    }
}
