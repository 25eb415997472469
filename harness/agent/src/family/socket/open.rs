//! Steps that create and prepare sockets by system calls.

use std::net::{IpAddr, Ipv4Addr};

use reusespec_core::Observed;
use reusespec_core::step::endpoint::Endpoint;
use reusespec_core::step::socket::{Bind, Join, Kind, Listen, Open, Options, User};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::{Answer, Sockets, Stop, options};

/// Creates a socket of a kind and sets its port-sharing options.
pub(super) fn raw(kind: Kind, options: Options) -> Result<Socket, Stop> {
    let domain = if kind.is_v6() { Domain::IPV6 } else { Domain::IPV4 };
    let (class, protocol) = if kind.is_tcp() {
        (Type::STREAM, Protocol::TCP)
    } else {
        (Type::DGRAM, Protocol::UDP)
    };
    let socket = Socket::new(domain, class, Some(protocol))?;
    options::share(&socket, options)?;
    Ok(socket)
}

impl Sockets<'_, '_> {
    pub(super) fn address(&self, endpoint: &Endpoint) -> SockAddr {
        endpoint.resolve(&self.run.sandbox.ports).into()
    }

    pub(super) fn open(&mut self, step: &Open) -> Answer {
        let user = step.user.unwrap_or(User::Root);
        self.run.sandbox.must_have(user)?;
        let make = || -> Result<Socket, Stop> {
            let socket = raw(step.kind, step.options)?;
            if let Some(only) = step.v6only {
                socket.set_only_v6(only)?;
            }
            Ok(socket)
        };
        let socket = self.as_user(user, make)??;
        self.add(&step.socket, socket, step.kind, user)
    }

    pub(super) fn bind(&mut self, step: &Bind) -> Answer {
        let to = self.address(&step.to);
        self.as_owner(&step.socket, |socket| socket.bind(&to))?;
        Ok(Observed::ok())
    }

    pub(super) fn listen(&mut self, step: &Listen) -> Answer {
        self.as_owner(&step.socket, |socket| socket.listen(step.backlog))?;
        Ok(Observed::ok())
    }

    pub(super) fn join(&mut self, step: &Join) -> Answer {
        self.run.sandbox.must_have_groups()?;
        self.as_owner(&step.socket, |socket| match step.group {
            IpAddr::V4(group) => socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST),
            IpAddr::V6(group) => socket.join_multicast_v6(&group, 0),
        })?;
        Ok(Observed::ok())
    }
}
