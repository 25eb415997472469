//! Addresses as scenarios write them: `127.0.0.1:$port`, `[::]:0`, `[::ffff:127.0.0.1]:$port2`.
//!
//! `$port` and `$port2` stay names in a case. The agent replaces them where the case runs: by fixed numbers inside a
//! network namespace, by leased ones on a shared loopback interface.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Names after a `$` whose value comes from the agent, not from the matrix.
pub const LEASED_PORTS: [&str; 2] = ["port", "port2"];

/// A port, whose number may not be known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// A port that the agent leases to the case: 0 is `$port`, 1 is `$port2`.
    Leased(usize),
    /// A number. The kernel replaces 0 by a port of its choice.
    Number(u16),
}

/// An IP address and a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: Port,
}

impl Endpoint {
    /// The socket address, given the numbers of the leased ports.
    ///
    /// # Panics
    /// If `leased` is shorter than [`LEASED_PORTS`]. The agent leases all of them to every case.
    pub fn resolve(&self, leased: &[u16]) -> SocketAddr {
        let port = match self.port {
            Port::Leased(index) => leased[index],
            Port::Number(number) => number,
        };
        SocketAddr::new(self.address, port)
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("bad address `{text}`, expected for example `127.0.0.1:$port` or `[::1]:0`");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let address = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(v6) => IpAddr::V6(v6.parse().map_err(|_| wrong())?),
            None => IpAddr::V4(host.parse().map_err(|_| wrong())?),
        };
        let port = match port.strip_prefix('$') {
            Some(name) => {
                let index = LEASED_PORTS.iter().position(|leased| *leased == name);
                Port::Leased(index.ok_or_else(wrong)?)
            }
            None => Port::Number(port.parse().map_err(|_| wrong())?),
        };
        Ok(Self { address, port })
    }
}

impl TryFrom<String> for Endpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(v4) => write!(f, "{v4}:")?,
            IpAddr::V6(v6) => write!(f, "[{v6}]:")?,
        }
        match self.port {
            Port::Leased(index) => write!(f, "${}", LEASED_PORTS[index]),
            Port::Number(number) => write!(f, "{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_endpoint_parses_to_itself() {
        for text in [
            "127.0.0.1:$port",
            "[::]:0",
            "[::ffff:127.0.0.1]:$port2",
            "0.0.0.0:80",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_ipv6_address_without_brackets_is_refused() {
        assert!("::1:$port".parse::<Endpoint>().is_err());
        assert!("127.0.0.1:$prt".parse::<Endpoint>().is_err());
        assert!("127.0.0.1".parse::<Endpoint>().is_err());
    }
}
