//! Wrong input gets status 2, and words that lead out.

use crate::fixture::{Fixture, SHARING};

#[test]
fn a_scenario_with_a_mistake_is_shown_with_its_line() {
    let fixture = Fixture::with(&[(
        "sharing",
        &SHARING.replace("socket = \"new\", to", "socket = \"new\", too"),
    )]);
    let answer = fixture.run(&["run"]);
    assert_eq!(answer.status, 2);
    assert!(
        answer.stderr.contains("unknown key `too` in `bind`"),
        "{}",
        answer.stderr
    );
    assert!(answer.stderr.contains("sharing.toml:10:"), "{}", answer.stderr);
    assert_eq!(fixture.run(&["check"]).status, 2);
}

#[test]
fn files_can_be_checked_one_by_one() {
    let fixture = Fixture::with(&[("sharing", SHARING), ("broken", "title = 7")]);
    let file = |name: &str| fixture.family().join(name).display().to_string();
    assert_eq!(fixture.run(&["check", &file("sharing.toml")]).status, 0);
    assert_eq!(fixture.run(&["check", &file("broken.toml")]).status, 2);
    assert_eq!(fixture.run(&["check", &file("absent.toml")]).status, 2);
}

#[test]
fn a_word_that_names_nothing_is_refused_with_the_way_out() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let said = |arguments: &[&str]| {
        let answer = fixture.run(arguments);
        assert_eq!(answer.status, 2, "{answer:?}");
        answer.stderr
    };
    assert!(said(&["run", "sharnig"]).contains("`reusespec list` prints them all"));
    assert!(said(&["run", "--fault", "reuse"]).contains("`reusespec faults` prints them all"));
    assert!(said(&["run", "--platform", "vax"]).contains("`reusespec platforms` prints them all"));
    assert!(
        said(&["run", "--implementation", "cobol"]).contains("`reusespec implementations` prints them all")
    );
    assert!(said(&["run", "--case", "new=old"]).contains("no case has new=old"));
    assert!(said(&["run", "--case", "new"]).contains("expected AXIS=VALUE"));
    assert!(said(&["explain", "bnid"]).contains("no step, family or scenario"));
    assert!(said(&["frobnicate"]).contains("unrecognized subcommand"));
}

#[test]
fn help_tells_the_exit_statuses() {
    let fixture = Fixture::with(&[]);
    let answer = fixture.run(&["--help"]);
    assert_eq!(answer.status, 0);
    for line in [
        "0   everything is as expected",
        "69  a platform or implementation was broken",
    ] {
        assert!(answer.stdout.contains(line), "{}", answer.stdout);
    }
}

#[test]
fn a_folder_without_scenarios_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture::with(&[]);
    let output = fixture
        .command()
        .env_remove("REUSESPEC_SCENARIOS")
        .current_dir(&folder)
        .arg("list")
        .output();
    let answer = crate::fixture::Answer::of(output.unwrap());
    assert_eq!(answer.status, 2);
    assert!(
        answer.stderr.contains("name one with --scenarios"),
        "{}",
        answer.stderr
    );
}
