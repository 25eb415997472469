//! What is said about a fault, whatever family it belongs to.
//!
//! Each family keeps an enum of its own faults (`sockets::SocketFault`, `keepalive::KeepaliveFault`), so that
//! no function can be handed a fault it does not know; the price is that each enum repeats four short methods.

/// A fault in words, for `reusespec faults`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultNote {
    /// The name on the command line, in kebab case.
    pub name: &'static str,
    /// The report the fault comes from: `owner/repository#number`.
    pub reported_in: &'static str,
    /// What goes wrong, in a sentence without a full stop.
    pub what: &'static str,
}
