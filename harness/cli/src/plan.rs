//! The plan of a run: which cases are executed for which implementation, by the filters, `--case` and
//! `--implementation`.

use reusespec_core::{Case, Family, Scenario, Subject};

use crate::implementations::ProfiledImplementation;

/// The implementation that is the kernel itself, tested by system calls.
pub const KERNEL: &str = "kernel";
/// The reference implementation.
pub const REFERENCE: &str = "reference";
/// A running application, given by `--target`.
pub const TARGET: &str = "target";
/// Stands for the implementation of scenarios about web servers. The reference has no web server, so these scenarios
/// run only with `--implementation`.
pub const WEB_SERVER: &str = "web-server";

/// The arguments that choose what runs.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Scenarios whose id contains one of these; all if empty.
    pub filters: Vec<String>,
    /// Only cases with these axis values.
    pub points: Vec<(String, String)>,
    /// Only these implementations; each scenario's default implementation if empty.
    pub implementations: Vec<String>,
}

/// The chosen cases of one scenario.
#[derive(Clone, Debug)]
pub struct ScenarioCases<'l> {
    /// The scenario.
    pub scenario: &'l Scenario,
    /// The cases, in the scenario's order.
    pub cases: Vec<&'l Case>,
}

/// The arguments choose nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// No scenario's id contains a filter.
    #[error("no scenario fits the filter `{0}`; `reusespec list` prints them all")]
    NothingFits(String),
    /// None of the scenarios has a case with the values of `--case`.
    #[error("no case has {0}; `reusespec list FILTER` prints the cases")]
    NoSuchCase(String),
    /// No such implementation.
    #[error("unknown implementation `{0}`; `reusespec implementations` prints them all")]
    UnknownImplementation(String),
    /// None of the chosen scenarios can test the implementation.
    #[error("no chosen scenario tests `{0}`")]
    NothingFor(String),
    /// All chosen scenarios are about web servers, which have no default implementation.
    #[error("the chosen scenarios test web servers; name one, e.g. `--implementation nginx`")]
    NoWebServer,
}

/// Whether a scenario's id contains one of the filters. Without filters every scenario fits.
pub fn fits(id: &str, filters: &[String]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| id.contains(filter.as_str()))
}

/// The implementation that a scenario tests without `--implementation`.
pub fn default_implementation(scenario: &Scenario) -> &'static str {
    match scenario.subject {
        Subject::Kernel => KERNEL,
        Subject::Implementation => REFERENCE,
        Subject::WebServer => WEB_SERVER,
    }
}

/// The chosen cases of each implementation, in the order of the scenarios.
///
/// # Errors
/// When a filter, a case or an implementation matches nothing: a run of no cases must not look like a success.
pub fn plan<'l>(
    scenarios: &'l [Scenario],
    selection: &Selection,
    profiles: &[ProfiledImplementation],
) -> Result<Vec<(String, Vec<ScenarioCases<'l>>)>, PlanError> {
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
        let can_test = |scenario: &Scenario| match profile {
            Some(profile) => scenario.subject != Subject::Kernel && profile.profile.is_for(&scenario.id),
            // A target is an application, so it can take the place of the reference.
            None => {
                implementation == TARGET
                    && [Family::Fastcgi, Family::Http].contains(&scenario.family)
                    && scenario.subject == Subject::Implementation
            }
        };
        let its_scenarios = chosen.iter().filter(|scenario| {
            default_implementation(scenario) == implementation || (asked_for && can_test(scenario))
        });
        let its_cases: Vec<_> = its_scenarios
            .filter_map(|scenario| chosen_cases(scenario, &selection.points))
            .collect();
        if asked_for && its_cases.is_empty() {
            return Err(PlanError::NothingFor(implementation.to_owned()));
        }
        if !its_cases.is_empty() {
            work.push((implementation.to_owned(), its_cases));
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

fn chosen_cases<'l>(scenario: &'l Scenario, points: &[(String, String)]) -> Option<ScenarioCases<'l>> {
    let is_chosen = |case: &&Case| {
        points
            .iter()
            .all(|(axis, value)| case.key.value(axis) == Some(value))
    };
    let cases: Vec<_> = scenario.cases.iter().filter(is_chosen).collect();
    (!cases.is_empty()).then_some(ScenarioCases { scenario, cases })
}
