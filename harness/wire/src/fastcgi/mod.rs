//! FastCGI 1.0 records: bytes to meaning, meaning to bytes, meaning to text.
//!
//! [`Record`] is a view over one record's bytes, [`Repr`] its meaning, [`Decoder`] finds records in bytes
//! that arrive in any pieces, [`PairDecoder`] does the same for name-value pairs cut anywhere across records,
//! and [`RawRecord`] writes the records nobody should send. Used by the reference application, by the probe
//! that plays the web server, and by the transcripts in snapshots.
//!
//! Sections (§) are those of the FastCGI Specification, version 1.0, 29 April 1996.
//!
//! Meaning stops at single records: what an id, a stream or a connection is allowed to do next is the
//! business of whoever holds the conversation. The price is that a `Repr` can be well formed and still out of
//! place.
//!
//! **Panics.** Getters and setters of a [`Record`] made by `new_unchecked` panic where the buffer is shorter
//! than the header or than the lengths in it; after `new_checked` the getters never do. [`append_pair`] panics
//! on lengths the format cannot say. Nothing else here panics, and no length read from the wire ever decides
//! how much is allocated.

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

/// The one version there is, FCGI_VERSION_1 (§8).
pub const VERSION: u8 = 1;
/// Bytes before the content (§8, FCGI_HEADER_LEN).
pub const HEADER_LEN: usize = 8;
/// Most content bytes one record carries (§3.3).
pub const CONTENT_LEN_MAX: usize = u16::MAX as usize;
/// Most bytes one record takes: header, content, padding.
pub const RECORD_LEN_MAX: usize = HEADER_LEN + CONTENT_LEN_MAX + u8::MAX as usize;
/// The id of management records (§3.3, FCGI_NULL_REQUEST_ID).
pub const NULL_ID: u16 = 0;
/// The variables every application may be asked for (§4.1).
pub const KNOWN_VALUES: [&str; 3] = ["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"];

#[cfg(test)]
mod tests;
