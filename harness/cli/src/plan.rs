//! Which cases run where: filters and `--case` applied to scenarios, platforms and implementations.

use reusespec_core::{Case, Family, Scenario, Subject};

use crate::implementations::Implementation;

/// The implementation that raw system calls go to.
pub const KERNEL: &str = "kernel";
/// Ours.
pub const REFERENCE: &str = "reference";
/// An application that runs already, named by `--target`.
pub const TARGET: &str = "target";
/// What scenarios about web servers as clients are for: there is none of ours, so they run where somebody names one.
pub const WEB_SERVER: &str = "web-server";

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Scenarios whose id contains one of these; all if empty.
    pub filters: Vec<String>,
    /// Only cases with these axis values.
    pub points: Vec<(String, String)>,
    /// Only these implementations; each scenario's own if empty.
    pub implementations: Vec<String>,
}

/// Cases of one scenario that one agent is to execute.
#[derive(Clone, Debug)]
pub struct Portion<'l> {
    /// The scenario.
    pub scenario: &'l Scenario,
    /// The chosen cases, in order.
    pub cases: Vec<&'l Case>,
}

/// Why nothing can be run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// No scenario fits a filter.
    #[error("no scenario fits the filter `{0}`; `reusespec list` prints them all")]
    NothingFits(String),
    /// `--case` names a value that none of the scenarios has.
    #[error("no case has {0}; `reusespec list FILTER` prints the cases")]
    NoSuchCase(String),
    /// No such implementation.
    #[error("unknown implementation `{0}`; `reusespec implementations` prints them all")]
    UnknownImplementation(String),
    /// The implementation has nothing to answer in what was chosen.
    #[error("no chosen scenario is about `{0}`")]
    NothingFor(String),
    /// What was chosen is about web servers alone.
    #[error("the chosen scenarios are about web servers; name one, e.g. `--implementation nginx`")]
    NoWebServer,
}

/// Whether a scenario's id fits one of the filters.
pub fn fits(id: &str, filters: &[String]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| id.contains(filter.as_str()))
}

/// The implementation a scenario is for where nobody says otherwise.
pub fn own_implementation(scenario: &Scenario) -> &'static str {
    match scenario.subject {
        Subject::Kernel => KERNEL,
        Subject::Implementation => REFERENCE,
        Subject::WebServer => WEB_SERVER,
    }
}

/// Splits the chosen cases by implementation, in the order of the scenarios.
///
/// # Errors
/// When a filter, case or implementation names nothing: a run of nothing must not look like success.
pub fn plan<'l>(
    scenarios: &'l [Scenario],
    selection: &Selection,
    profiles: &[Implementation],
) -> Result<Vec<(String, Vec<Portion<'l>>)>, PlanError> {
    for filter in &selection.filters {
        if !scenarios
            .iter()
            .any(|scenario| scenario.id.contains(filter.as_str()))
        {
            return Err(PlanError::NothingFits(filter.clone()));
        }
    }
    for name in &selection.implementations {
        let known = [KERNEL, REFERENCE, TARGET].contains(&name.as_str());
        if !known && !profiles.iter().any(|profile| profile.name == *name) {
            return Err(PlanError::UnknownImplementation(name.clone()));
        }
    }
    let chosen: Vec<_> = scenarios
        .iter()
        .filter(|scenario| fits(&scenario.id, &selection.filters))
        .collect();
    let mut work = Vec::new();
    let profiled = profiles.iter().map(|profile| profile.name.as_str());
    for implementation in [KERNEL, REFERENCE, TARGET].into_iter().chain(profiled) {
        let asked_for = selection
            .implementations
            .iter()
            .any(|name| name == implementation);
        if !selection.implementations.is_empty() && !asked_for {
            continue;
        }
        let profile = profiles.iter().find(|profile| profile.name == implementation);
        let its_own = chosen.iter().filter(|scenario| match profile {
            _ if own_implementation(scenario) == implementation => true,
            Some(profile) if asked_for => profile.profile.is_for(&scenario.id),
            // What somebody has started is an application: it stands where the reference does.
            _ if implementation == TARGET && asked_for => {
                matches!(scenario.family, Family::Fastcgi | Family::Http)
                    && scenario.subject == Subject::Implementation
            }
            _ => false,
        });
        let portions: Vec<_> = its_own
            .filter_map(|scenario| portion(scenario, &selection.points))
            .collect();
        if asked_for && portions.is_empty() {
            return Err(PlanError::NothingFor(implementation.to_owned()));
        }
        if !portions.is_empty() {
            work.push((implementation.to_owned(), portions));
        }
    }
    if work.is_empty() && selection.points.is_empty() {
        return Err(PlanError::NoWebServer);
    }
    if work.is_empty() {
        let points: Vec<_> = selection
            .points
            .iter()
            .map(|(axis, value)| format!("{axis}={value}"))
            .collect();
        return Err(PlanError::NoSuchCase(points.join(",")));
    }
    Ok(work)
}

fn portion<'l>(scenario: &'l Scenario, points: &[(String, String)]) -> Option<Portion<'l>> {
    let meant = |case: &&Case| {
        points
            .iter()
            .all(|(axis, value)| case.key.value(axis) == Some(value))
    };
    let cases: Vec<_> = scenario.cases.iter().filter(meant).collect();
    (!cases.is_empty()).then_some(Portion { scenario, cases })
}
