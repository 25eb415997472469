//! Records as scenarios write them. They are valid by default, and a scenario can make each field wrong.
//!
//! The bytes of padding are never zero, so that the test detects an application that reads them. §3.3 says that padding
//! is ignored.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One record or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Record {
    /// A whole request: BEGIN_REQUEST, PARAMS and STDIN, with the empty records that end the streams.
    Request(WholeRequest),
    /// FCGI_BEGIN_REQUEST (§5.1).
    Begin(Begin),
    /// FCGI_PARAMS (§5.2): the pairs that a handler needs, and others.
    Params(Params),
    /// FCGI_STDIN (§5.3).
    Stdin(StreamRecord),
    /// FCGI_DATA (§5.3).
    Data(StreamRecord),
    /// FCGI_ABORT_REQUEST (§5.4).
    Abort(OnId),
    /// FCGI_GET_VALUES (§4.1).
    GetValues(GetValues),
    /// A record of a type that the specification does not define (§4.2) or that only an application sends.
    Unknown(Unknown),
    /// A record with any header.
    Raw(RawRecord),
    /// Any bytes.
    Bytes(RawBytes),
}

/// `responder`, `authorizer`, `filter`, or for example `role-9` for an undefined number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoleName(
    /// The number (§8).
    pub u16,
);

const ROLES: [&str; 3] = ["responder", "authorizer", "filter"];

impl Default for RoleName {
    fn default() -> Self {
        Self(1)
    }
}

impl TryFrom<String> for RoleName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let defined = (1..).zip(ROLES).find(|(_, name)| *name == text);
        let number = defined.map(|(number, _)| number);
        let number = number.or_else(|| text.strip_prefix("role-")?.parse().ok());
        number.map(Self).ok_or_else(|| {
            format!(
                "unknown role `{text}`, expected `responder`, `authorizer`, `filter` or for example `role-9`"
            )
        })
    }
}

impl From<RoleName> for String {
    fn from(RoleName(number): RoleName) -> Self {
        let defined = (1..).zip(ROLES).find(|(each, _)| *each == number);
        defined.map_or_else(|| format!("role-{number}"), |(_, name)| name.to_owned())
    }
}

impl JsonSchema for RoleName {
    fn schema_name() -> Cow<'static, str> {
        "RoleName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "a role of §6, or `role-9`",
            "pattern": r"^(\$.+|responder|authorizer|filter|role-[0-9]+)$"
        })
    }
}

