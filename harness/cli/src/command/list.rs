//! `reusespec list`: prints scenarios, claims and cases without running them.

use std::io::{self, Write};

use reusespec_core::Scenario;
use serde_json::json;

use crate::arguments::{Format, List};
use crate::exit;
use crate::library::Library;
use crate::plan::{PlanError, default_implementation, fits};

pub(super) fn list(library: &Library, options: &List) -> io::Result<i32> {
    let chosen: Vec<_> = library
        .scenarios
        .iter()
        .filter(|scenario| fits(&scenario.id, &options.filters))
        .collect();
    if let (true, Some(filter)) = (chosen.is_empty(), options.filters.first()) {
        return Ok(super::wrong_input(&PlanError::NothingFits(filter.clone())));
    }
    let mut stdout = anstream::stdout();
    for scenario in &chosen {
        match options.format {
            Format::Json => writeln!(stdout, "{}", as_json(scenario))?,
            Format::Terminal => {
                let (cases, claims) = (scenario.cases.len(), scenario.claims.len());
                writeln!(
                    stdout,
                    "{:50} {cases:5} cases {claims:3} claims  {}",
                    scenario.id, scenario.title
                )?;
                // Without a filter the details of all scenarios would be thousands of lines.
                if !options.filters.is_empty() {
                    details(scenario, &mut stdout)?;
                }
            }
        }
    }
    Ok(exit::AS_EXPECTED)
}

fn details(scenario: &Scenario, stdout: &mut impl Write) -> io::Result<()> {
    for claim in &scenario.claims {
        writeln!(stdout, "    claim  {:6}  {}", claim.level.name(), claim.id)?;
    }
    for case in &scenario.cases {
        writeln!(stdout, "    case   {}", case.key.point())?;
    }
    Ok(())
}

fn as_json(scenario: &Scenario) -> serde_json::Value {
    let claims: Vec<_> = scenario
        .claims
        .iter()
        .map(|claim| json!({ "id": claim.id, "level": claim.level.name() }))
        .collect();
    let cases: Vec<_> = scenario
        .cases
        .iter()
        .map(|case| crate::report::json::point(&case.key))
        .collect();
    json!({
        "scenario": scenario.id,
        "title": scenario.title,
        "source": scenario.source,
        "regression": scenario.regression,
        "implementation": default_implementation(scenario),
        "claims": claims,
        "cases": cases,
    })
}
