//! The socket vocabulary: raw system calls, and the four calls of a sockets implementation under test.
//!
//! Every step names the socket it works on. A socket whose labelled step failed is *spent*: its later steps
//! are not reached, so that `listen` on a socket that could not be bound is never mistaken for an answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod words;

pub use words::{Direction, Kind, OptionName, Options, Side, Sources, TcpState, User};

use super::endpoint::Endpoint;
use super::{Action, Properties, Subject};

/// The system controls of the range from which the kernel chooses ports: Linux's, and both of the BSDs (first and last
/// port). `fill-ephemeral` sets those that its system has.
pub const EPHEMERAL_RANGE: [&str; 3] = [
    "net.ipv4.ip_local_port_range",
    "net.inet.ip.portrange.first",
    "net.inet.ip.portrange.last",
];

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
    /// Keys of `set`.
    SetOption {
        /// Which socket.
        socket: String,
        /// Which option.
        option: OptionName,
        /// To what.
        value: i32,
    }
    /// Keys of `get`.
    GetOption {
        /// Which socket.
        socket: String,
        /// Which option.
        option: OptionName,
    }
    /// Keys of `bind`.
    Bind {
        /// Which socket.
        socket: String,
        /// The local address.
        to: Endpoint,
    }
    /// Keys of `listen`.
    Listen {
        /// Which socket.
        socket: String,
        /// Length of the queue; 128 if left out.
        #[serde(default = "default_backlog")]
        backlog: i32,
    }
    /// Keys of `connect`.
    Connect {
        /// Which socket.
        socket: String,
        /// The remote address.
        to: Endpoint,
    }
    /// Keys of `accept`.
    Accept {
        /// The listener.
        socket: String,
        /// The name of the accepted socket.
        into: String,
    }
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
    /// Keys of steps that only name a socket.
    On {
        /// Which socket.
        socket: String,
    }
    /// Keys of `shutdown`.
    Shutdown {
        /// Which socket.
        socket: String,
        /// Which direction.
        how: Direction,
    }
    /// Keys of `close`.
    Close {
        /// Which socket.
        socket: String,
        /// Send RST instead of FIN (SO_LINGER with time 0).
        #[serde(default, skip_serializing_if = "is_false")]
        reset: bool,
    }
    /// Keys of `join`.
    Join {
        /// Which socket.
        socket: String,
        /// The group.
        group: std::net::IpAddr,
    }
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
    /// Keys of `send-to-group`.
    SendToGroup {
        /// The group and port.
        to: Endpoint,
        /// The sockets that may get a copy.
        receivers: Vec<String>,
    }
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
    /// Keys of `await-state`.
    AwaitState {
        /// The local address of the socket.
        local: Endpoint,
        /// The state, as netstat(1) names it.
        state: TcpState,
    }
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
    /// Keys of `sysctl`.
    Sysctl {
        /// The name, with dots.
        name: String,
        /// The value.
        value: String,
    }
    /// Keys of `listen-tcp`, `bind-udp` and `listen-balanced`.
    Listener {
        /// The name later steps use.
        socket: String,
        /// Where.
        at: Endpoint,
    }
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

impl Action for SocketStep {
    fn properties(&self) -> Properties<'_> {
        let kernel = Properties::of(Subject::Kernel);
        let implementation = Properties::of(Subject::Implementation);
        match self {
            Self::Open(step) => kernel.poisons(&step.socket),
            Self::Bind(step) => kernel.poisons(&step.socket),
            Self::Listen(step) => kernel.poisons(&step.socket),
            Self::Connect(step) => kernel.poisons(&step.socket),
            Self::Accept(step) => kernel.poisons(&step.into),
            Self::Join(step) => kernel.poisons(&step.socket),
            Self::ListenTcp(step) | Self::BindUdp(step) | Self::ListenBalanced(step) => {
                implementation.poisons(&step.socket)
            }
            Self::ListenMulticastUdp(step) => implementation.poisons(&step.socket),
            Self::Sysctl(step) => kernel.sets(vec![&step.name]),
            Self::FillEphemeral(_) => kernel.sets(EPHEMERAL_RANGE.to_vec()),
            Self::Set(_)
            | Self::Get(_)
            | Self::Send(_)
            | Self::Receive(_)
            | Self::Shutdown(_)
            | Self::Close(_)
            | Self::ConnectMany(_)
            | Self::SendToGroup(_)
            | Self::TimeWait(_)
            | Self::AwaitState(_)
            | Self::BindMany(_) => kernel,
        }
    }
}
