//! Writes the committed JSON Schemas.

use std::fs;
use std::io;
use std::path::Path;

use reusespec_core::schema::{results_schema, scenario_schema};

/// Writes the schema of scenario files beside the scenarios, where editors find it, and the schema of results beside
/// the crate whose types it describes.
pub(crate) fn write() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::write(root.join("scenarios/scenario.schema.json"), scenario_schema())?;
    fs::write(root.join("harness/core/results.schema.json"), results_schema())
}
