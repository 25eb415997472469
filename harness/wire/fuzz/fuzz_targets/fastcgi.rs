//! Any bytes give the same records and pairs for any pieces, without a panic and within the memory limit.
//!
//! The first byte of an input is the length of the pieces, the rest the bytes on the wire. The target compares
//! decoding in pieces with decoding at once; decoding alone would find only panics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reusespec_wire::fastcgi::{Decoder, PairDecoder, PairError, Record, Repr};

fuzz_target!(|data: &[u8]| {
    let Some((&piece_len, wire)) = data.split_first() else { return };
    let piece_len = usize::from(piece_len).max(1);
    let whole = records(&[wire]);
    let cut = records(&wire.chunks(piece_len).collect::<Vec<_>>());
    assert_eq!(whole, cut);

    let stream_len_max = wire.len() / 2;
    let (whole_pairs, whole_result) = pairs(&[wire], stream_len_max);
    let (cut_pairs, cut_result) = pairs(&wire.chunks(piece_len).collect::<Vec<_>>(), stream_len_max);
    assert_eq!(whole_result.is_ok(), cut_result.is_ok());
    assert_eq!(whole_pairs, cut_pairs);
});

/// The transcript of all records. Valid records are also written and parsed again.
fn records(pieces: &[&[u8]]) -> Vec<String> {
    let mut decoder = Decoder::new();
    let mut fed = 0;
    let mut lines = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        fed += piece.len();
        assert!(decoder.capacity() <= 2 * fed.max(8), "{} bytes held, {fed} fed", decoder.capacity());
        while let Some(record) = decoder.next_record() {
            lines.push(record.to_string());
            if let Ok(parsed) = Repr::parse(&record) {
                let mut again = Vec::new();
                parsed.append_to(&mut again).expect("the content fits one record");
                let again = Record::new_checked(&again[..]).expect("the record is complete");
                assert_eq!(Repr::parse(&again), Ok(parsed));
            }
        }
    }
    lines
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn pairs(pieces: &[&[u8]], stream_len_max: usize) -> (Pairs, Result<(), PairError>) {
    let mut decoder = PairDecoder::new(stream_len_max);
    let mut pairs = Vec::new();
    for piece in pieces {
        let fed = decoder.feed(piece, |name, value| pairs.push((name.to_vec(), value.to_vec())));
        if fed.is_err() {
            return (pairs, fed);
        }
    }
    let finished = decoder.finish();
    (pairs, finished)
}
