//! Figures, as ratios against a floor measured in the same run: machines are noisy, ratios less so.

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
    /// What a port-reuse case costs beside an empty namespace.
    KernelCases,
    /// How soon keepalive cases end after their schedule, and their times beside tcpdump's.
    Keepalive,
    /// Requests per second of the FastCGI reference beside Go's library.
    Fastcgi,
    /// Requests per second of the HTTP reference beside bare hyper.
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
