//! Writes the committed JSON Schemas.

use std::fs;
use std::io;
use std::path::Path;

use reusespec_core::schema::{adapter_schema, results_schema, scenario_schema};

/// Writes the schema of scenario files beside the scenarios, where editors find it, the schema of results beside the crate
/// whose types it describes, and the schema of the adapter protocol beside its documentation.
pub(crate) fn write() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::write(root.join("scenarios/scenario.schema.json"), scenario_schema())?;
    fs::write(
        root.join("harness/implementations/adapter.schema.json"),
        adapter_schema(),
    )?;
    fs::write(root.join("harness/core/results.schema.json"), results_schema())
}
