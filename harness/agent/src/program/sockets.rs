//! The sockets of an adapter: the agent opens and uses them by requests.
//!
//! On Linux the agent also duplicates the descriptor of each socket, and reads its options itself: many languages cannot
//! read them back, and those that can may be wrong. It receives nothing from the duplicate, because the program's own
//! reads would compete with that.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reusespec_core::adapter::{AdapterReply, AdapterRequest};
use reusespec_core::profile::External;
use socket2::Socket;

use super::{Program, ProgramError, READY_TIMEOUT};

/// A socket that an adapter has opened.
pub(crate) struct Opened {
    /// Its local address, as the adapter says.
    pub(crate) local: SocketAddr,
    /// The agent's descriptor of the same socket; `None` if this system cannot duplicate the descriptor of another
    /// process.
    pub(crate) duplicate: Option<Socket>,
}

/// What an adapter has received.
pub(crate) enum Received {
    Text(String),
    Nothing,
    Eof,
}

impl Received {
    /// The word that a step observes.
    pub(crate) fn word(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Nothing => "nothing".to_owned(),
            Self::Eof => "eof".to_owned(),
        }
    }
}

/// An adapter that opens sockets.
pub(crate) struct AdapterSockets {
    program: Program,
    #[cfg(target_os = "linux")]
    seen: super::descriptors::Seen,
}

