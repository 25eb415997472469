//! The known bugs the reference can be started with, of all families in one list.

use reusespec_core::Family;
use reusespec_reference::fastcgi::FastCgiFault;
use reusespec_reference::fault::FaultNote;
use reusespec_reference::http::HttpFault;
use reusespec_reference::keepalive::KeepaliveFault;
use reusespec_reference::sockets::SocketFault;

/// A fault and the family whose scenarios can show it.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The family.
    pub family: Family,
    /// Name, report and sentence.
    pub note: FaultNote,
}

/// Every fault, family by family.
pub fn all() -> Vec<Fault> {
    let of =
        |family: Family, notes: Vec<FaultNote>| notes.into_iter().map(move |note| Fault { family, note });
    let sockets = SocketFault::ALL.iter().map(|fault| fault.note()).collect();
    let keepalive = KeepaliveFault::ALL.iter().map(|fault| fault.note()).collect();
    let fastcgi = FastCgiFault::ALL.iter().map(|fault| fault.note()).collect();
    let http = HttpFault::ALL
        .iter()
        .map(|fault| FaultNote {
            name: fault.name(),
            reported_in: fault.reported_in(),
            what: fault.what(),
        })
        .collect();
    of(Family::PortReuse, sockets)
        .chain(of(Family::Keepalive, keepalive))
        .chain(of(Family::Fastcgi, fastcgi))
        .chain(of(Family::Http, http))
        .collect()
}
