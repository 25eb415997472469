//! `reusespec faults` and `reusespec implementations`.

use std::io::{self, Write};

use crate::exit;
use crate::faults;
use crate::plan::{KERNEL, REFERENCE};

pub(super) fn faults() -> io::Result<i32> {
    let faults = faults::all();
    let widest = |text: fn(&faults::Fault) -> &str| faults.iter().map(|fault| text(fault).len()).max();
    let name_width = widest(|fault| fault.note.name).unwrap_or(0);
    let report_width = widest(|fault| fault.note.reported_in).unwrap_or(0);
    let mut stdout = anstream::stdout();
    for fault in &faults {
        let (name, report, what) = (fault.note.name, fault.note.reported_in, fault.note.what);
        writeln!(
            stdout,
            "{name:name_width$}  {:10}  {report:report_width$}  {what}",
            fault.family.name()
        )?;
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
