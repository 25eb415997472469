//! `reusespec accept RESULTS.json`: snapshots from a run made elsewhere.
//!
//! What is written waits for a reviewer, as `NAME@KEY.snap.new`: `cargo insta review` shows it beside what there is.
//! `--yes` is for those who have reviewed. A kernel that behaves as the table of its system says is added to the head of
//! that table; one that does not gets a table of its own, named after it. What was broken or unsupported there changes
//! no row, and a scenario of which cases are missing needs a table to keep them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use reusespec_core::table::{Comparison, Scope, Table};
use reusespec_core::{Judgement, Scenario, Verdict};

use super::wrong_input;
use crate::arguments::Accept;
use crate::exit;
use crate::implementations::{self, Implementation};
use crate::library::{Library, find_snapshot, snapshot_path};
use crate::plan::own_implementation;
use crate::results::{self, Ran};
use crate::run::{own_ending, snapshot_keys};

/// The test that reads them, as insta notes it.
const HEAD: &str = "---\nsource: scenarios/tests/suite/conformance.rs\n---\n";

/// What became of the results.
#[derive(Default)]
struct Count {
    written: usize,
    same: usize,
    unknown: usize,
    incomplete: usize,
    not_observed: usize,
    failing: usize,
    varying: usize,
}

pub(super) fn accept(library: &Library, options: &Accept) -> io::Result<i32> {
    let profiles = match implementations::load(&library.root) {
        Ok(profiles) => profiles,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let mut stdout = anstream::stdout();
    let mut count = Count::default();
    let mut groups: BTreeMap<(String, Ran), Vec<Judgement>> = BTreeMap::new();
    for file in &options.results {
        let (cases, without_kernel) = match results::read(file) {
            Ok(read) => read,
            Err(error) => return Ok(wrong_input(&error)),
        };
        count.not_observed += without_kernel;
        for seen in cases {
            let scenario = seen.judgement.key.scenario.clone();
            let group = groups.entry((scenario, seen.ran));
            group.or_default().push(seen.judgement);
        }
    }
    for ((id, ran), seen) in groups {
        let Some(scenario) = library.scenarios.iter().find(|scenario| scenario.id == id) else {
            count.unknown += 1;
            writeln!(stdout, "not here: {id}")?;
            continue;
        };
        count.failing += seen.iter().filter(|each| each.verdict == Verdict::Fail).count();
        let judgements = of_all_cases(scenario, seen);
        let lost = |each: &&Judgement| matches!(each.verdict, Verdict::Broken | Verdict::Unsupported);
        count.not_observed += judgements.iter().filter(lost).count();
        match proposed(&library.root, &profiles, scenario, &judgements, &ran) {
            Proposal::Same => count.same += 1,
            Proposal::Varies => count.varying += 1,
            Proposal::Incomplete => {
                count.incomplete += 1;
                writeln!(
                    stdout,
                    "incomplete, and nothing to complete it from: {id} on {}",
                    ran.reviewed
                )?;
            }
            Proposal::Write { key, table } => {
                let path = snapshot_path(&library.root, &id, &key);
                let path = match options.yes {
                    true => path,
                    false => path.with_extension("snap.new"),
                };
                write(&path, &table)?;
                count.written += 1;
                writeln!(stdout, "{}", path.display())?;
            }
        }
    }
    summary(&count, options.yes, &mut stdout)?;
    Ok(exit::AS_EXPECTED)
}

enum Proposal {
    Same,
    /// Its rows are the outcome of a race, and compared with none.
    Varies,
    Incomplete,
    Write {
        key: String,
        table: Box<Table>,
    },
}

fn proposed(
    root: &Path,
    profiles: &[Implementation],
    scenario: &Scenario,
    judgements: &[Judgement],
    ran: &Ran,
) -> Proposal {
    if implementations::vary(profiles, &ran.implementation, &scenario.id) {
        return Proposal::Varies;
    }
    let own = own_implementation(scenario);
    let kernels = kernels(&ran.kernel);
    let names = implementations::names(profiles, &ran.implementation);
    let (keys, ending) = (snapshot_keys(&kernels, &names, own), own_ending(&names, own));
    // Of a platform that never started there is not even a kernel's name.
    if judgements.iter().all(|each| each.verdict == Verdict::Broken) {
        return Proposal::Incomplete;
    }
    let all: Vec<_> = judgements.iter().collect();
    let now = Table::of_run(scenario, &all, &ran.reviewed);
    let missing = judgements
        .iter()
        .any(|each| each.reason.as_deref() == Some(MISSING));
    let same = |old: &Table| now.compare(Some(old), &all, Scope::AllCases) == Comparison::Same;
    let (key, old) = match find_snapshot(root, &scenario.id, &keys) {
        Some((key, old)) if key.ends_with(&ending) => (key, old),
        // Who is as another has no table of its own.
        Some((_, old)) if same(&old) => return Proposal::Same,
        _ if missing => return Proposal::Incomplete,
        _ => {
            let system = kernels.last().map_or("", String::as_str);
            return Proposal::Write {
                key: format!("{system}{ending}"),
                table: Box::new(now),
            };
        }
    };
    let only_its_own = old.kernels == [ran.reviewed.as_str()];
    if same(&old) || only_its_own {
        let table = now.merged(Some(&old), &all);
        return match table == old {
            true => Proposal::Same,
            false => Proposal::Write {
                key,
                table: Box::new(table),
            },
        };
    }
    match missing {
        true => Proposal::Incomplete,
        false => Proposal::Write {
            key: keys[0].clone(),
            table: Box::new(now),
        },
    }
}

/// `linux-6.1-s390x`, `linux-6.1`, `linux`: the kernel's own name and those it is a kind of.
fn kernels(kernel: &str) -> Vec<String> {
    let mut names = vec![kernel.to_owned()];
    let mut rest = kernel;
    while let Some((shorter, _)) = rest.rsplit_once('-') {
        names.push(shorter.to_owned());
        rest = shorter;
    }
    names
}

/// Why a case has no cells.
const MISSING: &str = "not in the results";

/// The judgements in the scenario's order, with a broken one for each case the results do not have.
fn of_all_cases(scenario: &Scenario, seen: Vec<Judgement>) -> Vec<Judgement> {
    let mut seen: BTreeMap<_, _> = seen.into_iter().map(|each| (each.key.point(), each)).collect();
    let cases = scenario.cases.iter().map(|case| {
        seen.remove(&case.key.point()).unwrap_or_else(|| Judgement {
            key: case.key.clone(),
            verdict: Verdict::Broken,
            claims: Vec::new(),
            observed: Vec::new(),
            reason: Some(MISSING.to_owned()),
        })
    });
    cases.collect()
}

fn write(path: &Path, table: &Table) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, format!("{HEAD}{table}"))
}

