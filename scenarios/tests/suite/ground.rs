//! This machine as a platform, with the agent cargo has built beside the test.

use std::path::{Path, PathBuf};

use reusespec::run::{HOST, Platform};
use reusespec_platforms::AgentCommand;

pub(crate) fn host() -> Platform {
    let agent = AgentCommand::new(env!("CARGO_BIN_EXE_scenarios-agent"), []);
    Platform {
        name: HOST.to_owned(),
        starter: Box::new(agent),
        deviations: Vec::new(),
    }
}

/// The folder of scenarios.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
