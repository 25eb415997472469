//! The keepalive vocabulary: TCP connections to a peer that can fall silent, and the segments the kernel then sends.
//!
//! A connection goes over a *wire* to the wire peer, which runs in user space, or over loopback if no time is observed.
//! Times are counted from the last segment that the peer sent before the observing step, or from the last `mark`,
//! whichever is later. Kernels count from the peer's last segment too, so the time that a scenario's preparation took
//! does not matter.
//!
//! Steps that observe a schedule have a timeout, `within`. A kernel that reads the wrong unit would otherwise make the
//! case wait for minutes or hours.

mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::socket::Direction;
use super::{Action, Properties, Subject, Sysctl};
pub use crate::duration::Time;
pub use words::{Behaviour, By, IpVersion, Over, RawOption, Via};

/// A step on TCP connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum KeepaliveStep {
    /// Creates a TCP socket that is not connected.
    Open(Open),
    /// Connects a socket to the peer. The step creates the socket if no earlier `open` did.
    Connect(Connect),
    /// Makes a socket listen for connections of the peer. The step creates the socket if no earlier `open` did.
    Listen(Connect),
    /// The peer connects to a listener. The handshake is complete after the step; nothing is accepted yet.
    Dial(On),
    /// Accepts a connection that an earlier `dial` made.
    Accept(Accept),
    /// Implementation: switches keepalive on with a schedule. What is left out keeps its value. Observed is `ok`,
    /// `refused` if the implementation rejects a value, or the name of the kernel's error.
    Keepalive(Schedule),
    /// Implementation: switches keepalive on with a quiet time before the first probe.
    KeepalivePeriod(Period),
    /// Implementation: switches keepalive off.
    KeepaliveOff(On),
    /// Sets an option with setsockopt(2) to an integer of any length.
    SetRaw(SetRaw),
    /// Reads an option with getsockopt(2). Observed is the number, or for SO_ERROR the error's name or `none`.
    GetRaw(GetRaw),
    /// Sets a system control inside the case's own network namespace or guest.
    Sysctl(Sysctl),
    /// Changes the behaviour of the peer.
    Peer(PeerStep),
    /// The peer sends data on every connection.
    PeerSend(PeerSend),
    /// Later times are counted from here, unless the peer sends a segment after it.
    Mark(Mark),
    /// Waits. Observed are the kinds of segments that the kernel sends meanwhile (`probe`, `data`, `FIN`, `RST`), or
    /// `nothing`.
    Quiet(Quiet),
    /// Waits for keepalive probes. Observed is `ok` or `too few`, with the times of the probes.
    AwaitProbes(AwaitProbes),
    /// Waits for the end of a connection. Observed is the result the application gets (an error's name or `eof`) and
    /// its time, or `alive`.
    AwaitClose(AwaitClose),
    /// Connects a new socket to the peer and waits for the result. Observed are the result, its time counted from the
    /// first SYN, and the retransmissions of the SYN.
    AwaitConnect(AwaitConnect),
    /// Waits until the port of a closed connection can be bound without any option. Observed is `ok` and its time, or
    /// the last error of bind(2).
    AwaitFree(AwaitFree),
    /// Calls send(2). Observed is `ok`, or `in part` if the kernel takes only some of the bytes.
    Send(Send),
    /// Calls recv(2) without waiting. Observed is the text, `eof`, `nothing`, or the error's name.
    Receive(On),
    /// Calls shutdown(2).
    Shutdown(Shutdown),
    /// Calls close(2). The wire is still observed.
    Close(On),
}

