//! Wrong input: exit status 2, and a message that names the way out.

use crate::fixture::{Fixture, SHARING};

#[test]
fn a_mistake_in_a_scenario_is_printed_with_its_line() {
    let fixture = Fixture::with(&[(
        "sharing",
        &SHARING.replace("socket = \"new\", to", "socket = \"new\", too"),
    )]);
    let output = fixture.run(&["run"]);
    assert_eq!(output.status, 2);
    assert!(
        output.stderr.contains("unknown key `too` in `bind`"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("sharing.toml:10:"), "{}", output.stderr);
    assert_eq!(fixture.run(&["check"]).status, 2);
}

#[test]
fn check_prints_all_five_mistakes_of_a_file() {
    let text = SHARING
        .replace("why =", "wy =")
        .replace("\"new\", to", "\"new\", too")
        .replace("kind = \"udp4\" }", "kind = 4 }")
        .replace("level = \"must\"", "level = \"can\"");
    let fixture = Fixture::with(&[("wrong", &text)]);
    let output = fixture.run(&["check"]);
    assert_eq!(output.status, 2, "{output:?}");
    let mistakes: Vec<_> = output
        .stderr
        .lines()
        .filter(|line| line.contains(" × "))
        .collect();
    assert_eq!(mistakes.len(), 5, "{}", output.stderr);
    assert!(
        output.stderr.contains("5 mistakes in the scenarios"),
        "{}",
        output.stderr
    );
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
fn an_unknown_word_is_refused_with_the_command_that_lists_the_valid_ones() {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let refusal = |arguments: &[&str]| {
        let output = fixture.run(arguments);
        assert_eq!(output.status, 2, "{output:?}");
        output.stderr
    };
    assert!(refusal(&["run", "sharnig"]).contains("`reusespec list` prints them all"));
    assert!(refusal(&["run", "--fault", "reuse"]).contains("`reusespec faults` prints them all"));
    assert!(refusal(&["run", "--platform", "vax"]).contains("`reusespec platforms` prints them all"));
    assert!(
        refusal(&["run", "--implementation", "cobol"])
            .contains("`reusespec implementations` prints them all")
    );
    assert!(refusal(&["run", "--case", "new=old"]).contains("no case has new=old"));
    assert!(refusal(&["run", "--case", "new"]).contains("expected AXIS=VALUE"));
    assert!(refusal(&["explain", "bnid"]).contains("there is no step, family or scenario `bnid`"));
    assert!(refusal(&["frobnicate"]).contains("unrecognized subcommand"));
}

#[test]
fn help_lists_the_exit_statuses() {
    let fixture = Fixture::with(&[]);
    let output = fixture.run(&["--help"]);
    assert_eq!(output.status, 0);
    for line in [
        "0   everything is as expected",
        "69  a platform or implementation was broken",
    ] {
        assert!(output.stdout.contains(line), "{}", output.stdout);
    }
}

#[test]
fn the_error_about_missing_scenarios_names_the_option() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture::with(&[]);
    let output = fixture
        .command()
        .env_remove("REUSESPEC_SCENARIOS")
        .current_dir(&folder)
        .arg("list")
        .output();
    let output = crate::fixture::Output::of(output.unwrap());
    assert_eq!(output.status, 2);
    assert!(
        output.stderr.contains("name one with --scenarios"),
        "{}",
        output.stderr
    );
}
