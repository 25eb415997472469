//! Values of keys of the keepalive vocabulary: address families, options, behaviours of the peer, calls of the
//! application.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The address family of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IpVersion {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// The link that a connection goes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// The wire to the peer, which runs in user space.
    #[default]
    Wire,
    /// The loopback interface. The peer is the kernel.
    Loopback,
}

/// What makes the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The agent, with a system call.
    #[default]
    Kernel,
    /// The implementation under test.
    Implementation,
}

/// A socket option by its name in the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(non_camel_case_types, reason = "the names are the manual's")]
pub enum RawOption {
    /// socket(7): switches keepalive on or off.
    SO_KEEPALIVE,
    /// The pending error. Reading it clears it.
    SO_ERROR,
    /// tcp(7): quiet time before the first probe.
    TCP_KEEPIDLE,
    /// tcp(7): time between probes.
    TCP_KEEPINTVL,
    /// tcp(7): the number of unanswered probes after which the connection is dropped.
    TCP_KEEPCNT,
    /// Linux tcp(7): milliseconds that data may stay unacknowledged.
    TCP_USER_TIMEOUT,
    /// Linux tcp(7): the number of retransmissions of a SYN.
    TCP_SYNCNT,
    /// Linux tcp(7): seconds that a closed connection waits for the peer's FIN.
    TCP_LINGER2,
}

/// How the peer reacts to segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// Acknowledges data, probes and FIN.
    Answering,
    /// Sends nothing and receives nothing, as if the cable were cut.
    Silent,
    /// Has no connections any more and answers every segment with RST.
    Rebooted,
    /// Sends FIN on every open connection at once, then answers.
    Closing,
    /// Answers everything except probes, of which it answers those that `pattern` selects.
    AnsweringSome,
    /// Answers probes, but acts as if segments with data or FIN were lost.
    HoldingData,
    /// Advertises a window of zero at once and keeps it at zero.
    WindowShut,
    /// Is gone. A router answers every segment with ICMP host unreachable or ICMPv6 address unreachable.
    Unreachable,
}

/// The system call by which the application learns of the end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// recv(2), when poll(2) reports that the socket is readable.
    #[default]
    Receive,
    /// A recv(2) that blocks until the end.
    BlockingReceive,
    /// send(2), when poll(2) reports an error.
    Send,
    /// getsockopt(2) of SO_ERROR, when poll(2) reports an error.
    SoError,
    /// poll(2). Observed are the events it reports.
    Poll,
}