fn summary(count: &Count, yes: bool, out: &mut impl Write) -> io::Result<()> {
    let Count {
        written,
        same,
        unknown,
        incomplete,
        not_observed,
        failing,
        varying,
    } = count;
    let next = match (written, yes) {
        (0, _) | (_, true) => "",
        _ => "; see them: cargo insta review",
    };
    writeln!(
        out,
        "{written} tables written, {same} as they were, {incomplete} incomplete, {unknown} of unknown scenarios, {varying} that vary{next}"
    )?;
    writeln!(
        out,
        "{not_observed} cases were not observed and change no row; {failing} failed there, and their rows say how"
    )
}

#[cfg(test)]
mod tests {
    use reusespec_core::observation::{Observation, Observed};

    use super::*;

    const TEXT: &str = r#"
title = "t"
why = "w"
source = ["posix: bind"]
steps = [
  { open = { socket = "a", kind = "tcp4" } },
  { bind = { socket = "a", to = "127.0.0.1:$port", label = "first" } },
]
"#;

    /// What is proposed for an implementation's results: the file's key and the head's names.
    fn proposal(root: &Path, implementation: &str, reviewed: &str, cell: &str) -> Option<(String, String)> {
        let profiles = implementations::load(&root.join("scenarios")).unwrap();
        let scenario = Scenario::parse("port-reuse/t", "t.toml", TEXT.as_bytes()).unwrap();
        let observed = Observation {
            label: "first".to_owned(),
            seen: Observed::Word(cell.to_owned()),
        };
        let judgement = Judgement {
            key: scenario.cases[0].key.clone(),
            verdict: Verdict::Pass,
            claims: Vec::new(),
            observed: vec![observed],
            reason: None,
        };
        let ran = Ran {
            kernel: "linux-6.18".to_owned(),
            reviewed: reviewed.to_owned(),
            implementation: implementation.to_owned(),
        };
        match proposed(root, &profiles, &scenario, &[judgement], &ran) {
            Proposal::Write { key, table } => {
                write(&snapshot_path(root, &scenario.id, &key), &table).unwrap();
                Some((key, table.kernels.join(", ")))
            }
            Proposal::Same | Proposal::Varies | Proposal::Incomplete => None,
        }
    }

    #[test]
    fn rows_that_are_the_outcome_of_a_race_get_no_table() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("harness/implementations/racy");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir(root.path().join("scenarios")).unwrap();
        let profile = r#"
title = "racy"
families = ["port-reuse"]
kind = "adapter"
install = "install it"
start = ["racy"]
version = ["racy"]
varies = [{ scenario = "port-reuse/t", reason = "a race" }]
"#;
        fs::write(folder.join("profile.toml"), profile).unwrap();
        let proposal =
            |implementation| proposal(root.path(), implementation, "linux-6.18 with it 1", "EINVAL");
        assert_eq!(proposal("racy"), None);
        assert!(proposal("steady").is_some());
    }

    #[test]
    fn an_implementation_s_table_is_named_after_it_and_its_head_names_the_release() {
        let root = tempfile::tempdir().unwrap();
        let proposal = |implementation, reviewed, cell| proposal(root.path(), implementation, reviewed, cell);
        let written = |key: &str, head: &str| Some((key.to_owned(), head.to_owned()));
        assert_eq!(
            proposal("kernel", "linux-6.18", "ok"),
            written("linux", "linux-6.18")
        );
        assert_eq!(
            proposal("go", "linux-6.18 with go 1", "ok"),
            None,
            "it is as ours"
        );
        assert_eq!(
            proposal("go", "linux-6.18 with go 1", "EINVAL"),
            written("linux+go", "linux-6.18 with go 1")
        );
        assert_eq!(
            proposal("go", "linux-6.18 with go 2", "EINVAL"),
            written("linux+go", "linux-6.18 with go 1, linux-6.18 with go 2")
        );
        assert_eq!(
            proposal("go", "linux-6.18 with go 3", "ok"),
            written("linux-6.18+go", "linux-6.18 with go 3")
        );
    }
}
