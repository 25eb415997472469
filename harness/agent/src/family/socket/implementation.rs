//! Steps that open sockets through the implementation under test: the reference, or an adapter.

use std::net::SocketAddr;

use reusespec_core::protocol::Implementation;
use reusespec_core::step::socket::{Kind, Listener, MulticastListener, User};
use reusespec_reference::sockets::{SocketFault, Sockets as Reference};

use super::{Answer, Sockets, Stop};
use crate::program::AdapterSockets;
use crate::socket_owner::Owner;

/// The implementation under test.
enum Api<'a> {
    Reference(Reference),
    Adapter(&'a mut AdapterSockets),
}

fn tcp(at: SocketAddr) -> Kind {
    if at.is_ipv6() { Kind::Tcp6 } else { Kind::Tcp4 }
}

fn udp(at: SocketAddr) -> Kind {
    if at.is_ipv6() { Kind::Udp6 } else { Kind::Udp4 }
}

impl Sockets<'_, '_> {
    pub(super) fn listen_tcp(&mut self, step: &Listener) -> Answer {
        let at = step.at.resolve(&self.run.sandbox.ports);
        let owner = match self.api()? {
            Api::Reference(reference) => Owner::Agent(reference.listen_tcp(at)?),
            Api::Adapter(adapter) => Owner::Adapter(adapter.listen_tcp(&step.socket, at, false)?),
        };
        self.add_owned(&step.socket, owner, tcp(at), User::Root)
    }

    pub(super) fn listen_balanced(&mut self, step: &Listener) -> Answer {
        let at = step.at.resolve(&self.run.sandbox.ports);
        let owner = match self.api()? {
            Api::Reference(reference) => Owner::Agent(reference.listen_balanced(at)?),
            Api::Adapter(adapter) => Owner::Adapter(adapter.listen_tcp(&step.socket, at, true)?),
        };
        self.add_owned(&step.socket, owner, tcp(at), User::Root)
    }

    pub(super) fn bind_udp(&mut self, step: &Listener) -> Answer {
        let at = step.at.resolve(&self.run.sandbox.ports);
        let owner = match self.api()? {
            Api::Reference(reference) => Owner::Agent(reference.bind_udp(at)?),
            Api::Adapter(adapter) => Owner::Adapter(adapter.bind_udp(&step.socket, at)?),
        };
        self.add_owned(&step.socket, owner, udp(at), User::Root)
    }

    pub(super) fn listen_multicast(&mut self, step: &MulticastListener) -> Answer {
        self.run.sandbox.must_have_groups()?;
        let at = step.at.resolve(&self.run.sandbox.ports);
        let owner = match self.api()? {
            Api::Reference(reference) => Owner::Agent(reference.listen_multicast_udp(at, step.group)?),
            Api::Adapter(adapter) => Owner::Adapter(adapter.join_multicast(&step.socket, step.group, at)?),
        };
        self.add_owned(&step.socket, owner, udp(at), User::Root)
    }

    /// The implementation under test. If it is an adapter, the first call in a case starts its process.
    fn api(&mut self) -> Result<Api<'_>, Stop> {
        match &self.run.start.implementation {
            Implementation::Kernel => Err(Stop::Unsupported(
                "the kernel has no defaults of its own to test".to_owned(),
            )),
            Implementation::Target(_) => Err(Stop::Unsupported(
                "a target is a server, which opens no sockets on request".to_owned(),
            )),
            Implementation::Reference { fault } => {
                // Faults of other families have no effect on sockets.
                let fault = fault.as_deref().and_then(SocketFault::named);
                Ok(Api::Reference(Reference { fault }))
            }
            Implementation::External(external) => {
                let adapter = AdapterSockets::of_case(&mut self.adapter, external)?;
                Ok(Api::Adapter(adapter))
            }
        }
    }

    /// The adapter of this case, which an earlier step has started.
    pub(super) fn adapter(&mut self) -> Result<&mut AdapterSockets, Stop> {
        let none = || Stop::Broken("no step has started the adapter".to_owned());
        self.adapter.as_mut().ok_or_else(none)
    }
}
