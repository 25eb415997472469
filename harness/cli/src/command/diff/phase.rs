//! Rows of virtual time that differ by nothing but where a beat of the kernel's timers fell.
//!
//! A case of virtual time begins at a whole turn of the timer wheel, by the boot's clock. The wheel itself turns with
//! jiffies, which begin later, and how much is each kernel's own: /proc/timer_list has them 97 ms behind on 5.10, 81 on
//! 6.1, 140 on 6.12 and 144 on 7.2, and the tables of the four differ by just that, to the tick. So the same rule gives
//! other times: that is the word on why, and no claim could say it.

/// Two dozen ticks at 250 Hz; between those four it is sixteen.
const FURTHEST_S: f64 = 0.1;

/// The word on why.
pub(super) const WORD: &str = "the rule is the same: coarse timers go off on the beats of a wheel that turns with jiffies, \
     and these do not begin when the boot's clock does (linux kernel/time/timer.c)";

/// Whether two rows say the same in words, with times that are as near as beats are.
pub(super) fn apart(rows: [&[String]; 2]) -> bool {
    let [a, b] = rows.map(|row| row.join(" "));
    let [a, b] = [&a, &b].map(|row| row.split_whitespace().collect::<Vec<_>>());
    a.len() == b.len()
        && a.iter().zip(&b).enumerate().all(|(at, (one, other))| {
            let is_time = [&a, &b]
                .iter()
                .all(|row| row.get(at + 1).is_some_and(|unit| unit.starts_with('s')));
            one == other || is_time && near(one, other)
        })
}

fn near(one: &str, other: &str) -> bool {
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => (one - other).abs() <= FURTHEST_S,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_may_differ_and_only_by_beats() {
        let with = |other: &str| {
            let [one, other] = ["ok at 60.420 s, 9 probes", other].map(|cell| vec![cell.to_owned()]);
            apart([&one, &other])
        };
        assert!(with("ok at 60.468 s, 9 probes"));
        assert!(!with("ok at 60.568 s, 9 probes"), "too far");
        assert!(!with("ok at 60.420 s, 8 probes"), "another number of them");
        assert!(!with("ETIMEDOUT at 60.420 s, 9 probes"), "another word");
    }
}
