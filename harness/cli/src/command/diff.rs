//! `reusespec diff A B`: where two kernels or implementations differ, by their reviewed tables, row by row.
//!
//! Nothing is run: what a table does not know is counted, not guessed. The word on why is a claim's: one that is for
//! one of the two systems and not for the other says since when, and where that is written.

mod side;

use std::collections::BTreeMap;
use std::io::{self, Write};

use reusespec_core::system::KNOWN_SYSTEMS;
use reusespec_core::table::Table;
use reusespec_core::{Case, Claim, Family, Scenario};

use self::side::Side;
use super::wrong_input;
use crate::arguments::Diff;
use crate::exit;
use crate::implementations::{self, Implementation};
use crate::library::{Library, find_snapshot};
use crate::plan::{PlanError, WEB_SERVER, fits, own_implementation};
use crate::run::{is_of_kernel, snapshot_keys};

/// Cells of a case that nobody could observe.
const UNOBSERVED: [&str; 2] = ["unsupported", "broken"];

/// Why there is nothing to compare.
#[derive(Debug, thiserror::Error)]
enum DiffError {
    /// Each of the two has scenarios, but none is asked of both.
    #[error("none of these scenarios is asked of both {} and {}; `reusespec implementations` names the families of each", .0[0], .0[1])]
    NothingShared([String; 2]),
}

/// What was compared.
#[derive(Default)]
struct Count {
    rows: usize,
    differing: usize,
    /// Rows that only one of the two has been observed in.
    one_sided: usize,
    /// By family, and of each scenario whether it has reviewed tables of both.
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
    let compared = |scenario: &&Scenario| sides.iter().all(|side| is_asked(&profiles, scenario, side));
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
    for scenario in compared {
        let tables = sides
            .each_ref()
            .map(|side| table(library, &profiles, scenario, side));
        let reviewed = tables.iter().all(Option::is_some);
        let family = count.scenarios.entry(scenario.family).or_default();
        family.push((scenario.id.clone(), reviewed));
        if let [Some(a), Some(b)] = tables {
            compare(scenario, &sides, [&a, &b], &mut count, &mut stdout)?;
        }
    }
    summary(&sides, &count, &mut stdout)?;
    Ok(exit::AS_EXPECTED)
}

/// The table that is known to hold for the side.
fn table(library: &Library, profiles: &[Implementation], scenario: &Scenario, side: &Side) -> Option<Table> {
    let own = own_implementation(scenario);
    let implementation = side.implementation.as_deref().unwrap_or(own);
    let names = implementations::names(profiles, implementation);
    let keys = snapshot_keys(&side.kernels, &names, own);
    let (_, table) = find_snapshot(&library.root, &scenario.id, &keys)?;
    let reviewed = |head: &String| is_of_kernel(head, &side.kernels[0]);
    table.kernels.iter().any(reviewed).then_some(table)
}

/// Whether the side's implementation is asked in a scenario at all: as in a plan, of each scenario its own, and of those
/// with a profile the ones it is for.
fn is_asked(profiles: &[Implementation], scenario: &Scenario, side: &Side) -> bool {
    let own = own_implementation(scenario);
    let name = side.implementation.as_deref().unwrap_or(own);
    let profile = profiles.iter().find(|each| each.name == name);
    match profile {
        Some(found) => found.profile.is_for(&scenario.id),
        None => name == own && own != WEB_SERVER,
    }
}

fn compare(
    scenario: &Scenario,
    sides: &[Side; 2],
    tables: [&Table; 2],
    count: &mut Count,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut told = false;
    for case in &scenario.cases {
        let [Some(a), Some(b)] = tables.map(|table| row(table, case)) else {
            continue;
        };
        match [a, b].map(|row| row.iter().any(|cell| UNOBSERVED.contains(&cell.as_str()))) {
            [true, true] => continue,
            [false, false] => count.rows += 1,
            _ => {
                count.one_sided += 1;
                continue;
            }
        }
        if a == b {
            continue;
        }
        count.differing += 1;
        if !told {
            writeln!(out, "{}", scenario.id)?;
            told = true;
        }
        if !case.key.values.is_empty() {
            writeln!(out, "    {}", case.key.point())?;
        }
        for (column, (a, b)) in tables[0].columns[case.key.values.len()..]
            .iter()
            .zip(a.iter().zip(b))
        {
            if a != b {
                cells(column, sides, [a, b], out)?;
            }
        }
        why(scenario, case, sides, out)?;
    }
    Ok(())
}

/// What was seen in a case, without its axis values.
fn row<'t>(table: &'t Table, case: &Case) -> Option<&'t [String]> {
    let values = case.key.values.len();
    let is_its = |row: &&Vec<String>| {
        row.iter()
            .zip(&case.key.values)
            .all(|(cell, (_, value))| cell == value)
    };
    table.rows.iter().find(is_its).map(|row| &row[values..])
}

fn cells(column: &str, sides: &[Side; 2], cells: [&String; 2], out: &mut impl Write) -> io::Result<()> {
    for (side, cell) in sides.iter().zip(cells) {
        let cell = cell.replace('\n', "\n            ");
        writeln!(out, "        {column} on {} is {cell}", side.name)?;
    }
    Ok(())
}

/// The claims that are for one of the systems only and speak of this case.
fn why(scenario: &Scenario, case: &Case, sides: &[Side; 2], out: &mut impl Write) -> io::Result<()> {
    let is_for = |claim: &Claim, side: &Side| {
        claim.on.is_empty() || claim.on.iter().any(|range| range.contains(&side.system))
    };
    let tells_apart =
        |claim: &&Claim| claim.when.admits(&case.key) && is_for(claim, &sides[0]) != is_for(claim, &sides[1]);
    let mut found = false;
    for claim in scenario.claims.iter().filter(tells_apart) {
        found = true;
        let on: Vec<_> = claim.on.iter().map(ToString::to_string).collect();
        let source: Vec<_> = if claim.source.is_empty() {
            let elsewhere = |source: &&String| !speaks_of_another_system(source, sides);
            scenario.source.iter().filter(elsewhere).cloned().collect()
        } else {
            claim.source.clone()
        };
        writeln!(
            out,
            "        why: {} ({}), {}",
            claim.id,
            on.join(", "),
            source.join("; ")
        )?;
    }
    if found {
        return Ok(());
    }
    writeln!(out, "        why: no source is known")
}

/// A scenario's sources are for all systems; those that begin with one that is on neither side explain nothing here.
fn speaks_of_another_system(source: &str, sides: &[Side; 2]) -> bool {
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

/// The scenarios of a family that could not be compared; the family where that is all of several.
fn unreviewed((family, scenarios): (&Family, &Vec<(String, bool)>)) -> Vec<String> {
    let without: Vec<_> = scenarios.iter().filter(|(_, reviewed)| !reviewed).collect();
    match without.len() {
        all if all > 1 && all == scenarios.len() => vec![format!("all {all} of {}", family.name())],
        _ => without.into_iter().map(|(id, _)| id.clone()).collect(),
    }
}
