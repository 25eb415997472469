//! The time of a port-reuse case. The floor is a process that enters a user and a network namespace and exits.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reusespec_core::results::CaseLine;

use crate::suite;

const FLOOR_ROUNDS: usize = 200;

pub(crate) fn measure() -> io::Result<()> {
    let floor = median(
        (0..FLOOR_ROUNDS)
            .map(|_| empty_namespace())
            .collect::<io::Result<Vec<_>>>()?,
    );
    let started = Instant::now();
    let results = suite::run(&["port-reuse"])?;
    let wall = started.elapsed();
    let elapsed = |case: &CaseLine| Duration::from_secs_f64(case.elapsed_ms / 1e3);
    let cases: Vec<_> = results.iter().map(elapsed).collect();
    let count = cases.len();
    let case = median(cases);
    let ratio = case.as_secs_f64() / floor.as_secs_f64();
    let per_1500 = wall.as_secs_f64() * 1500.0 / count as f64;
    let mut out = io::stdout();
    writeln!(
        out,
        "an empty namespace (unshare true)    median {:6.2} ms",
        milliseconds(floor)
    )?;
    writeln!(
        out,
        "a port-reuse case                    median {:6.2} ms   {ratio:.2} × the empty one",
        milliseconds(case)
    )?;
    writeln!(
        out,
        "the family, {count} cases             {:6.2} s    {per_1500:.2} s per 1 500",
        wall.as_secs_f64()
    )
}

fn empty_namespace() -> io::Result<Duration> {
    let started = Instant::now();
    let status = Command::new("unshare")
        .args(["--user", "--net", "true"])
        .stdout(Stdio::null())
        .status()?;
    if status.success() {
        Ok(started.elapsed())
    } else {
        Err(io::Error::other("unshare(1) failed"))
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
