//! `reusespec completions SHELL` and `reusespec manual`: print shell completions and the manual page. Both are generated
//! from the definition that `--help` uses.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::exit;

const PROGRAM: &str = "reusespec";

pub(super) fn completions(shell: Shell) -> io::Result<i32> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), PROGRAM, &mut script);
    io::stdout().write_all(&script)?;
    Ok(exit::AS_EXPECTED)
}

/// Prints one page for the program, with a section for each command and its options.
pub(super) fn manual() -> io::Result<i32> {
    let mut program = Arguments::command();
    program.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(program.clone()).render(&mut page)?;
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name().to_uppercase();
        writeln!(page, ".SH {PROGRAM} {name}")?;
        let section = clap_mangen::Man::new(command.clone());
        section.render_synopsis_section(&mut page)?;
        section.render_description_section(&mut page)?;
        section.render_options_section(&mut page)?;
    }
    io::stdout().write_all(&page)?;
    Ok(exit::AS_EXPECTED)
}
