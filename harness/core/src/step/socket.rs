//! The socket vocabulary: raw system calls, and the four calls of a sockets implementation under test.
//!
//! Every step names the socket it works on. A socket whose labelled step failed is *spent*: its later steps
//! are not reached, so that `listen` on a socket that could not be bound is never mistaken for an answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Vocabulary;
use super::endpoint::Endpoint;

/// One step on sockets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SocketStep {
    /// Make a socket and set options on it.
    Open(Open),
    /// Set an option to an integer.
    Set(SetOption),
    /// Read an option; observed as a number.
    Get(GetOption),
    /// bind(2).
    Bind(Bind),
    /// listen(2).
    Listen(Listen),
    /// connect(2); a TCP connect waits for the handshake.
    Connect(Connect),
    /// accept(2), waiting for a connection within the case's budget.
    Accept(Accept),
    /// send(2) or sendto(2).
    Send(Send),
    /// recv(2); observed as the text, `eof`, `nothing`, or an error name.
    Receive(On),
    /// shutdown(2).
    Shutdown(Shutdown),
    /// close(2), or a reset where asked for.
    Close(Close),
    /// Join a multicast group on the loopback interface.
    Join(Join),
    /// Send from many sources; observed is who received: `all to newest`, `all to a`, `spread`, `a+b`.
    ConnectMany(ConnectMany),
    /// Send one datagram to a group; observed is who got a copy: `everyone`, `nobody`, or names.
    SendToGroup(SendToGroup),
    /// Make a TCP connection and bring it to TIME_WAIT, proven by the kernel's own table.
    TimeWait(TimeWait),
    /// Wait until the kernel's table shows a TCP socket in a state on a local port.
    AwaitState(AwaitState),
    /// Narrow the ephemeral range and bind sockets until it is used up.
    FillEphemeral(FillEphemeral),
    /// Bind many sockets to port 0; observed is whether a port of a live socket was handed out again.
    BindMany(BindMany),
    /// Set a system control inside the case's own namespace.
    Sysctl(Sysctl),
    /// Implementation: open a TCP listener the implementation's default way.
    ListenTcp(Listener),
    /// Implementation: open a UDP socket the implementation's default way.
    BindUdp(Listener),
    /// Implementation: open a UDP socket that receives a multicast group.
    ListenMulticastUdp(MulticastListener),
    /// Implementation: open a TCP listener that shares its port and balances.
    ListenBalanced(Listener),
}

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

macro_rules! step {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    };
}

step! {
    /// Keys of `open`.
    Open {
        /// The name later steps use.
        socket: String,
        /// What kind of socket.
        kind: Kind,
        /// Options set before anything else; `plain` if left out.
        #[serde(default)]
        options: Options,
        /// IPV6_V6ONLY; the system's default if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        v6only: Option<bool>,
        /// Who makes and uses the socket; root inside the namespace if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<User>,
    }
}
step! {
    /// Keys of `set`.
    SetOption {
        /// Which socket.
        socket: String,
        /// Which option.
        option: OptionName,
        /// To what.
        value: i32,
    }
}
step! {
    /// Keys of `get`.
    GetOption {
        /// Which socket.
        socket: String,
        /// Which option.
        option: OptionName,
    }
}
step! {
    /// Keys of `bind`.
    Bind {
        /// Which socket.
        socket: String,
        /// The local address.
        to: Endpoint,
    }
}
step! {
    /// Keys of `listen`.
    Listen {
        /// Which socket.
        socket: String,
        /// Length of the queue; 128 if left out.
        #[serde(default = "default_backlog")]
        backlog: i32,
    }
}
step! {
    /// Keys of `connect`.
    Connect {
        /// Which socket.
        socket: String,
        /// The remote address.
        to: Endpoint,
    }
}
step! {
    /// Keys of `accept`.
    Accept {
        /// The listener.
        socket: String,
        /// The name of the accepted socket.
        into: String,
    }
}
step! {
    /// Keys of `send`.
    Send {
        /// Which socket.
        socket: String,
        /// The bytes.
        text: String,
        /// Where to, for an unconnected UDP socket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Endpoint>,
    }
}
step! {
    /// Keys of steps that only name a socket.
    On {
        /// Which socket.
        socket: String,
    }
}
step! {
    /// Keys of `shutdown`.
    Shutdown {
        /// Which socket.
        socket: String,
        /// Which direction.
        how: Direction,
    }
}
step! {
    /// Keys of `close`.
    Close {
        /// Which socket.
        socket: String,
        /// Send RST instead of FIN (SO_LINGER with time 0).
        #[serde(default, skip_serializing_if = "is_false")]
        reset: bool,
    }
}
step! {
    /// Keys of `join`.
    Join {
        /// Which socket.
        socket: String,
        /// The group.
        group: std::net::IpAddr,
    }
}
step! {
    /// Keys of `connect-many`.
    ConnectMany {
        /// Where to: connections for TCP receivers, datagrams for UDP ones.
        to: Endpoint,
        /// The sockets that may receive, oldest first.
        receivers: Vec<String>,
        /// What differs between the sources.
        sources: Sources,
        /// How many connections or datagrams.
        #[serde(default = "default_flows")]
        count: u32,
    }
}
step! {
    /// Keys of `send-to-group`.
    SendToGroup {
        /// The group and port.
        to: Endpoint,
        /// The sockets that may get a copy.
        receivers: Vec<String>,
    }
}
step! {
    /// Keys of `time-wait`.
    TimeWait {
        /// The address and port of the listener.
        at: Endpoint,
        /// Options of the listener (`server`) or of the connecting socket (`client`).
        #[serde(default)]
        options: Options,
        /// Which side closes first and keeps the TIME_WAIT. The other side uses `$port2`.
        side: Side,
    }
}
step! {
    /// Keys of `await-state`.
    AwaitState {
        /// The local address of the socket.
        local: Endpoint,
        /// The state, as netstat(1) names it.
        state: TcpState,
    }
}
step! {
    /// Keys of `fill-ephemeral`.
    FillEphemeral {
        /// What kind of sockets.
        kind: Kind,
        /// The address to bind them to; its port must be 0.
        at: Endpoint,
        /// How many ports the range is narrowed to.
        #[serde(default = "default_ephemeral_ports")]
        ports: u16,
    }
}
step! {
    /// Keys of `bind-many`.
    BindMany {
        /// What kind of sockets.
        kind: Kind,
        /// The address to bind them to; its port must be 0.
        at: Endpoint,
        /// Their options.
        #[serde(default)]
        options: Options,
        /// How many.
        count: u32,
    }
}
step! {
    /// Keys of `sysctl`.
    Sysctl {
        /// The name, with dots.
        name: String,
        /// The value.
        value: String,
    }
}
step! {
    /// Keys of `listen-tcp`, `bind-udp` and `listen-balanced`.
    Listener {
        /// The name later steps use.
        socket: String,
        /// Where.
        at: Endpoint,
    }
}
step! {
    /// Keys of `listen-multicast-udp`.
    MulticastListener {
        /// The name later steps use.
        socket: String,
        /// The group.
        group: std::net::IpAddr,
        /// Address and port to receive on; the implementation may widen the address.
        at: Endpoint,
    }
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

fn default_backlog() -> i32 {
    128
}

fn default_flows() -> u32 {
    64
}

fn default_ephemeral_ports() -> u16 {
    16
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Vocabulary for SocketStep {
    fn needs_implementation(&self) -> bool {
        matches!(
            self,
            Self::ListenTcp(_) | Self::BindUdp(_) | Self::ListenMulticastUdp(_) | Self::ListenBalanced(_)
        )
    }
}