impl AdapterSockets {
    /// The adapter of a case. The first call for the case starts its process.
    pub(crate) fn of_case<'c>(
        adapter: &'c mut Option<Self>,
        external: &External,
    ) -> Result<&'c mut Self, ProgramError> {
        let running = match adapter.take() {
            Some(running) => running,
            None => Self::start(external)?,
        };
        Ok(adapter.insert(running))
    }

    fn start(external: &External) -> Result<Self, ProgramError> {
        Ok(Self {
            program: Program::start(external, None, &[])?,
            #[cfg(target_os = "linux")]
            seen: super::descriptors::Seen::default(),
        })
    }

    pub(crate) fn listen_tcp(
        &mut self,
        socket: &str,
        at: SocketAddr,
        balanced: bool,
    ) -> Result<Opened, ProgramError> {
        self.open(&AdapterRequest::ListenTcp {
            socket: socket.to_owned(),
            at: at.to_string(),
            balanced,
        })
    }

    pub(crate) fn bind_udp(&mut self, socket: &str, at: SocketAddr) -> Result<Opened, ProgramError> {
        self.open(&AdapterRequest::BindUdp {
            socket: socket.to_owned(),
            at: at.to_string(),
        })
    }

    pub(crate) fn join_multicast(
        &mut self,
        socket: &str,
        group: IpAddr,
        at: SocketAddr,
    ) -> Result<Opened, ProgramError> {
        self.open(&AdapterRequest::JoinMulticast {
            socket: socket.to_owned(),
            group: group.to_string(),
            at: at.to_string(),
        })
    }

    pub(crate) fn dial(&mut self, socket: &str, to: SocketAddr) -> Result<Opened, ProgramError> {
        self.open(&AdapterRequest::Dial {
            socket: socket.to_owned(),
            to: to.to_string(),
        })
    }

    /// Accepts a connection; `None` if none comes within the time.
    pub(crate) fn accept(
        &mut self,
        socket: &str,
        into: &str,
        within: Duration,
    ) -> Result<Option<Opened>, ProgramError> {
        let request = AdapterRequest::Accept {
            socket: socket.to_owned(),
            into: into.to_owned(),
            within_ms: milliseconds(within),
        };
        match self.call(&request, within)? {
            AdapterReply::Nothing => Ok(None),
            reply => self.opened(&reply).map(Some),
        }
    }

    /// Whether a connection comes to the listener within the time. The adapter keeps it open.
    pub(crate) fn takes_connection(&mut self, socket: &str, within: Duration) -> Result<bool, ProgramError> {
        let request = AdapterRequest::Accept {
            socket: socket.to_owned(),
            into: "taken".to_owned(),
            within_ms: milliseconds(within),
        };
        match self.call(&request, within)? {
            AdapterReply::Nothing => Ok(false),
            AdapterReply::Opened { .. } => Ok(true),
            other => Err(self.program.unexpected(&other)),
        }
    }

    /// Switches keepalive on or off: a `keepalive`, `keepalive-period` or `keepalive-off` request.
    pub(crate) fn set_keepalive(&mut self, request: &AdapterRequest) -> Result<(), ProgramError> {
        self.expect_ok(request)
    }

    pub(crate) fn send(
        &mut self,
        socket: &str,
        text: &str,
        to: Option<SocketAddr>,
    ) -> Result<(), ProgramError> {
        self.expect_ok(&AdapterRequest::Send {
            socket: socket.to_owned(),
            text: text.to_owned(),
            to: to.map(|to| to.to_string()),
        })
    }

    pub(crate) fn receive(&mut self, socket: &str, within: Duration) -> Result<Received, ProgramError> {
        let request = AdapterRequest::Receive {
            socket: socket.to_owned(),
            within_ms: milliseconds(within),
        };
        match self.call(&request, within)? {
            AdapterReply::Received(text) => Ok(Received::Text(text)),
            AdapterReply::Nothing => Ok(Received::Nothing),
            AdapterReply::Eof => Ok(Received::Eof),
            other => Err(self.program.unexpected(&other)),
        }
    }

    pub(crate) fn close(&mut self, socket: &str) -> Result<(), ProgramError> {
        self.expect_ok(&AdapterRequest::CloseSocket {
            socket: socket.to_owned(),
        })
    }

    fn open(&mut self, request: &AdapterRequest) -> Result<Opened, ProgramError> {
        let reply = self.call(request, Duration::ZERO)?;
        self.opened(&reply)
    }

    fn opened(&mut self, reply: &AdapterReply) -> Result<Opened, ProgramError> {
        let AdapterReply::Opened { local } = reply else {
            return Err(self.program.unexpected(reply));
        };
        let local = local.parse().map_err(|_| {
            let what = format!("opened a socket at `{local}`, which is not an address as `127.0.0.1:4001`");
            self.program.failed(what)
        })?;
        let duplicate = self.duplicate(local);
        Ok(Opened { local, duplicate })
    }

    #[cfg(target_os = "linux")]
    fn duplicate(&mut self, local: SocketAddr) -> Option<Socket> {
        self.seen.duplicate(self.program.child.id(), local)
    }

    /// FreeBSD and DragonFly have no pidfd_getfd(2).
    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, reason = "the signature on Linux")]
    fn duplicate(&mut self, _local: SocketAddr) -> Option<Socket> {
        None
    }

    fn expect_ok(&mut self, request: &AdapterRequest) -> Result<(), ProgramError> {
        match self.call(request, Duration::ZERO)? {
            AdapterReply::Ok => Ok(()),
            other => Err(self.program.unexpected(&other)),
        }
    }

    /// Sends a request. A call that fails is the result of a step.
    fn call(&mut self, request: &AdapterRequest, waits: Duration) -> Result<AdapterReply, ProgramError> {
        match self.program.request(request, waits + READY_TIMEOUT)? {
            AdapterReply::Refused(_) => Err(ProgramError::Refused("refused".to_owned())),
            AdapterReply::Failed(what) if is_error_name(&what) => Err(ProgramError::Refused(what)),
            AdapterReply::Failed(what) => Err(self.program.failed(format!("failed: {what}"))),
            reply => Ok(reply),
        }
    }
}

/// Whether the text is the name of an error of the kernel, such as `EADDRINUSE`.
fn is_error_name(text: &str) -> bool {
    text.starts_with('E')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Rounded up, because an adapter that waits too short would report `nothing` too early.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
