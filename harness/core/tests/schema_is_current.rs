//! The committed JSON Schemas are those that the types generate.

use std::path::Path;

#[track_caller]
fn assert_current(committed: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(committed);
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{} is out of date; generate it with: cargo run -p ci -- schema",
        path.display()
    );
}

#[test]
fn the_committed_schema_of_scenarios_is_current() {
    assert_current(
        "../../scenarios/scenario.schema.json",
        &reusespec_core::schema::scenario_schema(),
    );
}

#[test]
fn the_committed_schema_of_results_is_current() {
    assert_current("results.schema.json", &reusespec_core::schema::results_schema());
}

#[test]
fn the_committed_schema_of_the_adapter_protocol_is_current() {
    assert_current(
        "../implementations/adapter.schema.json",
        &reusespec_core::schema::adapter_schema(),
    );
}
