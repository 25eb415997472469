//! The socket vocabulary: system calls on sockets, and the four calls of a sockets implementation under test.
//!
//! Every step names the socket it works on. If a labelled step that prepares a socket fails (`open`, `bind`, `connect`,
//! …), the socket is *poisoned* and later steps on it are not executed. Otherwise `listen` on a socket that could not
//! be bound would succeed on a port of the kernel's choice, and look like a result.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod words;

pub use words::{Direction, Kind, OptionName, Options, Side, Sources, TcpState, User};

use super::endpoint::Endpoint;
use super::{Action, Properties, Subject, Sysctl};

/// The system controls of the range from which the kernel chooses ports: Linux's, and both of the BSDs (first and last
/// port). `fill-ephemeral` sets those that its system has.
pub const EPHEMERAL_RANGE: [&str; 3] = [
    "net.inet.ip.portrange.first",
    "net.inet.ip.portrange.last",
    "net.ipv4.ip_local_port_range",
];

/// A step on sockets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SocketStep {
    /// Creates a socket and sets options on it.
    Open(Open),
    /// Sets an option to an integer with setsockopt(2).
    Set(SetOption),
    /// Reads an option with getsockopt(2). Observed is the number.
    Get(GetOption),
    /// Calls bind(2).
    Bind(Bind),
    /// Calls listen(2).
    Listen(Listen),
    /// Calls connect(2). For TCP the step waits until the handshake is over.
    Connect(Connect),
    /// Calls accept(2). The step waits for a connection until the case's budget is used up.
    Accept(Accept),
    /// Calls send(2), or sendto(2) if `to` is given.
    Send(Send),
    /// Calls recv(2). Observed is the text, `eof`, `nothing` if no data arrives within 100 ms, or the error's name.
    Receive(On),
    /// Calls shutdown(2).
    Shutdown(Shutdown),
    /// Calls close(2). With `reset` the connection is reset.
    Close(Close),
    /// Joins a multicast group on the loopback interface.
    Join(Join),
    /// Connects, or sends datagrams, from many sources. Observed is how they were distributed over the receivers: `all
    /// to newest`, `all to oldest`, `all to one` or `spread`, and the errors of those that arrived nowhere.
    ConnectMany(ConnectMany),
    /// Sends one datagram to a group. Observed is which receivers got a copy: `everyone`, `nobody`, or their names, as
    /// in `a+b`.
    SendToGroup(SendToGroup),
    /// Makes a TCP connection and closes it in such an order that a chosen side is in TIME_WAIT. The step waits until
    /// the kernel's table of sockets shows that state.
    TimeWait(TimeWait),
    /// Waits until the kernel's table shows a TCP socket with this local address in this state.
    AwaitState(AwaitState),
    /// Narrows the ephemeral port range and binds a socket to each of its ports.
    FillEphemeral(FillEphemeral),
    /// Binds many sockets to port 0 and keeps them open. Observed is `every port once`, or `a live port handed out
    /// again`.
    BindMany(BindMany),
    /// Sets a system control inside the case's own network namespace or guest.
    Sysctl(Sysctl),
    /// Implementation: opens a TCP listener with the implementation's defaults.
    ListenTcp(Listener),
    /// Implementation: opens a UDP socket with the implementation's defaults.
    BindUdp(Listener),
    /// Implementation: opens a UDP socket that receives datagrams to a multicast group.
    ListenMulticastUdp(MulticastListener),
    /// Implementation: opens a TCP listener that shares its port with others, between which the kernel distributes
    /// connections.
    ListenBalanced(Listener),
}

step! {
    /// Keys of `open`.
    Open {
        /// The name that later steps use.
        socket: String,
        /// The kind of the socket.
        kind: Kind,
        /// Options that are set directly after the socket is created. The default is `plain`: none.
        #[serde(default)]
        options: Options,
        /// The value of IPV6_V6ONLY. If left out, the system's default applies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        v6only: Option<bool>,
        /// The user who creates and uses the socket. The default is root inside the namespace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<User>,
    }
    /// Keys of `set`.
    SetOption {
        /// The name of the socket.
        socket: String,
        /// The option.
        option: OptionName,
        /// The value.
        value: i32,
    }
    /// Keys of `get`.
    GetOption {
        /// The name of the socket.
        socket: String,
        /// The option.
        option: OptionName,
    }
    /// Keys of `bind`.
    Bind {
        /// The name of the socket.
        socket: String,
        /// The local address.
        to: Endpoint,
    }
    /// Keys of `listen`.
    Listen {
        /// The name of the socket.
        socket: String,
        /// The length of the queue of connections. The default is 128.
        #[serde(default = "default_backlog")]
        backlog: i32,
    }
    /// Keys of `connect`.
    Connect {
        /// The name of the socket.
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
        /// The name of the socket.
        socket: String,
        /// The bytes.
        text: String,
        /// The remote address, for a UDP socket that is not connected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Endpoint>,
    }
    /// Keys of steps that have only a socket.
    On {
        /// The name of the socket.
        socket: String,
    }
    /// Keys of `shutdown`.
    Shutdown {
        /// The name of the socket.
        socket: String,
        /// The direction.
        how: Direction,
    }
    /// Keys of `close`.
    Close {
        /// The name of the socket.
        socket: String,
        /// Whether to send RST instead of FIN (SO_LINGER with time 0).
        #[serde(default, skip_serializing_if = "is_false")]
        reset: bool,
    }
    /// Keys of `join`.
    Join {
        /// The name of the socket.
        socket: String,
        /// The group.
        group: std::net::IpAddr,
    }
    /// Keys of `connect-many`.
    ConnectMany {
        /// The remote address. Connections are made to TCP receivers, datagrams are sent to UDP receivers.
        to: Endpoint,
        /// The sockets that may receive, the oldest first.
        receivers: Vec<String>,
        /// What differs between the sources.
        sources: Sources,
        /// The number of connections or datagrams. The default is 64.
        #[serde(default = "default_flows")]
        count: u32,
    }
    /// Keys of `send-to-group`.
    SendToGroup {
        /// The group and port.
        to: Endpoint,
        /// The sockets that may receive a copy.
        receivers: Vec<String>,
    }
    /// Keys of `time-wait`.
    TimeWait {
        /// The address and port of the listener.
        at: Endpoint,
        /// Options of the side in TIME_WAIT: of the listener for `server`, of the connecting socket for `client`.
        #[serde(default)]
        options: Options,
        /// The side that closes first and is then in TIME_WAIT. The other side uses `$port2`.
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
        /// The kind of the sockets.
        kind: Kind,
        /// The address to bind the sockets to. Its port must be 0.
        at: Endpoint,
        /// The number of ports in the narrowed range. The default is 16.
        #[serde(default = "default_ephemeral_ports")]
        ports: u16,
    }
    /// Keys of `bind-many`.
    BindMany {
        /// The kind of the sockets.
        kind: Kind,
        /// The address to bind the sockets to. Its port must be 0.
        at: Endpoint,
        /// Options of the sockets.
        #[serde(default)]
        options: Options,
        /// The number of sockets.
        count: u32,
    }
    /// Keys of `listen-tcp`, `bind-udp` and `listen-balanced`.
    Listener {
        /// The name that later steps use.
        socket: String,
        /// The local address.
        at: Endpoint,
    }
    /// Keys of `listen-multicast-udp`.
    MulticastListener {
        /// The name that later steps use.
        socket: String,
        /// The group.
        group: std::net::IpAddr,
        /// The address and port to receive on. The implementation may bind to a wider address.
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
