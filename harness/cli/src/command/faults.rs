//! `reusespec faults` and `reusespec implementations`.

use std::io::{self, Write};

use reusespec_reference::sockets::SocketFault;

use crate::exit;
use crate::plan::{KERNEL, REFERENCE};

/// Name, report and description of every fault.
pub(super) fn all() -> Vec<[&'static str; 3]> {
    let note = |fault: &SocketFault| {
        let note = fault.note();
        [note.name, note.reported_in, note.what]
    };
    SocketFault::ALL.iter().map(note).collect()
}

pub(super) fn faults() -> io::Result<i32> {
    let faults = all();
    let width = |column: usize| faults.iter().map(|fault| fault[column].len()).max().unwrap_or(0);
    let (name_width, report_width) = (width(0), width(1));
    let mut stdout = anstream::stdout();
    for [name, report, what] in &faults {
        writeln!(stdout, "{name:name_width$}  {report:report_width$}  {what}")?;
    }
    Ok(exit::AS_EXPECTED)
}

pub(super) fn implementations() -> io::Result<i32> {
    let mut stdout = anstream::stdout();
    writeln!(stdout, "{KERNEL}     raw system calls")?;
    writeln!(
        stdout,
        "{REFERENCE}  ours: sockets by the rules, with faults that can be switched on"
    )?;
    Ok(exit::AS_EXPECTED)
}
