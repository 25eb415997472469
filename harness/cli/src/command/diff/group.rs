//! A group of cases of a scenario that differ in the same cells and in the same way.
//!
//! Two systems differ in hundreds of rows for a few reasons. A group names all claims and deviations that explain one of its
//! cases, and its cases by the values of each axis. If these values have more combinations than the group has cases, it says
//! how many of them it has.

use std::io::{self, Write};

use reusespec_core::{Case, Scenario};

use super::side::Side;

/// The cells of one column on both sides.
type Difference<'t> = (&'t str, [&'t str; 2]);

/// Cases that differ alike.
pub(super) struct Group<'t> {
    cases: Vec<&'t Case>,
    /// The cells, as text: two tables have equal ones in different places.
    cells: Vec<(String, [String; 2])>,
    why: Vec<String>,
    /// The number of cases that nothing explains.
    unexplained: usize,
}

impl<'t> Group<'t> {
    /// Adds a case to the group that it belongs to, or to a new one.
    pub(super) fn add(groups: &mut Vec<Self>, case: &'t Case, cells: Vec<Difference<'_>>, why: Vec<String>) {
        let cells: Vec<_> = cells
            .into_iter()
            .map(|(column, cells)| (column.to_owned(), cells.map(str::to_owned)))
            .collect();
        match groups.iter_mut().find(|group| group.cells == cells) {
            Some(group) => {
                group.cases.push(case);
                group.unexplained += usize::from(why.is_empty());
                for reason in why {
                    if !group.why.contains(&reason) {
                        group.why.push(reason);
                    }
                }
            }
            None => groups.push(Self {
                cases: vec![case],
                cells,
                unexplained: usize::from(why.is_empty()),
                why,
            }),
        }
    }

    /// Prints the cases, the cells and the reasons.
    pub(super) fn write(
        &self,
        scenario: &Scenario,
        sides: &[Side; 2],
        out: &mut impl Write,
    ) -> io::Result<()> {
        let mut why = self.why.join("; ");
        match self.unexplained {
            0 => {}
            all if all == self.cases.len() => "not explained yet".clone_into(&mut why),
            some => why += &format!("; {some} not explained yet"),
        }
        writeln!(out, "    {}; why: {why}", self.name(scenario))?;
        for (column, [a, b]) in &self.cells {
            if a.contains('\n') || b.contains('\n') {
                for (side, cell) in sides.iter().zip([a, b]) {
                    let cell = cell.replace('\n', "\n            ");
                    writeln!(out, "        {column} on {} is {cell}", side.name)?;
                }
            } else {
                writeln!(
                    out,
                    "        {column}: {a} on {}, {b} on {}",
                    sides[0].name, sides[1].name
                )?;
            }
        }
        Ok(())
    }

    /// The axis values of the cases. An axis of which all values occur is left out.
    fn name(&self, scenario: &Scenario) -> String {
        let mut words = Vec::new();
        let mut combinations = 1;
        for (index, axis) in scenario.axes.iter().enumerate() {
            let mut values: Vec<&str> = Vec::new();
            for case in &self.cases {
                let value = case.key.values[index].1.as_str();
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            combinations *= values.len();
            let of_all_cases = scenario
                .cases
                .iter()
                .map(|case| case.key.values[index].1.as_str());
            if of_all_cases.into_iter().any(|value| !values.contains(&value)) {
                words.push(format!("{}={}", axis.name, values.join("|")));
            }
        }
        let count = self.cases.len();
        let cases = if count == 1 { "case" } else { "cases" };
        let name = match words.is_empty() {
            true => "all".to_owned(),
            false => words.join(", "),
        };
        match combinations == count {
            true => format!("{name}: {count} {cases}"),
            false => format!("{name}: {count} of these {cases}"),
        }
    }
}
