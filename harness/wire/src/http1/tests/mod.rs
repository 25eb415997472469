//! Tests: a known exchange split at every byte, every framing, hostile input, and round trips of generated messages.

use super::*;

mod reading;
mod round_trips;
mod sending;

/// Feeds the pieces and returns the complete replies and the bytes after them.
fn read(limits: Limits, requests: &[RequestKind], pieces: &[&[u8]]) -> (Vec<Response>, Tail) {
    let mut reader = Reader::new(limits);
    requests.iter().for_each(|&request| reader.expect_reply(request));
    pieces.iter().for_each(|piece| reader.feed(piece));
    let tail = reader.finish();
    (std::iter::from_fn(|| reader.next_response()).collect(), tail)
}

fn transcript(limits: Limits, requests: &[RequestKind], bytes: &[u8]) -> String {
    let (responses, tail) = read(limits, requests, &[bytes]);
    let mut transcript = Transcript::default();
    responses
        .iter()
        .for_each(|response| transcript.received(response));
    transcript.remaining(&tail);
    transcript.to_string()
}
