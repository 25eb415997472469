//! The words of the socket vocabulary: kinds of sockets, users, options, sides and states.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::step::endpoint::Endpoint;

/// The kind of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP over IPv4.
    Udp4,
    /// UDP over IPv6.
    Udp6,
}

impl Kind {
    /// Whether it is a stream socket.
    pub fn is_tcp(self) -> bool {
        matches!(self, Self::Tcp4 | Self::Tcp6)
    }

    /// Whether it is an IPv6 socket.
    pub fn is_v6(self) -> bool {
        matches!(self, Self::Tcp6 | Self::Udp6)
    }
}

/// Whose socket it is. The number of a user is the platform's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum User {
    /// Privileged inside the case's namespace.
    Root,
    /// An ordinary user.
    Alice,
    /// Another ordinary user.
    Bob,
    /// The user the case runs as, without privileges.
    Unprivileged,
}

/// Port-sharing options: `plain`, or a sum such as `reuse-addr+reuse-port`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Options {
    /// SO_REUSEADDR.
    pub reuse_addr: bool,
    /// SO_REUSEPORT.
    pub reuse_port: bool,
    /// SO_REUSEPORT_LB, FreeBSD only.
    pub reuse_port_lb: bool,
}

impl TryFrom<String> for Options {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut options = Self::default();
        if text == "plain" {
            return Ok(options);
        }
        for word in text.split('+') {
            let flag = match word {
                "reuse-addr" => &mut options.reuse_addr,
                "reuse-port" => &mut options.reuse_port,
                "reuse-port-lb" => &mut options.reuse_port_lb,
                _ => {
                    return Err(format!(
                        "unknown options `{text}`, expected `plain` or a sum of `reuse-addr`, `reuse-port`, `reuse-port-lb`"
                    ));
                }
            };
            if std::mem::replace(flag, true) {
                return Err(format!("option `{word}` stands twice in `{text}`"));
            }
        }
        Ok(options)
    }
}

impl From<Options> for String {
    fn from(options: Options) -> Self {
        let words: Vec<_> = [
            (options.reuse_addr, "reuse-addr"),
            (options.reuse_port, "reuse-port"),
            (options.reuse_port_lb, "reuse-port-lb"),
        ]
        .into_iter()
        .filter_map(|(set, word)| set.then_some(word))
        .collect();
        if words.is_empty() {
            "plain".to_owned()
        } else {
            words.join("+")
        }
    }
}

impl JsonSchema for Options {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Options".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "`plain`, or a sum such as `reuse-addr+reuse-port`",
            "pattern": r"^(plain|\$.+|(reuse-addr|reuse-port|reuse-port-lb)(\+(reuse-addr|reuse-port|reuse-port-lb))*)$"
        })
    }
}

impl JsonSchema for Endpoint {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Endpoint".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "an address and a port: `127.0.0.1:$port`, `[::1]:0`"
        })
    }
}

/// A socket option by its name in the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(non_camel_case_types, reason = "the names are the manual's")]
pub enum OptionName {
    /// socket(7), setsockopt(2).
    SO_REUSEADDR,
    /// socket(7), setsockopt(2).
    SO_REUSEPORT,
    /// FreeBSD setsockopt(2).
    SO_REUSEPORT_LB,
    /// Pending error, cleared by reading it.
    SO_ERROR,
    /// ipv6(7).
    IPV6_V6ONLY,
    /// Linux ip(7): choose the port at connect, not at bind.
    IP_BIND_ADDRESS_NO_PORT,
    /// ip(7): receive groups that other sockets joined.
    IP_MULTICAST_ALL,
}

/// Which half of a connection to shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// SHUT_RD.
    Read,
    /// SHUT_WR.
    Write,
    /// SHUT_RDWR.
    Both,
}

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The end that connected.
    Client,
    /// The end that was accepted; the listener is closed.
    Server,
    /// The end that was accepted; the listener stays open.
    ServerBesideListener,
}

/// What differs between the sources of `connect-many`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sources {
    /// One address, a port each.
    Ports,
    /// An address each (127.1.0.1, 127.1.0.2, …), a port each.
    Addresses,
    /// One address and port for all datagrams.
    One,
}

/// TCP states that scenarios wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "RFC 9293 §3.3.2 says what they are")]
pub enum TcpState {
    Established,
    SynSent,
    SynRecv,
    #[serde(rename = "FIN_WAIT_1")]
    FinWait1,
    #[serde(rename = "FIN_WAIT_2")]
    FinWait2,
    TimeWait,
    CloseWait,
    LastAck,
    Listen,
    Closing,
}