step! {
    /// Keys of `request`.
    WholeRequest {
        /// The request id.
        #[serde(default = "one")]
        id: u16,
        /// The role.
        #[serde(default)]
        role: RoleName,
        /// Whether the connection stays open (§5.1, FCGI_KEEP_CONN).
        #[serde(default = "yes")]
        keep_conn: bool,
        /// SCRIPT_NAME.
        #[serde(default = "echo")]
        script: String,
        /// QUERY_STRING.
        #[serde(default)]
        query: String,
        /// Additional pairs of name and value.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pairs: Vec<[String; 2]>,
        /// STDIN.
        #[serde(default)]
        body: String,
        /// DATA, for a Filter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<String>,
    }
    /// Keys of `begin`.
    Begin {
        /// The request id.
        #[serde(default = "one")]
        id: u16,
        /// The role.
        #[serde(default)]
        role: RoleName,
        /// Whether the connection stays open (§5.1, FCGI_KEEP_CONN).
        #[serde(default = "yes")]
        keep_conn: bool,
        /// Bits of the flags other than the lowest, which is `keep-conn`.
        #[serde(default)]
        more_flags: u8,
        /// The value of the five reserved bytes.
        #[serde(default)]
        reserved: u8,
        /// The length of the content in bytes. 8 is valid.
        #[serde(default = "eight")]
        length: usize,
        /// The length of the padding in bytes.
        #[serde(default)]
        padding: u8,
    }
    /// Keys of `params`.
    Params {
        /// The request id.
        #[serde(default = "one")]
        id: u16,
        /// SCRIPT_NAME.
        #[serde(default = "echo")]
        script: String,
        /// QUERY_STRING.
        #[serde(default)]
        query: String,
        /// CONTENT_LENGTH. It is not sent if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_length: Option<u64>,
        /// Additional pairs of name and value.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pairs: Vec<[String; 2]>,
        /// Additional pairs, given by the lengths of their names and values. The names begin with `ECHO_`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        sized: Vec<[usize; 2]>,
        /// Whether to write each length in four bytes, also if it fits into one (§3.4).
        #[serde(default)]
        long_lengths: bool,
        /// The maximum number of bytes of the stream in one record.
        #[serde(default = "most")]
        cut: usize,
        /// The number of bytes to omit at the end of the stream.
        #[serde(default)]
        missing: usize,
        /// Whether to write the empty record that ends the stream.
        #[serde(default = "yes")]
        end: bool,
        /// The length in bytes of the padding of each record with content.
        #[serde(default)]
        padding: u8,
        /// The length in bytes of the padding of the empty record.
        #[serde(default)]
        end_padding: u8,
    }
    /// Keys of `stdin` and `data`.
    StreamRecord {
        /// The request id.
        #[serde(default = "one")]
        id: u16,
        /// The bytes.
        #[serde(default)]
        text: String,
        /// Instead of `text`: the number of bytes `x` to send.
        #[serde(default)]
        bytes: usize,
        /// The maximum number of bytes of the stream in one record.
        #[serde(default = "most")]
        cut: usize,
        /// Whether to write the empty record that ends the stream.
        #[serde(default = "yes")]
        end: bool,
        /// The length in bytes of the padding of each record with content.
        #[serde(default)]
        padding: u8,
        /// The length in bytes of the padding of the empty record.
        #[serde(default)]
        end_padding: u8,
    }
    /// Keys of `abort`.
    OnId {
        /// The request id.
        #[serde(default = "one")]
        id: u16,
    }
    /// Keys of `get-values`.
    GetValues {
        /// The names of the variables.
        names: Vec<String>,
        /// The request id. Management records have 0.
        #[serde(default)]
        id: u16,
        /// The length of the padding in bytes.
        #[serde(default)]
        padding: u8,
    }
    /// Keys of `unknown`.
    Unknown {
        /// The type's number.
        #[serde(rename = "type")]
        kind: u8,
        /// The request id. Management records have 0.
        #[serde(default)]
        id: u16,
        /// The content.
        #[serde(default)]
        text: String,
    }
    /// Keys of `raw`: the fields of the header, which may be wrong, and the content.
    RawRecord {
        /// The protocol version.
        #[serde(default = "version")]
        version: u8,
        /// The type's number (§8).
        #[serde(rename = "type")]
        kind: u8,
        /// The request id.
        #[serde(default = "one")]
        id: u16,
        /// contentLength. The default is the length of the content.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length: Option<u16>,
        /// The reserved byte of the header.
        #[serde(default)]
        reserved: u8,
        /// The content.
        #[serde(default)]
        content: Body,
        /// The length of the padding in bytes.
        #[serde(default)]
        padding: u8,
    }
    /// Keys of `bytes`.
    RawBytes {
        /// Hexadecimal digits. Spaces are ignored.
        hex: Body,
    }
}

/// Bytes in hexadecimal digits. Spaces are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Body(
    /// The bytes.
    pub Vec<u8>,
);

impl TryFrom<String> for Body {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("bad bytes `{text}`, expected pairs of hexadecimal digits, e.g. `01 09 ff`");
        let digits: Vec<char> = text.chars().filter(|digit| *digit != ' ').collect();
        if !digits.len().is_multiple_of(2) {
            return Err(wrong());
        }
        let byte = |pair: &[char]| {
            let (high, low) = (pair[0].to_digit(16)?, pair[1].to_digit(16)?);
            u8::try_from(high * 16 + low).ok()
        };
        digits
            .chunks(2)
            .map(|pair| byte(pair).ok_or_else(wrong))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl From<Body> for String {
    fn from(body: Body) -> Self {
        body.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl JsonSchema for Body {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "hexadecimal digits; spaces do not count",
            "pattern": r"^(\$.+|[0-9a-fA-F ]*)$"
        })
    }
}

fn one() -> u16 {
    1
}

fn version() -> u8 {
    1
}

fn eight() -> usize {
    8
}

fn most() -> usize {
    usize::from(u16::MAX)
}

fn yes() -> bool {
    true
}

fn echo() -> String {
    "/echo".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_with_and_without_spaces() {
        assert_eq!(Body::try_from("01 0aff".to_owned()).unwrap().0, [1, 10, 255]);
        assert!(Body::try_from("0".to_owned()).is_err());
        assert!(Body::try_from("zz".to_owned()).is_err());
    }

    #[test]
    fn defined_roles_have_names_and_other_numbers_are_written_as_numbers() {
        for (name, number) in [("responder", 1), ("filter", 3), ("role-0", 0), ("role-9", 9)] {
            let role = RoleName::try_from(name.to_owned()).unwrap();
            assert_eq!((role.0, String::from(role)), (number, name.to_owned()));
        }
        assert!(RoleName::try_from("author".to_owned()).is_err());
    }
}
