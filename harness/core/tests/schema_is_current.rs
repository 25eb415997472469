//! The committed JSON Schema is what the types say.

use std::path::Path;

#[test]
fn the_committed_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/scenario.schema.json");
    let now = reusespec_core::schema::scenario_schema();
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "the schema is out of date; write it anew with: cargo run -p ci -- schema"
    );
}
