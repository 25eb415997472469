//! HTTP/1 as it was on the wire: requests to send, replies as they arrived, how the connection ended.
//!
//! Made for judging a server, so nothing is repaired: a field line keeps its case, its place and its odd
//! spaces, a reply that breaks a rule is still handed over where its end can be told, and what cannot be
//! read is said with a reason. The price is a reader of our own beside `httparse`, which the reference
//! server uses: the two sides of a test share no parser, so they share no mistake.
//!
//! Neighbours: the agent moves the bytes and fills [`Ended`]; the reference server is on the other side.

mod body;
mod cut;
mod ended;
mod field;
mod outcome;
mod reader;
mod request;
mod response;
mod rules;
mod transcript;

pub use body::Body;
pub use cut::{Cut, CutError, CutPoint};
pub use ended::{Closing, Ended, ReplyPoint, RequestPoint};
pub use field::{FieldLine, elements, has_element};
pub use outcome::{Limits, ReadError, Tail};
pub use reader::Reader;
pub use request::{Chunk, Request, RequestBody};
pub use response::{Framing, Head, Response, StatusLine};
pub use rules::Asked;
pub use transcript::Transcript;

#[cfg(test)]
mod tests;
