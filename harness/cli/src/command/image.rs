//! `reusespec image TARGET --tree DIR FILE`: writes the root file system of a guest, for a kernel that has no platform
//! here.
//!
//! The kernel must mount it as `cd9660`, start `/agent` as its first process, and have `REUSESPEC_CHANNEL`, the serial port
//! of the data channel, in its environment. A command that boots it and connects that port to its own standard input and
//! output is a platform with `[boot.command]`.

use std::io::{self, Write};

use reusespec_platforms::{agents, root_image};

use super::wrong_input;
use crate::arguments::Image;
use crate::exit;

pub(super) fn image(options: &Image) -> io::Result<i32> {
    let agent = match agents::find(&options.target) {
        Ok(agent) => agent,
        Err(error) => return Ok(wrong_input(&error)),
    };
    let bytes = match root_image::build(&agent, &options.tree, None) {
        Ok(bytes) => bytes,
        Err(error) => return Ok(wrong_input(&error)),
    };
    std::fs::write(&options.file, &bytes)?;
    writeln!(
        anstream::stdout(),
        "{}: {} bytes",
        options.file.display(),
        bytes.len()
    )?;
    Ok(exit::AS_EXPECTED)
}
