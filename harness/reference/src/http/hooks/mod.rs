//! Where the faults act on the HTTP server, so that the other modules contain only the protocol.
//!
//! The protocol asks [`Hooks`] at each decision that a fault changes. A hook takes the decision of the protocol and
//! returns the decision to act on; without its fault it returns its argument. A hook without such an argument returns
//! what RFC 9110 and RFC 9112 demand. The submodules are named after the modules that call them.
//!
//! A fault makes the smallest change that shows the reported bug. A second implementation of each bug would prove
//! less about the scenarios.

mod body;
mod connection;
mod exchange;
mod head;
mod server;

use super::fault::HttpFault;

/// The fault that a server was started with, if any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hooks(pub(super) Option<HttpFault>);

impl Hooks {
    fn has(self, fault: HttpFault) -> bool {
        self.0 == Some(fault)
    }
}
