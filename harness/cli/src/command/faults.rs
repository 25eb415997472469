//! `reusespec faults`: prints the known bugs that can be switched on in the reference.

use std::io::{self, Write};

use crate::exit;
use crate::faults;

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
    let hypothetical = faults.iter().filter(|fault| fault.note.is_hypothetical()).count();
    writeln!(
        stdout,
        "\n{} faults; {hypothetical} of them are hypothetical: they break a rule, and no report of such a bug is known",
        faults.len()
    )?;
    Ok(exit::AS_EXPECTED)
}
