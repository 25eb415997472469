//! How faulty readers saw a record: the half of the faults that happens before a record means anything.
//!
//! Kept apart from the dialogue so that the dialogue reads as the protocol. A misread record is a copy with
//! other lengths, version or id; the faults that lose their place in the stream are told as the end of input
//! they led to.

use reusespec_wire::fastcgi::{Kind, NULL_ID, Pair, RawRecord, Record, Stream, VERSION};

use super::{FastCgiFault, Settings};

/// What stands for the null id between the reader and the writer of a server that accepts it.
pub(super) const ACCEPTED_NULL_ID: u16 = u16::MAX;

/// Content and padding PHP has room for.
const FCGI_MAX_LENGTH: usize = 0xfff8;

/// What became of a record.
pub(super) enum Misread {
    /// It was read correctly.
    No,
    /// It was taken for this one.
    As(Vec<u8>),
    /// The reader gave the connection up.
    GaveUp,
    /// The reader takes the record, and loses its place after it.
    LostPlaceAfter,
}

/// The record as the fault makes it look; `newest_id` is the id begun last.
pub(super) fn misread(record: &Record<&[u8]>, settings: &Settings, newest_id: Option<u16>) -> Misread {
    let Some(fault) = settings.fault else {
        return Misread::No;
    };
    let copy = RawRecord {
        version: record.version(),
        padding: record.padding().to_vec(),
        ..RawRecord::new(record.kind(), record.id(), record.content())
    };
    let copied = |copy: RawRecord| {
        let mut bytes = Vec::new();
        copy.append_to(&mut bytes);
        Misread::As(bytes)
    };
    let is_stream = matches!(record.kind(), Kind::Stream(_));
    match fault {
        FastCgiFault::VersionIgnored => copied(RawRecord {
            version: VERSION,
            ..copy
        }),
        FastCgiFault::PaddingParsed => {
            let mut content = copy.content;
            content.extend_from_slice(&copy.padding);
            content.truncate(usize::from(u16::MAX));
            copied(RawRecord {
                content,
                padding: Vec::new(),
                ..copy
            })
        }
        FastCgiFault::NullIdAccepted if record.id() == NULL_ID && is_application(record.kind()) => {
            copied(RawRecord {
                id: ACCEPTED_NULL_ID,
                ..copy
            })
        }
        FastCgiFault::IdsIgnored if is_stream => copied(RawRecord {
            id: newest_id.unwrap_or(record.id()),
            ..copy
        }),
        FastCgiFault::LongRecordRefused if record.content_len() + record.padding_len() > FCGI_MAX_LENGTH => {
            Misread::GaveUp
        }
        FastCgiFault::EmptyRecordPadding
            if is_stream && record.content_len() == 0 && record.padding_len() > 0 =>
        {
            Misread::LostPlaceAfter
        }
        _ => Misread::No,
    }
}

fn is_application(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::BeginRequest | Kind::AbortRequest | Kind::Stream(Stream::Params | Stream::Stdin)
    )
}

/// Pairs as a reader sees them that takes every length for one byte.
pub(super) fn pairs_with_one_byte_lengths(mut content: &[u8]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    while let [name_len, value_len, rest @ ..] = content {
        let (name, rest) = rest.split_at(rest.len().min(usize::from(*name_len)));
        let (value, rest) = rest.split_at(rest.len().min(usize::from(*value_len)));
        pairs.push(Pair {
            name: name.to_vec(),
            value: value.to_vec(),
        });
        content = rest;
    }
    pairs
}
