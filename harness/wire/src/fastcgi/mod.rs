//! FastCGI 1.0 records: parsing, encoding, and printing.
//!
//! [`Record`] is a view over the bytes of one record and [`Repr`] its parsed form. [`Decoder`] finds records in bytes
//! that arrive in any pieces; [`PairDecoder`] finds name-value pairs that are split anywhere across records.
//! [`RawRecord`] writes invalid records. The reference application, the agent as a web server, and the transcripts
//! in snapshots use this module.
//!
//! Sections (§) refer to the FastCGI Specification, version 1.0, 29 April 1996.
//!
//! This module handles single records. It does not know which record may follow on an id, a stream or a connection,
//! so a valid `Repr` may still be out of place.
//!
//! **Panics.** Getters and setters of a [`Record`] made by `new_unchecked` panic if the buffer is shorter than the
//! header or than the lengths in it; after `new_checked` the getters do not panic. [`append_pair`] panics on lengths
//! that the format cannot express. Nothing else here panics, and no length from the wire determines an allocation.

mod decoder;
mod names;
mod pairs;
mod raw;
mod record;
mod repr;
mod transcript;

pub use decoder::Decoder;
pub use names::{Kind, ProtocolStatus, Role, Stream};
pub use pairs::{Pair, PairDecoder, PairError, append_pair, pairs};
pub use raw::RawRecord;
pub use record::{Record, RecordError};
pub use repr::Repr;
pub use transcript::Quoted;

/// The only defined version, FCGI_VERSION_1 (§8).
pub const VERSION: u8 = 1;
/// Bytes of the header (§8, FCGI_HEADER_LEN).
pub const HEADER_LEN: usize = 8;
/// Most bytes of content in one record (§3.3).
pub const CONTENT_LEN_MAX: usize = u16::MAX as usize;
/// Most bytes of one record: header, content and padding.
pub const RECORD_LEN_MAX: usize = HEADER_LEN + CONTENT_LEN_MAX + u8::MAX as usize;
/// The id of management records (§3.3, FCGI_NULL_REQUEST_ID).
pub const NULL_ID: u16 = 0;
/// The variables that a web server may ask any application for (§4.1).
pub const KNOWN_VALUES: [&str; 3] = ["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"];

#[cfg(test)]
mod tests;
