//! `reusespec explain`: prints the steps of a family, the keys of a step, or a scenario with its sources, claims and the
//! command that repeats it.

use std::io::{self, Write};

use reusespec_core::schema::{scenario_schema, vocabulary};
use reusespec_core::timing::{Moment, Schedule};
use reusespec_core::{Family, Scenario};
use serde_json::Value;

use crate::exit;
use crate::library::Library;
use crate::plan::default_implementation;

/// Keys of every step, printed once for a family.
const COMMON_KEYS: [&str; 3] = ["label", "when", "on"];

pub(super) fn explain(library: &Library, topic: &str) -> io::Result<i32> {
    let mut stdout = anstream::stdout();
    let schema: Value = serde_json::from_str(&scenario_schema())?;
    if let Some(family) = Family::named(topic) {
        print_family(family, library, &schema, &mut stdout)?;
        return Ok(exit::AS_EXPECTED);
    }
    let of_topic = |family| {
        let steps = steps(&schema, family);
        let step = steps.into_iter().find(|step| step.keyword == topic)?;
        Some((family, step))
    };
    let found: Vec<_> = Family::ALL.into_iter().filter_map(of_topic).collect();
    for (family, step) in &found {
        writeln!(stdout, "{topic} ({family}): {}", step.description)?;
        print_keys(&step.keys, &mut stdout)?;
        writeln!(stdout)?;
    }
    if !found.is_empty() {
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
                "error: there is no step, family or scenario `{topic}`\n\nhint: `reusespec list` prints the scenarios, \
                 `reusespec explain port-reuse` the steps of a family"
            )?;
            Ok(exit::WRONG_INPUT)
        }
    }
}

fn print_family(family: Family, library: &Library, schema: &Value, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{family}: {}\n\nsteps:", family.what())?;
    let mut common_keys = Vec::new();
    for step in steps(schema, family) {
        writeln!(out, "  {:22} {}", step.keyword, step.description)?;
        let is_common = |(key, _): &(String, String)| COMMON_KEYS.contains(&key.as_str());
        let (common, own): (Vec<_>, Vec<_>) = step.keys.into_iter().partition(is_common);
        print_keys(&own, out)?;
        common_keys = common;
    }
    writeln!(out, "\nkeys of every step:")?;
    print_keys(&common_keys, out)?;
    writeln!(out, "\nscenarios:")?;
    let of_family = |scenario: &&Scenario| scenario.family == family;
    for scenario in library.scenarios.iter().filter(of_family) {
        writeln!(out, "  {:48} {}", scenario.id, scenario.title)?;
    }
    Ok(())
}

fn print_keys(keys: &[(String, String)], out: &mut impl Write) -> io::Result<()> {
    for (key, description) in keys {
        writeln!(out, "      {key:18} {description}")?;
    }
    Ok(())
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

/// Prints when the probes of each labelled step of a keepalive scenario are due; each different schedule once.
fn schedules(scenario: &Scenario, out: &mut impl Write) -> io::Result<()> {
    let mut printed = Vec::new();
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
        if !printed.contains(&line) {
            writeln!(out, "{line}")?;
            printed.push(line);
        }
    }
    Ok(())
}

/// A step of a vocabulary.
struct Step {
    keyword: String,
    description: String,
    /// Its keys with their descriptions.
    keys: Vec<(String, String)>,
}

/// The steps of a family, read from the JSON Schema.
fn steps(schema: &Value, family: Family) -> Vec<Step> {
    let definitions = &schema["$defs"];
    let definition = |reference: &Value| {
        let name = reference.get("$ref")?.as_str()?.rsplit('/').next()?;
        definitions.get(name)
    };
    let description = |value: &Value| Some(value.get("description")?.as_str()?.replace('\n', " "));
    let variants = definitions[&*vocabulary(family)]["oneOf"].as_array();
    let step = |variant: &Value| {
        let (keyword, arguments) = variant["properties"].as_object()?.iter().next()?;
        let keys = definition(arguments)?["properties"].as_object();
        let keys = keys.into_iter().flatten().map(|(key, value)| {
            // A value that `$name` may replace is described inside `anyOf`.
            let described = description(value)
                .or_else(|| description(&value["anyOf"][0]))
                .or_else(|| description(definition(value)?));
            (key.clone(), described.unwrap_or_default())
        });
        Some(Step {
            keyword: keyword.clone(),
            description: description(variant).unwrap_or_default(),
            keys: keys.collect(),
        })
    };
    variants.into_iter().flatten().filter_map(step).collect()
}
