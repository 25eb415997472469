//! Tables as text, and comparisons of a run with a snapshot.

use super::*;
use crate::observation::{Observation, Observed, Outcome};
use crate::system::System;

const TEXT: &str = r#"
title = "t"
why = "w"
source = ["posix: bind"]
matrix.new = ["plain", "reuse-addr"]
steps = [
  { open = { socket = "a", kind = "tcp4", options = "$new" } },
  { bind = { socket = "a", to = "127.0.0.1:$port", label = "first" } },
]
"#;

fn run(words: [Option<&str>; 2]) -> (Table, Vec<Judgement>) {
    let scenario = Scenario::parse("port-reuse/t", "t.toml", TEXT.as_bytes()).unwrap();
    let system = System {
        name: "linux".to_owned(),
        release: "6.18".to_owned(),
    };
    let outcome = |word: Option<&str>| match word {
        None => Outcome::Unsupported("no".to_owned()),
        Some(word) => Outcome::Observed(vec![Observation {
            label: "first".to_owned(),
            seen: Observed::Word(word.to_owned()),
        }]),
    };
    let judgements: Vec<_> = scenario
        .cases
        .iter()
        .zip(words)
        .map(|(case, word)| {
            let (key, outcome) = (&case.key, outcome(word));
            crate::judge::judge(&scenario, key, &outcome, &system, &crate::Timing::UNKNOWN, &[])
        })
        .collect();
    let provenance = Provenance {
        kernel: KernelName::of(&system, "x86_64"),
        implementation: "kernel".to_owned(),
        release: None,
    };
    let table = Table::of_run(&scenario, &judgements.iter().collect::<Vec<_>>(), &provenance);
    (table, judgements)
}

fn compare(old: Option<&Table>, words: [Option<&str>; 2]) -> Comparison {
    let (table, judgements) = run(words);
    table.compare(old, &judgements.iter().collect::<Vec<_>>(), Scope::AllCases)
}

#[test]
fn a_table_reads_back_as_it_was_written() {
    let (table, _) = run([Some("all to newest"), Some("ok")]);
    insta::assert_snapshot!(table.to_string(), @r"
    scenario        port-reuse/t
    kernel          linux-6.18
    implementation  kernel

    new         first
    plain       all to newest
    reuse-addr  ok
    ");
    assert_eq!(Table::parse(&table.to_string()), Some(table));
}

#[test]
fn a_long_list_of_kernels_takes_several_lines_of_the_head() {
    let (mut table, _) = run([Some("ok"), Some("ok")]);
    table.release = Some("it 1.0".to_owned());
    let kernels = (0..12).map(|minor| format!("linux-6.{minor}"));
    table.kernels = kernels.map(|kernel| kernel.parse().unwrap()).collect();
    let text = table.to_string();
    let head: Vec<_> = text.lines().take_while(|line| !line.is_empty()).collect();
    insta::assert_snapshot!(head.join("\n"), @r"
    scenario        port-reuse/t
    kernel          linux-6.0, linux-6.1, linux-6.2, linux-6.3, linux-6.4, linux-6.5, linux-6.6
    kernel          linux-6.7, linux-6.8, linux-6.9, linux-6.10, linux-6.11
    implementation  kernel
    release         it 1.0
    ");
    assert_eq!(Table::parse(&text), Some(table));
}

#[test]
fn equal_transcripts_stand_once_below_the_table() {
    let (table, _) = run([Some("< 200\n< FIN"), Some("< 200\n< FIN")]);
    insta::assert_snapshot!(table.to_string(), @r"
    scenario        port-reuse/t
    kernel          linux-6.18
    implementation  kernel

    new         first
    plain       [1]
    reuse-addr  [1]

    [1] first
        < 200
        < FIN
    ");
    assert_eq!(Table::parse(&table.to_string()), Some(table));
}

#[test]
fn different_transcripts_have_different_numbers() {
    let (table, _) = run([Some("< 200\n< FIN"), Some("< 200\n< RST")]);
    let text = table.to_string();
    assert!(text.contains("reuse-addr  [2]\n"), "{text}");
    assert_eq!(Table::parse(&text), Some(table));
    assert_eq!(Table::parse(&text.replace("[2] first\n", "")), None);
}

#[test]
fn a_different_row_on_a_reviewed_kernel_is_a_change() {
    let (old, _) = run([Some("ok"), Some("ok")]);
    assert_eq!(compare(Some(&old), [Some("ok"), Some("ok")]), Comparison::Same);
    let Comparison::Changed(rows) = compare(Some(&old), [Some("ok"), Some("EIO")]) else {
        panic!("the row differs")
    };
    assert_eq!(rows[0].is, ["reuse-addr", "EIO"]);
    assert_eq!(rows[0].was.as_ref().unwrap()[1], "ok");
}

#[test]
fn a_kernel_that_was_not_reviewed_shows_new_rows() {
    let (mut old, _) = run([Some("ok"), Some("ok")]);
    old.kernels = vec!["linux-6.1".parse().unwrap()];
    assert!(
        matches!(compare(Some(&old), [Some("EIO"), Some("ok")]), Comparison::New(rows) if rows.len() == 1)
    );
    assert!(matches!(compare(None, [Some("ok"), Some("ok")]), Comparison::New(rows) if rows.len() == 2));
}

#[test]
fn a_case_that_was_not_observed_keeps_its_row() {
    let (old, _) = run([Some("ok"), Some("EIO")]);
    assert_eq!(compare(Some(&old), [Some("ok"), None]), Comparison::Same);
    let (table, judgements) = run([Some("ok"), None]);
    let merged = table.merged(Some(&old), &judgements.iter().collect::<Vec<_>>());
    assert_eq!(merged, old);
}

#[test]
fn a_case_that_was_never_observed_has_no_row_until_it_is() {
    let (table, judgements) = run([Some("ok"), None]);
    let first = table.merged(None, &judgements.iter().collect::<Vec<_>>());
    assert_eq!(first.rows, [["plain", "ok"]]);
    assert_eq!(compare(Some(&first), [Some("ok"), None]), Comparison::Same);
    assert!(
        matches!(compare(Some(&first), [Some("ok"), Some("EIO")]), Comparison::Changed(rows) if rows[0].was.is_none())
    );
}

#[test]
fn a_row_that_the_scenario_no_longer_has_is_a_change() {
    let (mut old, _) = run([Some("ok"), Some("ok")]);
    old.rows.push(vec!["reuse-port".to_owned(), "ok".to_owned()]);
    assert!(matches!(
        compare(Some(&old), [Some("ok"), Some("ok")]),
        Comparison::Changed(_)
    ));
}

#[test]
fn a_release_that_was_not_reviewed_shows_new_rows_and_replaces_the_old_one() {
    let (mut old, _) = run([Some("ok"), Some("ok")]);
    old.kernels.push("linux-6.19".parse().unwrap());
    old.release = Some("it 1.0".to_owned());
    let (mut now, judgements) = run([Some("EIO"), Some("ok")]);
    let all: Vec<_> = judgements.iter().collect();
    now.release = Some("it 1.1".to_owned());
    assert!(matches!(
        now.compare(Some(&old), &all, Scope::AllCases),
        Comparison::New(_)
    ));
    assert_eq!(now.merged(Some(&old), &all), now);
    old.release = now.release.clone();
    assert!(matches!(
        now.compare(Some(&old), &all, Scope::AllCases),
        Comparison::Changed(_)
    ));
}
