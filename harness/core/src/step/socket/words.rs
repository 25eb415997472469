//! Values of keys of the socket vocabulary: kinds of sockets, users, options, sides and states.

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

/// The owner of a socket. The agent chooses the user's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum User {
    /// The privileged user of the case's namespace.
    Root,
    /// A user without privileges.
    Alice,
    /// A second user without privileges.
    Bob,
    /// The user as which the case runs, with its privileges dropped.
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
                return Err(format!("option `{word}` is given twice in `{text}`"));
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
    /// The pending error. Reading it clears it.
    SO_ERROR,
    /// ipv6(7).
    IPV6_V6ONLY,
    /// Linux ip(7): the kernel chooses the port at connect, not at bind.
    IP_BIND_ADDRESS_NO_PORT,
    /// ip(7): the socket also receives groups that only other sockets have joined.
    IP_MULTICAST_ALL,
}

/// The direction of a connection to shut down.
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

/// An end of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The end that connected.
    Client,
    /// The end that was accepted. The listener is closed.
    Server,
    /// The end that was accepted. The listener stays open.
    ServerBesideListener,
}

/// What differs between the sources of `connect-many`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sources {
    /// All sources have one address, and a port each.
    Ports,
    /// Each source has an address (127.1.0.1, 127.1.0.2, …) and a port of its own.
    Addresses,
    /// All datagrams come from one address and port.
    One,
}

/// TCP states that scenarios wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "RFC 9293 §3.3.2 defines them")]
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
