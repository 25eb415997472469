//! The words of the keepalive vocabulary: times, families, options, and what peer and application do.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::parse_duration;

/// A length of time with its unit: `1s`, `1.5s`, `999ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(pub Duration);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_duration(&text)
            .map(Self)
            .ok_or_else(|| format!("bad time `{text}`, expected for example `15s` or `500ms`"))
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        humantime::format_duration(time.0).to_string()
    }
}

impl JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "KeepaliveTime".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s)|\$.+)$" })
    }
}

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

/// What a connection goes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// A wire to the peer in user space.
    #[default]
    Wire,
    /// The loopback interface; the peer is the kernel itself.
    Loopback,
}

/// Who makes the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// A system call.
    #[default]
    Kernel,
    /// The implementation under test.
    Implementation,
}

/// A socket option by its name in the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(non_camel_case_types, reason = "the names are the manual's")]
pub enum RawOption {
    /// socket(7): the switch.
    SO_KEEPALIVE,
    /// The pending error, cleared by reading it.
    SO_ERROR,
    /// tcp(7): quiet time before the first probe.
    TCP_KEEPIDLE,
    /// tcp(7): time between probes.
    TCP_KEEPINTVL,
    /// tcp(7): unanswered probes before the connection is dropped.
    TCP_KEEPCNT,
    /// Linux tcp(7): milliseconds that data may stay unacknowledged.
    TCP_USER_TIMEOUT,
    /// Linux tcp(7): how often a SYN is sent again.
    TCP_SYNCNT,
    /// Linux tcp(7): seconds that a closed connection waits for the peer's FIN.
    TCP_LINGER2,
}

/// How the peer treats what it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// Acknowledges data, probes and FIN.
    Answering,
    /// Sends nothing and takes nothing, as if the cable were cut.
    Silent,
    /// Has forgotten every connection: an RST to anything.
    Rebooted,
    /// Sends FIN on every open connection at once, then answers.
    Closing,
    /// Answers, but of the probes only those that `pattern` says; it starts over at its end.
    AnsweringSome,
    /// Answers probes, but acts as if segments with data or FIN were lost.
    HoldingData,
    /// Closes its window at once and keeps it closed.
    WindowShut,
    /// Is gone, and a router on the way says so of every segment: ICMP host unreachable, ICMPv6 address unreachable.
    Unreachable,
}

/// How the application learns of the end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// recv(2) once poll(2) says that it can be called.
    #[default]
    Receive,
    /// A recv(2) that blocks meanwhile.
    BlockingReceive,
    /// send(2) once poll(2) reports an error.
    Send,
    /// SO_ERROR once poll(2) reports an error.
    SoError,
    /// What poll(2) itself reports.
    Poll,
}
