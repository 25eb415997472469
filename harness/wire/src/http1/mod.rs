//! HTTP/1 messages from a client's side: requests to send, replies as they arrived, the end of the connection.
//!
//! The types serve to judge a server, so nothing is repaired. A field line keeps its case, position and spaces.
//! A reply that breaks a rule is still returned if its end can be determined; otherwise the reader reports why it
//! stopped. The reference server parses with `httparse`, this module does not: two sides of a test that share a
//! parser would share its bugs.
//!
//! The agent moves the bytes and fills in [`ConnectionEnd`].

mod body;
mod connection_end;
mod field;
mod outcome;
mod reader;
mod request;
mod response;
mod rules;
mod split;
mod transcript;

pub use body::Body;
pub use connection_end::{Closing, ConnectionEnd, ReplyPoint, RequestPoint};
pub use field::{FieldLine, elements, has_element};
pub use outcome::{Limits, ReadError, Tail};
pub use reader::Reader;
pub use request::{Chunk, Request, RequestBody};
pub use response::{Framing, Head, Response, StatusLine};
pub use rules::RequestKind;
pub use split::{Split, SplitError, SplitPoint};
pub use transcript::Transcript;

#[cfg(test)]
mod tests;
