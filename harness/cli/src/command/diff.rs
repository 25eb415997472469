//! `reusespec diff A B`: the rows in which the reviewed tables of two kernels or implementations differ.
//!
//! No case is run. Rows that only one table has observed are counted. Rows of a scenario that differ in the same way and
//! for the same reason are one group. A difference is explained by a claim that applies to only one of the two systems,
//! which names the versions and its source, or by a known deviation of one side.

mod group;
mod side;

use std::collections::BTreeMap;
use std::io::{self, Write};

use reusespec_core::system::KNOWN_SYSTEMS;
use reusespec_core::table::Table;
use reusespec_core::{Case, Claim, Deviation, Family, Provenance, Scenario, SnapshotKey};

use self::group::Group;
use self::side::Side;
use super::wrong_input;
use crate::arguments::Diff;
use crate::exit;
use crate::implementations::{self, ProfiledImplementation};
use crate::library::{Library, find_snapshot};
use crate::plan::{PlanError, WEB_SERVER, default_implementation, fits};

/// There is nothing to compare.
#[derive(Debug, thiserror::Error)]
enum DiffError {
    /// No scenario tests both sides.
    #[error("none of these scenarios tests both {} and {}; `reusespec implementations` names the families of each", .0[0], .0[1])]
    NothingShared([String; 2]),
}

/// The numbers of compared rows.
#[derive(Default)]
struct Count {
    rows: usize,
    differing: usize,
    /// Rows that were observed on one side only.
    one_sided: usize,
    /// The scenarios of each family, and whether both sides have a reviewed table of each.
    scenarios: BTreeMap<Family, Vec<(String, bool)>>,
}

pub(super) fn diff(library: &Library, options: &Diff) -> io::Result<i32> {
    let profiles = match implementations::load(&library.root) {
        Ok(profiles) => profiles,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let sides = Side::find(&options.a, &profiles).and_then(|a| Ok([a, Side::find(&options.b, &profiles)?]));
    let sides = match sides {
        Ok(sides) => sides,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let chosen = |scenario: &&Scenario| fits(&scenario.id, &options.filters);
    let chosen: Vec<_> = library.scenarios.iter().filter(chosen).collect();
    let compared = |scenario: &&Scenario| sides.iter().all(|side| is_tested(&profiles, scenario, side));
    if let (true, Some(filter)) = (chosen.is_empty(), options.filters.first()) {
        return Ok(wrong_input(&PlanError::NothingFits(filter.clone())));
    }
    let mut stdout = anstream::stdout();
    let mut count = Count::default();
    let compared: Vec<_> = chosen.into_iter().filter(compared).collect();
    if compared.is_empty() {
        return Ok(wrong_input(&DiffError::NothingShared(
            sides.map(|side| side.name),
        )));
    }
    let mut noted = Vec::new();
    for scenario in compared {
        let tables = sides
            .each_ref()
            .map(|side| table(library, &profiles, scenario, side));
        let reviewed = tables.iter().all(Option::is_some);
        let family = count.scenarios.entry(scenario.family).or_default();
        family.push((scenario.id.clone(), reviewed));
        for (side, table) in sides.iter().zip(&tables) {
            let Some(table) = table else { continue };
            let kernels: Vec<_> = table
                .kernels
                .iter()
                .filter(|kernel| side.is_of_its_branch(kernel))
                .collect();
            if !kernels.contains(&&side.kernel) && !noted.contains(&side.name) {
                let kernels: Vec<_> = kernels.iter().map(ToString::to_string).collect();
                let (name, kernels) = (&side.name, kernels.join(", "));
                writeln!(
                    stdout,
                    "{name}: the tables are of {kernels}, and the platform's kernel is {}",
                    side.kernel
                )?;
                noted.push(side.name.clone());
            }
        }
        if let [Some(a), Some(b)] = tables {
            compare(scenario, &sides, [&a, &b], &mut count, &mut stdout)?;
        }
    }
    summary(&sides, &count, &mut stdout)?;
    Ok(exit::AS_EXPECTED)
}

/// The table that was reviewed for the side's kernel, or for another kernel of its branch.
fn table(
    library: &Library,
    profiles: &[ProfiledImplementation],
    scenario: &Scenario,
    side: &Side,
) -> Option<Table> {
    let default = default_implementation(scenario);
    let implementation = side.implementation.as_deref().unwrap_or(default);
    let provenance = Provenance {
        kernel: side.kernel.clone(),
        implementation: implementation.to_owned(),
        release: None,
    };
    let key = SnapshotKey::of(scenario.family, &scenario.id, &provenance);
    let profile = implementations::named(profiles, implementation);
    let like = profile.and_then(|profile| profile.like.as_deref());
    let (_, table) = find_snapshot(&library.root, &key.look_up_order(like, default))?;
    let is_its = |kernel| side.is_of_its_branch(kernel);
    table.kernels.iter().any(is_its).then_some(table)
}

/// Whether a scenario tests the side's implementation, by the same rule as in a plan.
fn is_tested(profiles: &[ProfiledImplementation], scenario: &Scenario, side: &Side) -> bool {
    let default = default_implementation(scenario);
    let name = side.implementation.as_deref().unwrap_or(default);
    match implementations::named(profiles, name) {
        Some(profile) => profile.is_for(&scenario.id),
        None => name == default && default != WEB_SERVER,
    }
}

fn compare(
    scenario: &Scenario,
    sides: &[Side; 2],
    tables: [&Table; 2],
    count: &mut Count,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for case in &scenario.cases {
        let (a, b) = match tables.map(|table| row(table, case)) {
            [Some(a), Some(b)] => (a, b),
            [None, None] => continue,
            [Some(_), None] | [None, Some(_)] => {
                count.one_sided += 1;
                continue;
            }
        };
        count.rows += 1;
        if a == b {
            continue;
        }
        count.differing += 1;
        let columns = &tables[0].columns[case.key.values.len()..];
        let cells = columns.iter().zip(a.iter().zip(b)).filter(|(_, (a, b))| a != b);
        let cells = cells.map(|(column, (a, b))| (column.as_str(), [a.as_str(), b.as_str()]));
        Group::add(&mut groups, case, cells.collect(), why(scenario, case, sides));
    }
    if !groups.is_empty() {
        let elsewhere = |source: &&String| !is_of_another_system(source, sides);
        let sources: Vec<_> = scenario.source.iter().filter(elsewhere).cloned().collect();
        writeln!(out, "{}: {}", scenario.id, sources.join("; "))?;
    }
    for group in groups {
        group.write(scenario, sides, out)?;
    }
    Ok(())
}

/// The cells of a case without its axis values.
fn row<'t>(table: &'t Table, case: &Case) -> Option<&'t [String]> {
    let values = case.key.values.len();
    let is_its = |row: &&Vec<String>| {
        row.iter()
            .zip(&case.key.values)
            .all(|(cell, (_, value))| cell == value)
    };
    table.rows.iter().find(is_its).map(|row| &row[values..])
}

