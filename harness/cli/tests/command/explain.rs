//! `explain`: a family's steps, a step's keys in each family, and a scenario.

use rstest::rstest;

use crate::fixture::{Fixture, SHARING};

/// Prints the explanation of a topic.
fn explain(topic: &str) -> String {
    let fixture = Fixture::with(&[("sharing", SHARING)]);
    let output = fixture.run(&["explain", topic]);
    assert_eq!(output.status, 0, "{output:?}");
    output.stdout
}

#[test]
fn a_scenario_is_explained_with_sources_and_the_command_to_repeat_it() {
    let text = explain("port-reuse/sharing");
    assert!(text.contains("source      posix: bind"), "{text}");
    assert!(
        text.contains("reusespec run port-reuse/sharing --case new=plain"),
        "{text}"
    );
}

#[rstest]
#[case::port_reuse("port-reuse", "connect-many", "await-probes")]
#[case::keepalive("keepalive", "await-probes", "connect-many")]
#[case::fastcgi("fastcgi", "begin-many", "bind")]
#[case::http("http", "control", "bind")]
fn a_family_is_explained_with_its_own_steps_only(
    #[case] family: &str,
    #[case] own: &str,
    #[case] other: &str,
) {
    let text = explain(family);
    let has = |step: &str| text.lines().any(|line| line.starts_with(&format!("  {step} ")));
    assert!(has(own) && !has(other), "{text}");
}

#[test]
fn a_family_is_explained_with_the_keys_of_its_steps() {
    let text = explain("port-reuse");
    let bind = text.split("\n  bind ").nth(1).unwrap();
    let bind = bind.split("\n  listen ").next().unwrap();
    assert!(
        bind.contains("\n      to ") && bind.contains("The local address."),
        "{text}"
    );
}

#[rstest]
#[case::send("send", &["port-reuse", "keepalive", "fastcgi", "http"])]
#[case::connect("connect", &["port-reuse", "keepalive", "fastcgi", "http"])]
#[case::receive("receive", &["port-reuse", "keepalive", "fastcgi", "http"])]
#[case::serve("serve", &["fastcgi", "http"])]
fn a_step_is_explained_for_each_family_that_has_it(#[case] step: &str, #[case] families: &[&str]) {
    let text = explain(step);
    let heads = text.lines().filter(|line| line.starts_with(&format!("{step} (")));
    let found: Vec<_> = heads.map(|line| line.split(['(', ')']).nth(1).unwrap()).collect();
    assert_eq!(found, families, "{text}");
    let mut blocks = text.trim_end().split("\n\n");
    assert!(
        blocks.all(|block| block.lines().any(|line| line.starts_with("      "))),
        "a step has no keys: {text}"
    );
}
