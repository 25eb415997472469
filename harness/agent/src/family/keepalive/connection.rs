//! Steps that make connections and use them.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::time::Duration;

use reusespec_core::Observed;
use reusespec_core::step::keepalive::{
    Accept, By, Connect, Direction, IpVersion, Open, Over, Send, Shutdown,
};
use reusespec_wire::segment::Pair;
use socket2::{Domain, Protocol, Socket, Type};

use super::implementation::not_started;
use super::{Answer, Connections, Owner, Stop, any};

/// The peer's port to which connections are made. The peer answers on every port.
pub(super) const PEER_PORT: u16 = 7;
/// The first port of the peer's own connections.
const FIRST_DIAL_PORT: u16 = 40_000;
const BACKLOG: i32 = 16;
/// Timeout of a handshake. It takes a millisecond on an idle machine.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

pub(super) fn raw(family: IpVersion) -> io::Result<Socket> {
    let domain = match family {
        IpVersion::Ipv4 => Domain::IPV4,
        IpVersion::Ipv6 => Domain::IPV6,
    };
    Socket::new(domain, Type::STREAM, Some(Protocol::TCP))
}

fn address_of(socket: &Socket) -> Result<SocketAddr, Stop> {
    let address = socket.local_addr()?;
    address
        .as_socket()
        .ok_or_else(|| Stop::Broken("a TCP socket has no internet address".to_owned()))
}

/// Makes the socket listen on a port of the kernel's choice.
fn listening(socket: &Socket, at: std::net::IpAddr) -> io::Result<()> {
    socket.bind(&SocketAddr::new(at, 0).into())?;
    socket.listen(BACKLOG)
}

impl Connections<'_, '_> {
    pub(super) fn open(&mut self, step: &Open) -> Answer {
        let socket = raw(step.family)?;
        self.add(&step.socket, Owner::Agent(socket), None);
        Ok(Observed::ok())
    }

    /// The socket that an earlier `open` created, or a new one.
    fn opened(&mut self, step: &Connect) -> Result<Socket, Stop> {
        match self.named.iter_mut().find(|named| named.name == step.socket) {
            Some(named) => match named.owner.take() {
                Some(Owner::Agent(socket)) => Ok(socket),
                Some(Owner::Adapter(_)) => Err(Stop::Broken(format!("`{}` is open already", step.socket))),
                None => Err(Stop::Broken(format!("the socket `{}` is closed", step.socket))),
            },
            None => Ok(raw(step.family)?),
        }
    }

    pub(super) fn connect(&mut self, step: &Connect) -> Answer {
        let like = any(step.family);
        let (to, within) = match step.over {
            Over::Loopback => {
                let listener = raw(step.family)?;
                listening(&listener, like)?;
                let to = address_of(&listener)?;
                self.kept.push(listener);
                (to, None)
            }
            Over::Wire => {
                let peer = self.wire()?.peer.addresses().peer(like);
                (SocketAddr::new(peer, PEER_PORT), Some(HANDSHAKE_WITHIN))
            }
        };
        let adapter = match step.by {
            By::Kernel => None,
            By::Implementation => self.adapter()?,
        };
        let (owner, kernel) = if let Some(adapter) = adapter {
            let opened = adapter.dial(&step.socket, to)?;
            let local = opened.local;
            (Owner::Adapter(opened), local)
        } else {
            let socket = self.opened(step)?;
            match within {
                Some(within) => socket.connect_timeout(&to.into(), within)?,
                None => socket.connect(&to.into())?,
            }
            let local = address_of(&socket)?;
            (Owner::Agent(socket), local)
        };
        let pair = within.map(|_| Pair { peer: to, kernel });
        self.add(&step.socket, owner, pair);
        Ok(Observed::ok())
    }

    pub(super) fn listen(&mut self, step: &Connect) -> Answer {
        let like = any(step.family);
        let at = match step.over {
            Over::Loopback => like,
            Over::Wire => self.wire()?.peer.addresses().kernel(like),
        };
        let adapter = match step.by {
            By::Kernel => None,
            By::Implementation => self.adapter()?,
        };
        let owner = if let Some(adapter) = adapter {
            Owner::Adapter(adapter.listen_tcp(&step.socket, SocketAddr::new(at, 0), false)?)
        } else {
            let socket = self.opened(step)?;
            listening(&socket, at)?;
            Owner::Agent(socket)
        };
        self.add(&step.socket, owner, None);
        Ok(Observed::ok())
    }

