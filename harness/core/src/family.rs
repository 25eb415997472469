//! The four families of scenarios. A family has a folder and a vocabulary for its steps.

use std::fmt;

/// A family of scenarios. Its name is the first part of a scenario's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Sharing of ports: which sockets may bind, listen and connect, and which receive.
    PortReuse,
    /// TCP keepalive: units, limits, inheritance, probes on the wire.
    Keepalive,
    /// FastCGI request ids and connections.
    Fastcgi,
    /// HTTP/1.x persistence.
    Http,
}

impl Family {
    /// Every family, in the order reports print them.
    pub const ALL: [Self; 4] = [Self::PortReuse, Self::Keepalive, Self::Fastcgi, Self::Http];

    /// The name of the family's folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::PortReuse => "port-reuse",
            Self::Keepalive => "keepalive",
            Self::Fastcgi => "fastcgi",
            Self::Http => "http",
        }
    }

    /// A description for `reusespec explain`.
    pub fn what(self) -> &'static str {
        match self {
            Self::PortReuse => "who may bind, listen and connect where, and who receives",
            Self::Keepalive => "TCP keepalive: units, limits, inheritance, and the probes on the wire",
            Self::Fastcgi => "FastCGI request ids and connections, seen from the web server's side",
            Self::Http => "HTTP/1.x persistence: close, keep-alives switched off, graceful shutdown",
        }
    }

    /// The family with this folder name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