step! {
    /// Keys of `open`.
    Open {
        /// The name that later steps use.
        socket: String,
        /// The address family. The default is IPv4.
        #[serde(default)]
        family: IpVersion,
    }
    /// Keys of `connect` and `listen`.
    Connect {
        /// The name of the socket.
        socket: String,
        /// The address family of a new socket. The default is IPv4.
        #[serde(default)]
        family: IpVersion,
        /// The link. The default is the wire.
        #[serde(default)]
        over: Over,
        /// Whether the kernel or the implementation makes the socket. The default is the kernel.
        #[serde(default)]
        by: By,
    }
    /// Keys of steps that have only a socket.
    On {
        /// The name of the socket.
        socket: String,
    }
    /// Keys of `accept`.
    Accept {
        /// The listener.
        socket: String,
        /// The name of the accepted socket.
        into: String,
        /// Whether the kernel or the implementation accepts. The default is the kernel.
        #[serde(default)]
        by: By,
    }
    /// Keys of `keepalive`.
    Schedule {
        /// The name of the socket.
        socket: String,
        /// Quiet time before the first probe.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idle: Option<Time>,
        /// Time between probes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interval: Option<Time>,
        /// The number of unanswered probes after which the connection is dropped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<u32>,
    }
    /// Keys of `keepalive-period`.
    Period {
        /// The name of the socket.
        socket: String,
        /// Quiet time before the first probe.
        period: Time,
    }
    /// Keys of `set-raw`.
    SetRaw {
        /// The name of the socket.
        socket: String,
        /// The option.
        option: RawOption,
        /// The integer. Of a number above 2^31 − 1 the lower 32 bits are used.
        value: i64,
        /// The length in octets that setsockopt(2) is given. The default is 4, the size of an `int`.
        #[serde(default = "length_of_int")]
        length: u8,
    }
    /// Keys of `get-raw`.
    GetRaw {
        /// The name of the socket.
        socket: String,
        /// The option.
        option: RawOption,
        /// If the option has this value, `as set` is observed instead of the number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compare: Option<i64>,
    }
    /// Keys of `peer`.
    PeerStep {
        /// The new behaviour.
        behaves: Behaviour,
        /// For `answering-some`: whether each probe in turn is answered. The pattern repeats.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pattern: Vec<bool>,
    }
    /// Keys of `peer-send`.
    PeerSend {
        /// The bytes.
        text: String,
    }
    /// `mark` has no keys.
    Mark {}
    /// Keys of `quiet`.
    Quiet {
        /// The connection that is observed meanwhile. A step with a label needs it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        socket: Option<String>,
        /// The length of the wait.
        r#for: Time,
    }
    /// Keys of `await-probes`.
    AwaitProbes {
        /// The name of the connection's socket.
        socket: String,
        /// The number of probes.
        count: u32,
        /// The timeout of the wait.
        within: Time,
    }
    /// Keys of `await-close`.
    AwaitClose {
        /// The name of the connection's socket.
        socket: String,
        /// The timeout of the wait.
        within: Time,
        /// The system call by which the application learns of the end. The default is recv(2).
        #[serde(default)]
        via: Via,
        /// Whether retransmissions are observed as well.
        #[serde(default)]
        resent: bool,
    }
    /// Keys of `await-connect`.
    AwaitConnect {
        /// The name of the new socket.
        socket: String,
        /// The address family. The default is IPv4.
        #[serde(default)]
        family: IpVersion,
        /// The timeout of the wait.
        within: Time,
    }
    /// Keys of `await-free`.
    AwaitFree {
        /// The name of the connection's socket.
        socket: String,
        /// The timeout of the wait.
        within: Time,
    }
    /// Keys of `send`.
    Send {
        /// The name of the socket.
        socket: String,
        /// The bytes.
        text: String,
    }
    /// Keys of `shutdown`.
    Shutdown {
        /// The name of the socket.
        socket: String,
        /// The direction.
        how: Direction,
    }
}

fn length_of_int() -> u8 {
    4
}

impl Action for KeepaliveStep {
    fn properties(&self) -> Properties<'_> {
        let kernel = Properties::of(Subject::Kernel);
        let implementation = Properties::of(Subject::Implementation);
        match self {
            Self::Open(step) => kernel.poisons(&step.socket),
            Self::Connect(step) | Self::Listen(step) => match step.by {
                By::Kernel => kernel.poisons(&step.socket),
                By::Implementation => implementation.poisons(&step.socket),
            },
            Self::Accept(step) => match step.by {
                By::Kernel => kernel.poisons(&step.into),
                By::Implementation => implementation.poisons(&step.into),
            },
            Self::Keepalive(_) | Self::KeepalivePeriod(_) | Self::KeepaliveOff(_) => implementation,
            Self::Sysctl(step) => kernel.sets(vec![&step.name]),
            Self::Quiet(step) => kernel.waits(step.r#for.0),
            Self::AwaitProbes(step) => kernel.waits(step.within.0),
            Self::AwaitClose(step) => kernel.waits(step.within.0),
            Self::AwaitConnect(step) => kernel.waits(step.within.0).poisons(&step.socket),
            Self::AwaitFree(step) => kernel.waits(step.within.0),
            Self::Dial(_)
            | Self::SetRaw(_)
            | Self::GetRaw(_)
            | Self::Peer(_)
            | Self::PeerSend(_)
            | Self::Mark(_)
            | Self::Send(_)
            | Self::Receive(_)
            | Self::Shutdown(_)
            | Self::Close(_) => kernel,
        }
    }
}

impl KeepaliveStep {
    /// The address family of the socket that the step makes.
    pub fn family(&self) -> Option<IpVersion> {
        match self {
            Self::Open(step) => Some(step.family),
            Self::Connect(step) | Self::Listen(step) => Some(step.family),
            Self::AwaitConnect(step) => Some(step.family),
            Self::Dial(_)
            | Self::Accept(_)
            | Self::Keepalive(_)
            | Self::KeepalivePeriod(_)
            | Self::KeepaliveOff(_)
            | Self::SetRaw(_)
            | Self::GetRaw(_)
            | Self::Sysctl(_)
            | Self::Peer(_)
            | Self::PeerSend(_)
            | Self::Mark(_)
            | Self::Quiet(_)
            | Self::AwaitProbes(_)
            | Self::AwaitClose(_)
            | Self::AwaitFree(_)
            | Self::Send(_)
            | Self::Receive(_)
            | Self::Shutdown(_)
            | Self::Close(_) => None,
        }
    }
}