    pub(super) fn dial(&mut self, listener: &str) -> Answer {
        let to = match self.owner(listener)? {
            Owner::Agent(socket) => address_of(socket)?,
            Owner::Adapter(opened) => opened.local,
        };
        let pair = if to.ip().is_loopback() {
            let client = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
            client.connect(&to.into())?;
            self.kept.push(client);
            None
        } else {
            let dials = u16::try_from(self.dialled.len()).unwrap_or(u16::MAX);
            let port = FIRST_DIAL_PORT.saturating_add(dials);
            Some(self.wire()?.peer.connect(port, to, HANDSHAKE_WITHIN)?)
        };
        self.dialled.push((listener.to_owned(), pair));
        Ok(Observed::ok())
    }

    pub(super) fn accept(&mut self, step: &Accept) -> Answer {
        let first = |(listener, _): &(String, Option<Pair>)| *listener == step.socket;
        let not_dialled = || Stop::Broken(format!("no earlier step dialled `{}`", step.socket));
        let place = self.dialled.iter().position(first).ok_or_else(not_dialled)?;
        let pair = self.dialled[place].1;
        // The entry stays, because the next port is derived from the number of entries.
        self.dialled[place].0.clear();
        let adapter = match step.by {
            By::Kernel => None,
            By::Implementation => self.adapter()?,
        };
        let owner = if let Some(adapter) = adapter {
            let accepted = adapter.accept(&step.socket, &step.into, HANDSHAKE_WITHIN)?;
            let none = || Stop::Broken(format!("the adapter accepts no connection on `{}`", step.socket));
            Owner::Adapter(accepted.ok_or_else(none)?)
        } else {
            let listener = self.socket(&step.socket)?;
            Owner::Agent(match step.by {
                By::Kernel => listener.accept()?.0,
                By::Implementation => self.reference()?.accept(listener)?.0,
            })
        };
        self.add(&step.into, owner, pair);
        Ok(Observed::ok())
    }

    pub(super) fn send(&mut self, step: &Send) -> Answer {
        if let Owner::Adapter(_) = self.owner(&step.socket)? {
            let adapter = self.adapter.as_mut().ok_or_else(not_started)?;
            adapter.send(&step.socket, &step.text, None)?;
            return Ok(Observed::ok());
        }
        let sent = self.socket(&step.socket)?.send(step.text.as_bytes())?;
        Ok(if sent == step.text.len() {
            Observed::ok()
        } else {
            Observed::Word("in part".to_owned())
        })
    }

    pub(super) fn receive(&mut self, name: &str) -> Answer {
        if let Owner::Adapter(_) = self.owner(name)? {
            let adapter = self.adapter.as_mut().ok_or_else(not_started)?;
            return Ok(Observed::Word(adapter.receive(name, Duration::ZERO)?.word()));
        }
        let socket = self.socket(name)?;
        socket.set_nonblocking(true)?;
        let received = received(socket);
        socket.set_nonblocking(false)?;
        Ok(Observed::Word(match received {
            Ok(bytes) if bytes.is_empty() => "eof".to_owned(),
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => "nothing".to_owned(),
            Err(error) => crate::errno::name(&error),
        }))
    }

    pub(super) fn shutdown(&mut self, step: &Shutdown) -> Answer {
        let how = match step.how {
            Direction::Read => std::net::Shutdown::Read,
            Direction::Write => std::net::Shutdown::Write,
            Direction::Both => std::net::Shutdown::Both,
        };
        self.socket(&step.socket)?.shutdown(how)?;
        Ok(Observed::ok())
    }

    pub(super) fn close(&mut self, name: &str) -> Answer {
        if let Owner::Adapter(_) = self.owner(name)? {
            self.adapter.as_mut().ok_or_else(not_started)?.close(name)?;
        }
        if let Some(named) = self.named.iter_mut().find(|named| named.name == name) {
            named.owner = None;
        }
        Ok(Observed::ok())
    }
}

/// Calls recv(2) once.
pub(super) fn received(socket: &Socket) -> io::Result<Vec<u8>> {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
    let count = socket.recv(&mut buffer)?;
    // SAFETY: the kernel has written `count` bytes.
    let bytes = buffer[..count].iter().map(|byte| unsafe { byte.assume_init() });
    Ok(bytes.collect())
}
