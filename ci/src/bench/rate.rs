//! Requests a second: a thread a connection, each sending its next request when the one before has been answered.
//!
//! The visitors need processors themselves. They are the same for both sides of a ratio, and the sides are processes of
//! their own, so the ratio flatters neither.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
/// How long a round lasts.
pub(super) const ROUND: Duration = Duration::from_secs(1);

/// Requests a second of each of the sides, over so many connections: the medians of rounds in which they take turns, so
/// that other work on the machine is in the way of all.
///
/// `visit` sends requests to a side on one connection until the time is over, and returns how many were answered.
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

/// Requests a second, all connections together; none at all is no rate.
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
