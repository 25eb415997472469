//! Figures, as ratios against a floor measured in the same run: machines are noisy, ratios less so.

mod kernel_cases;

use clap::ValueEnum;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Figure {
    /// What a port-reuse case costs beside an empty namespace.
    KernelCases,
}

/// Measures the named figures, or all.
pub(crate) fn measure(figures: &[Figure]) -> std::io::Result<()> {
    let wanted = |figure: Figure| figures.is_empty() || figures.contains(&figure);
    if wanted(Figure::KernelCases) {
        kernel_cases::measure()?;
    }
    Ok(())
}
