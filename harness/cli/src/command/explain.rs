//! `reusespec explain`: a family's vocabulary, a step's keys, or a scenario as one would tell a colleague.

use std::io::{self, Write};

use reusespec_core::timing::{Moment, Schedule};
use reusespec_core::{Family, Scenario};
use serde_json::Value;

use crate::exit;
use crate::library::Library;
use crate::plan::default_implementation;

pub(super) fn explain(library: &Library, topic: &str) -> io::Result<i32> {
    let mut stdout = anstream::stdout();
    let schema: Value = serde_json::from_str(&reusespec_core::schema::scenario_schema())?;
    if let Some(family) = Family::named(topic) {
        writeln!(stdout, "{family}: {}\n\nsteps:", family.what())?;
        for (keyword, text, _) in steps(&schema) {
            writeln!(stdout, "  {keyword:22} {text}")?;
        }
        writeln!(stdout, "\nscenarios:")?;
        for scenario in library
            .scenarios
            .iter()
            .filter(|scenario| scenario.family == family)
        {
            writeln!(stdout, "  {:48} {}", scenario.id, scenario.title)?;
        }
        return Ok(exit::AS_EXPECTED);
    }
    if let Some((keyword, text, keys)) = steps(&schema)
        .into_iter()
        .find(|(keyword, _, _)| keyword == topic)
    {
        writeln!(stdout, "{keyword}: {text}\n")?;
        for (key, text) in keys {
            writeln!(stdout, "  {key:12} {text}")?;
        }
        return Ok(exit::AS_EXPECTED);
    }
    match library.scenarios.iter().find(|scenario| scenario.id == topic) {
        Some(scenario) => {
            print_scenario(scenario, &mut stdout)?;
            Ok(exit::AS_EXPECTED)
        }
        None => {
            writeln!(
                anstream::stderr(),
                "error: `{topic}` is no step, family or scenario\n\nhint: `reusespec list` prints the scenarios, \
                 `reusespec explain port-reuse` the steps of a family"
            )?;
            Ok(exit::WRONG_INPUT)
        }
    }
}

fn print_scenario(scenario: &Scenario, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}: {}\n\n{}\n", scenario.id, scenario.title, scenario.why)?;
    for source in &scenario.source {
        writeln!(out, "source      {source}")?;
    }
    for report in &scenario.regression {
        writeln!(out, "regression  {report}")?;
    }
    writeln!(out, "tests       {}", default_implementation(scenario))?;
    for axis in &scenario.axes {
        writeln!(out, "axis        {}: {}", axis.name, axis.values.join(", "))?;
    }
    for claim in &scenario.claims {
        let expected: Vec<_> = claim
            .expect
            .iter()
            .map(|each| format!("{} = {}", each.label, each.wording()))
            .collect();
        writeln!(
            out,
            "claim       {} {}: {}",
            claim.level.name(),
            claim.id,
            expected.join(", ")
        )?;
    }
    schedules(scenario, out)?;
    let cases = scenario.cases.len();
    writeln!(
        out,
        "\nagain       reusespec run {}        ({cases} cases)",
        scenario.id
    )?;
    if let Some(case) = scenario.cases.first().filter(|case| !case.key.values.is_empty()) {
        writeln!(
            out,
            "one case    reusespec run {} --case {}",
            scenario.id,
            case.key.point()
        )?;
    }
    Ok(())
}

/// What a label of a keepalive scenario is timed by, once for each schedule its cases set.
fn schedules(scenario: &Scenario, out: &mut impl Write) -> io::Result<()> {
    let mut told = Vec::new();
    for (case, label) in scenario
        .cases
        .iter()
        .flat_map(|case| scenario.labels.iter().map(move |label| (case, label)))
    {
        let schedule = Schedule::at(case, label);
        let Some(count) = schedule.count else { continue };
        let moment = |moment: Moment| {
            let due = schedule.due(moment)?;
            Some(format!("{moment} {} s", due.as_secs_f64()))
        };
        let shown = count.min(4);
        let moments = (1..=shown).map(Moment::Probe).chain([Moment::ScheduleEnd]);
        let Some(moments) = moments.map(moment).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let line = format!("schedule    {label}: {}", moments.join(", "));
        if !told.contains(&line) {
            writeln!(out, "{line}")?;
            told.push(line);
        }
    }
    Ok(())
}

/// A word and what it means.
type Explained = (String, String);

/// Keyword, description and keys of every step, as the schema has them.
fn steps(schema: &Value) -> Vec<(String, String, Vec<Explained>)> {
    let definition = |reference: &Value| {
        let name = reference.get("$ref")?.as_str()?.rsplit('/').next()?;
        schema.get("$defs")?.get(name)
    };
    let text = |value: &Value| {
        value
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let vocabularies = schema["properties"]["steps"]["items"]["anyOf"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let variants = vocabularies
        .iter()
        .filter_map(definition)
        .filter_map(|each| each["oneOf"].as_array())
        .flatten();
    variants
        .filter_map(|variant| {
            let (keyword, arguments) = variant["properties"].as_object()?.iter().next()?;
            let keys = definition(arguments)?["properties"].as_object();
            let keys = keys.into_iter().flatten().map(|(key, value)| {
                let own = value["anyOf"]
                    .as_array()
                    .and_then(|any| any.first())
                    .unwrap_or(value);
                (
                    key.clone(),
                    if text(value).is_empty() {
                        text(own)
                    } else {
                        text(value)
                    },
                )
            });
            Some((keyword.clone(), text(variant), keys.collect()))
        })
        .collect()
}
