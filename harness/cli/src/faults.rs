//! The faults of the reference, of all families in one list.

use reusespec_core::Family;
use reusespec_reference::fastcgi::FastCgiFault;
use reusespec_reference::fault::FaultNote;
use reusespec_reference::http::HttpFault;
use reusespec_reference::keepalive::KeepaliveFault;
use reusespec_reference::sockets::SocketFault;

/// A fault and the family whose scenarios detect it.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The family.
    pub family: Family,
    /// Name, report and description.
    pub note: FaultNote,
}

/// Every fault, ordered by family.
pub fn all() -> Vec<Fault> {
    let of =
        |family: Family, notes: Vec<FaultNote>| notes.into_iter().map(move |note| Fault { family, note });
    let sockets = SocketFault::ALL.iter().map(|fault| fault.note()).collect();
    let keepalive = KeepaliveFault::ALL.iter().map(|fault| fault.note()).collect();
    let fastcgi = FastCgiFault::ALL.iter().map(|fault| fault.note()).collect();
    let http = HttpFault::ALL.iter().map(|fault| fault.note()).collect();
    of(Family::PortReuse, sockets)
        .chain(of(Family::Keepalive, keepalive))
        .chain(of(Family::Fastcgi, fastcgi))
        .chain(of(Family::Http, http))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_a_report_or_the_rule_it_breaks() {
        for Fault { note, .. } in all() {
            let known = note.reported_in.contains('/') || note.reported_in.starts_with("CVE-");
            let rule = ["RFC ", "FastCGI 1.0 §", " documents "]
                .iter()
                .any(|rule| note.reported_in.contains(rule));
            let fits = if note.is_hypothetical() { rule } else { known };
            assert!(fits, "{}: {}", note.name, note.reported_in);
        }
    }
}
