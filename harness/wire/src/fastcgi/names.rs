//! The numbers of the specification and their names: record types, streams, roles, statuses.
//!
//! Every enum can represent undefined numbers, because a conformance suite must send and show them. Conversion from a
//! number is therefore total and lossless; the code that uses a number decides whether it is valid.

use std::fmt;

/// A record's type (§8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 1, starts a request.
    BeginRequest,
    /// 2, aborts a request.
    AbortRequest,
    /// 3, ends a request.
    EndRequest,
    /// 4 to 8, part of a stream.
    Stream(Stream),
    /// 9, asks for variables.
    GetValues,
    /// 10, answers GET_VALUES.
    GetValuesResult,
    /// 11, answers a management record of an unknown type.
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
    /// 7, error messages.
    Stderr,
    /// 8, a Filter's file.
    Data,
}

/// The role of the application for a request (§6).
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
    /// 1, refused: the application serves one request at a time per connection.
    CantMpxConn,
    /// 2, refused: the application lacks a resource.
    Overloaded,
    /// 3, refused: the application does not support the role.
    UnknownRole,
    /// Any other number.
    Other(u8),
}

/// Generates both conversions and the name in transcripts from one table per enum.
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