/// Why this case differs: the claims about it that apply to only one of the systems, and the known deviations of either.
fn why(scenario: &Scenario, case: &Case, sides: &[Side; 2]) -> Vec<String> {
    let is_for = |claim: &Claim, side: &Side| {
        claim.on.is_empty() || claim.on.iter().any(|range| range.contains(&side.system))
    };
    let about_it = || {
        scenario
            .claims
            .iter()
            .filter(|claim| claim.when.admits(&case.key))
    };
    let mut reasons = Vec::new();
    for claim in about_it().filter(|claim| is_for(claim, &sides[0]) != is_for(claim, &sides[1])) {
        let on: Vec<_> = claim.on.iter().map(ToString::to_string).collect();
        let source = match claim.source.is_empty() {
            true => String::new(),
            false => format!(", {}", claim.source.join("; ")),
        };
        reasons.push(format!("{} ({}{source})", claim.id, on.join(", ")));
    }
    for side in sides {
        let known = side.deviations.iter().filter(|known| {
            let is_about = |claim: &Claim| claim.id == known.claim;
            known.scenario == scenario.id && about_it().any(is_about)
        });
        let text = |known: &Deviation| format!("{} deviates: {}, {}", side.name, known.reason, known.link);
        reasons.extend(known.map(text));
    }
    reasons.dedup();
    reasons
}

/// Whether a source begins with the name of a system that is on neither side. A scenario's sources are for all systems.
fn is_of_another_system(source: &str, sides: &[Side; 2]) -> bool {
    let mut others = KNOWN_SYSTEMS
        .iter()
        .filter(|name| sides.iter().all(|side| side.system.name != **name));
    others.any(|name| source.starts_with(name))
}

fn summary(sides: &[Side; 2], count: &Count, out: &mut impl Write) -> io::Result<()> {
    let [a, b] = sides;
    write!(
        out,
        "{} and {}: {} of {} rows differ",
        a.name, b.name, count.differing, count.rows
    )?;
    if count.one_sided > 0 {
        write!(out, "; {} were observed on one of them only", count.one_sided)?;
    }
    writeln!(out)?;
    let unreviewed: Vec<_> = count.scenarios.iter().flat_map(unreviewed).collect();
    if !unreviewed.is_empty() {
        writeln!(
            out,
            "not compared, as there is no reviewed table of one of them or of both: {}",
            unreviewed.join(", ")
        )?;
    }
    Ok(())
}

/// The scenarios of a family that could not be compared; one summary if that is all of them.
fn unreviewed((family, scenarios): (&Family, &Vec<(String, bool)>)) -> Vec<String> {
    let without: Vec<_> = scenarios.iter().filter(|(_, reviewed)| !reviewed).collect();
    match without.len() {
        all if all > 1 && all == scenarios.len() => vec![format!("all {all} of {}", family.name())],
        _ => without.into_iter().map(|(id, _)| id.clone()).collect(),
    }
}
