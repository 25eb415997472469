//! The committed JSON Schema of scenario files.

use std::io;
use std::path::Path;

/// Writes the schema beside the scenarios, where editors find it.
pub(crate) fn write() -> io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/scenario.schema.json");
    std::fs::write(path, reusespec_core::schema::scenario_schema())
}
