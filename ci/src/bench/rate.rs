//! Requests per second: one thread per connection, each sends its next request when the previous one was answered.
//!
//! The clients use processor time too. They are the same for all servers that are compared, and the servers are separate
//! processes, so the ratio favours none.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
/// The duration of a round.
pub(super) const ROUND: Duration = Duration::from_secs(1);

/// Returns the median requests per second of each server in `sides`. The servers take turns in each round, so that other
/// work on the machine affects all of them.
///
/// `visit` sends requests to one server on one connection until the deadline and returns how many were answered.
pub(super) fn medians<const SIDES: usize, S: Copy + Sync>(
    sides: [S; SIDES],
    connections: usize,
    visit: fn(S, Instant) -> io::Result<u32>,
) -> io::Result<[f64; SIDES]> {
    let mut rates = [(); SIDES].map(|()| Vec::new());
    for _ in 0..ROUNDS {
        for (rates, side) in rates.iter_mut().zip(sides) {
            rates.push(rate(connections, || visit(side, Instant::now() + ROUND))?);
        }
    }
    Ok(rates.map(median))
}

/// Requests per second of all connections together.
///
/// # Errors
/// When no request was answered.
fn rate(connections: usize, visit: impl Fn() -> io::Result<u32> + Sync) -> io::Result<f64> {
    let count: u32 = thread::scope(|scope| {
        let visitors: Vec<_> = (0..connections).map(|_| scope.spawn(&visit)).collect();
        let counts = visitors.into_iter().map(|visitor| {
            visitor
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a visitor panicked")))
        });
        counts.sum::<io::Result<u32>>()
    })?;
    if count == 0 {
        return Err(io::Error::other("no request was answered in time"));
    }
    Ok(f64::from(count) / ROUND.as_secs_f64())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
