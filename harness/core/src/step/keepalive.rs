//! The keepalive vocabulary: connections to a peer that can be told to fall silent, and what is seen of them.
//!
//! A connection goes over a *wire*, at whose other end is a peer in user space, or over loopback where nothing
//! has to be timed. Times are counted from the last segment the peer sent before the step that observes, or
//! from the last `mark`, whichever is later: that is the moment every kernel counts from, and a scenario need
//! not know how long its own preparation took.
//!
//! Steps that observe a schedule have a `within`: a kernel with the wrong unit probes after minutes, and the
//! case must not wait for them.

mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::socket::Direction;
use super::{Action, Properties, Subject};
pub use crate::duration::Time;
pub use words::{Behaviour, By, IpVersion, Over, RawOption, Via};

/// One step on connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum KeepaliveStep {
    /// Make a TCP socket that is not connected.
    Open(Open),
    /// Connect a socket to the peer; one that is not there yet is made.
    Connect(Connect),
    /// Make a socket that listens for the peer.
    Listen(Connect),
    /// Let the peer complete a handshake with a listener. Nothing is accepted yet.
    Dial(On),
    /// Accept a connection that has been dialled.
    Accept(Accept),
    /// Implementation: switch keepalive on with a schedule; what is left out stays as it is. Observed is `ok`,
    /// `refused` where the implementation names the range, or the error of the kernel.
    Keepalive(Schedule),
    /// Implementation: switch keepalive on with a time of quiet before the first probe.
    KeepalivePeriod(Period),
    /// Implementation: switch keepalive off.
    KeepaliveOff(On),
    /// Set an option with setsockopt(2), with an integer of any length.
    SetRaw(SetRaw),
    /// Read an option with getsockopt(2); observed is the number, of SO_ERROR the error's name or `none`.
    GetRaw(GetRaw),
    /// Set a system control inside the case's own namespace.
    Sysctl(Sysctl),
    /// Tell the peer how to behave from now on.
    Peer(PeerStep),
    /// Let the peer send data on every connection.
    PeerSend(PeerSend),
    /// Count times from here.
    Mark(Mark),
    /// Wait. Observed is what the kernel sent meanwhile: `nothing`, or the kinds of segments.
    Quiet(Quiet),
    /// Wait for keepalive probes; observed is `ok` or `too few`, with the times of the probes.
    AwaitProbes(AwaitProbes),
    /// Wait for the end of a connection; observed is how the application learns of it and when, or `alive`.
    AwaitClose(AwaitClose),
    /// Connect a new socket to the peer and wait for how that ends; observed is that, when it was, counted from the
    /// first SYN, and the SYNs sent again.
    AwaitConnect(AwaitConnect),
    /// Wait until the port of a closed connection can be bound without any option; observed is `ok` and when, or the
    /// error that bind(2) gives to the last.
    AwaitFree(AwaitFree),
    /// send(2).
    Send(Send),
    /// recv(2) without waiting; observed as the text, `eof`, `nothing`, or an error's name.
    Receive(On),
    /// shutdown(2).
    Shutdown(Shutdown),
    /// close(2).
    Close(On),
}

step! {
    /// Keys of `open`.
    Open {
        /// The name later steps use.
        socket: String,
        /// IPv4 if left out.
        #[serde(default)]
        family: IpVersion,
    }
    /// Keys of `connect` and `listen`.
    Connect {
        /// Which socket, or the name of a new one.
        socket: String,
        /// The family of a new socket; IPv4 if left out.
        #[serde(default)]
        family: IpVersion,
        /// The wire if left out.
        #[serde(default)]
        over: Over,
    }
    /// Keys of steps that only name a socket.
    On {
        /// Which socket.
        socket: String,
    }
    /// Keys of `accept`.
    Accept {
        /// The listener.
        socket: String,
        /// The name of the accepted socket.
        into: String,
        /// A system call if left out.
        #[serde(default)]
        by: By,
    }
    /// Keys of `keepalive`.
    Schedule {
        /// Which socket.
        socket: String,
        /// Quiet time before the first probe.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idle: Option<Time>,
        /// Time between probes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interval: Option<Time>,
        /// Unanswered probes before the connection is dropped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<u32>,
    }
    /// Keys of `keepalive-period`.
    Period {
        /// Which socket.
        socket: String,
        /// Quiet time before the first probe.
        period: Time,
    }
    /// Keys of `set-raw`.
    SetRaw {
        /// Which socket.
        socket: String,
        /// Which option.
        option: RawOption,
        /// The integer; of 2^31 and more the bits are set.
        value: i64,
        /// How many octets setsockopt is given; those of an `int` if left out.
        #[serde(default = "length_of_int")]
        length: u8,
    }
    /// Keys of `get-raw`.
    GetRaw {
        /// Which socket.
        socket: String,
        /// Which option.
        option: RawOption,
        /// Observe `as set` where the option has this value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compare: Option<i64>,
    }
    /// Keys of `sysctl`.
    Sysctl {
        /// The name, with dots.
        name: String,
        /// The value.
        value: String,
    }
    /// Keys of `peer`.
    PeerStep {
        /// How it behaves from now on.
        behaves: Behaviour,
        /// Which probes are answered, in turn; for `answering-some`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pattern: Vec<bool>,
    }
    /// Keys of `peer-send`.
    PeerSend {
        /// The bytes.
        text: String,
    }
    /// Keys of `mark`: none.
    Mark {}
    /// Keys of `quiet`.
    Quiet {
        /// Which connection is watched meanwhile; needed with a label.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        socket: Option<String>,
        /// How long.
        r#for: Time,
    }
    /// Keys of `await-probes`.
    AwaitProbes {
        /// Which connection.
        socket: String,
        /// How many.
        count: u32,
        /// The longest wait for them.
        within: Time,
    }
    /// Keys of `await-close`.
    AwaitClose {
        /// Which connection.
        socket: String,
        /// The longest wait for it.
        within: Time,
        /// recv(2) if left out.
        #[serde(default)]
        via: Via,
        /// Whether what the kernel sends again is observed as well.
        #[serde(default)]
        resent: bool,
    }
    /// Keys of `await-connect`.
    AwaitConnect {
        /// The name of the new socket.
        socket: String,
        /// IPv4 if left out.
        #[serde(default)]
        family: IpVersion,
        /// The longest wait for it.
        within: Time,
    }
    /// Keys of `await-free`.
    AwaitFree {
        /// Which connection.
        socket: String,
        /// The longest wait for it.
        within: Time,
    }
    /// Keys of `send`.
    Send {
        /// Which socket.
        socket: String,
        /// The bytes.
        text: String,
    }
    /// Keys of `shutdown`.
    Shutdown {
        /// Which socket.
        socket: String,
        /// Which direction.
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
            Self::Connect(step) | Self::Listen(step) => kernel.poisons(&step.socket),
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
