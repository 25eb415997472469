//! The numbers of the specification and their names: record types, streams, roles, statuses.
//!
//! Every enum has room for the numbers nobody defined, because a conformance suite must be able to say and to
//! show them. So a conversion from a number never fails and loses nothing; whether a number is acceptable is
//! decided where it is used.

use std::fmt;

/// A record's type (§8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 1, starts a request.
    BeginRequest,
    /// 2, gives one up.
    AbortRequest,
    /// 3, the application's last word on a request.
    EndRequest,
    /// 4 to 8, part of a stream.
    Stream(Stream),
    /// 9, asks for variables.
    GetValues,
    /// 10, answers.
    GetValuesResult,
    /// 11, answers a management record of a type that is not understood.
    UnknownType,
    /// Any other number.
    Other(u8),
}

/// A stream record's type (§3.3, §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// 4, name-value pairs.
    Params,
    /// 5, the request's body.
    Stdin,
    /// 6, the response.
    Stdout,
    /// 7, complaints.
    Stderr,
    /// 8, a Filter's file.
    Data,
}

/// What the application is asked to be (§6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// 1
    Responder,
    /// 2
    Authorizer,
    /// 3
    Filter,
    /// Any other number.
    Other(u16),
}

/// How a request ended, for the protocol (§5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtocolStatus {
    /// 0, normal end.
    Complete,
    /// 1, one request at a time on a connection.
    CantMpxConn,
    /// 2, out of something.
    Overloaded,
    /// 3, a role the application does not play.
    UnknownRole,
    /// Any other number.
    Other(u8),
}

/// One table per enum gives both conversions and the name in transcripts, so that no number stands twice.
macro_rules! numbered {
    ($enum:ident: $number:ty, $undefined:literal; $([$($variant:tt)+] $value:literal $name:literal,)+) => {
        impl From<$number> for $enum {
            fn from(number: $number) -> Self {
                match number {
                    $($value => $($variant)+,)+
                    other => Self::Other(other),
                }
            }
        }

        impl From<$enum> for $number {
            fn from(named: $enum) -> Self {
                match named {
                    $($($variant)+ => $value,)+
                    $enum::Other(other) => other,
                }
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $($($variant)+ => f.write_str($name),)+
                    Self::Other(number) => write!(f, "{}{number}", $undefined),
                }
            }
        }
    };
}

numbered! { Kind: u8, "TYPE_";
    [Kind::BeginRequest] 1 "BEGIN",
    [Kind::AbortRequest] 2 "ABORT",
    [Kind::EndRequest] 3 "END",
    [Kind::Stream(Stream::Params)] 4 "PARAMS",
    [Kind::Stream(Stream::Stdin)] 5 "STDIN",
    [Kind::Stream(Stream::Stdout)] 6 "STDOUT",
    [Kind::Stream(Stream::Stderr)] 7 "STDERR",
    [Kind::Stream(Stream::Data)] 8 "DATA",
    [Kind::GetValues] 9 "GET_VALUES",
    [Kind::GetValuesResult] 10 "GET_VALUES_RESULT",
    [Kind::UnknownType] 11 "UNKNOWN_TYPE",
}

numbered! { Role: u16, "role-";
    [Role::Responder] 1 "responder",
    [Role::Authorizer] 2 "authorizer",
    [Role::Filter] 3 "filter",
}

numbered! { ProtocolStatus: u8, "protocol-status-";
    [ProtocolStatus::Complete] 0 "complete",
    [ProtocolStatus::CantMpxConn] 1 "cant-mpx-conn",
    [ProtocolStatus::Overloaded] 2 "overloaded",
    [ProtocolStatus::UnknownRole] 3 "unknown-role",
}
