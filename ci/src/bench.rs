//! Benchmarks. Each prints a ratio to a floor or a peer that is measured in the same run, because a noisy machine
//! changes both.

mod fastcgi;
mod http;
mod keepalive;
mod kernel_cases;
mod process;
mod rate;
pub(crate) mod serve;

use clap::ValueEnum;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Figure {
    /// The time of a port-reuse case, relative to an empty namespace.
    KernelCases,
    /// How long after its schedule a keepalive case ends, and its time stamps relative to tcpdump's.
    Keepalive,
    /// Requests per second of the FastCGI reference, relative to Go's net/http/fcgi.
    Fastcgi,
    /// Requests per second of the HTTP reference, relative to hyper.
    Http,
}

/// Measures the named figures, or all.
pub(crate) fn measure(figures: &[Figure]) -> std::io::Result<()> {
    let wanted = |figure: Figure| figures.is_empty() || figures.contains(&figure);
    if wanted(Figure::KernelCases) {
        kernel_cases::measure()?;
    }
    if wanted(Figure::Keepalive) {
        keepalive::measure()?;
    }
    if wanted(Figure::Fastcgi) {
        fastcgi::measure()?;
    }
    if wanted(Figure::Http) {
        http::measure()?;
    }
    Ok(())
}
