//! Expected and seen times side by side, for the report of a failed claim.

use super::{Moment, Timed, TimedExpectation, Tolerance};

/// One line for each moment, ordered by time: seconds, the event due then, the event seen then.
///
/// A line without an event due is one that was not expected. A line with `-` is an event that was not seen.
pub fn timeline(expected: &TimedExpectation, seen: &Timed, tolerance: &Tolerance) -> Vec<String> {
    let mut due = due(expected, tolerance);
    let mut lines: Vec<(i64, String, String)> = Vec::new();
    for (at, what) in events(seen) {
        let fits = |(moment, _): &(Moment, String)| {
            tolerance
                .bounds(*moment)
                .is_some_and(|bounds| bounds.margin_us(at) >= 0)
        };
        let place = due.iter().position(fits);
        let left = place.map(|place| due.remove(place).1).unwrap_or_default();
        lines.push((at, left, format!("{what} at {:.3}", at as f64 / 1e6)));
    }
    for (moment, left) in due {
        let at = tolerance.bounds(moment).map_or(0, |bounds| bounds.due_us);
        lines.push((at, left, "-".to_owned()));
    }
    lines.sort_by_key(|(at, _, _)| *at);
    let longest = lines.iter().map(|(_, left, _)| left.chars().count()).max();
    let width = longest.unwrap_or(0).max("expected".len());
    let mut text = vec![format!("{:>8}  {:width$}  seen", "seconds", "expected")];
    let line = |(at, left, right): &(i64, String, String)| {
        format!("{:>8.3}  {left:width$}  {right}", *at as f64 / 1e6)
    };
    text.extend(lines.iter().map(line));
    text.push(format!("{:>8}  {:width$}  {}", "", "", seen.outcome));
    text
}

/// The moments of the schedule and of the claim, with their names.
fn due(expected: &TimedExpectation, tolerance: &Tolerance) -> Vec<(Moment, String)> {
    let probes = expected.probes.or(expected.probes_at_least);
    let probes = probes
        .or(tolerance.schedule.count.map(|count| count as usize))
        .unwrap_or(0);
    let mut due: Vec<_> = (1..=u32::try_from(probes).unwrap_or(u32::MAX).min(16))
        .map(|number| {
            (
                Moment::Probe(number),
                format!("probe {number}, {}", Moment::Probe(number)),
            )
        })
        .collect();
    for moment in expected.moments() {
        if !due.iter().any(|(known, _)| *known == moment) {
            due.push((moment, moment.to_string()));
        }
    }
    due.retain(|(moment, _)| tolerance.bounds(*moment).is_some());
    due
}

/// The events seen, ordered by time.
fn events(seen: &Timed) -> Vec<(i64, String)> {
    let probes = seen.probes_us.iter().zip(1..);
    let mut events: Vec<_> = probes
        .map(|(at, number)| (*at, format!("probe {number}")))
        .collect();
    let end = match (seen.reset_us, seen.at_us) {
        (Some(reset), Some(_)) => Some((reset, format!("RST and {}", seen.outcome))),
        (Some(reset), None) => Some((reset, "RST".to_owned())),
        (None, Some(at)) => Some((at, seen.outcome.clone())),
        (None, None) => None,
    };
    events.extend(end);
    events.sort_by_key(|(at, _)| *at);
    events
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Schedule, Timers, Timing};
    use super::*;

    #[test]
    fn a_missing_event_and_an_unexpected_one_have_lines_of_their_own() {
        let tolerance = Tolerance {
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
        };
        let expected = TimedExpectation {
            outcome: Some("ETIMEDOUT".to_owned()),
            at: Some(Moment::ScheduleEnd),
            ..TimedExpectation::default()
        };
        let seen = Timed {
            outcome: "alive".to_owned(),
            probes_us: vec![1_027_000, 1_500_000],
            ..Timed::default()
        };
        insta::assert_snapshot!(timeline(&expected, &seen, &tolerance).join("\n"), @r"
         seconds  expected            seen
           1.027  probe 1, idle-end   probe 1 at 1.027
           1.500                      probe 2 at 1.500
           2.000  probe 2, 2nd-probe  -
           3.000  schedule-end        -
                                      alive
        ");
    }
}
