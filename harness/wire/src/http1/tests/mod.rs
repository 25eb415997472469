//! One known exchange cut everywhere, every framing, hostile input, and round trips over generated messages.

use super::*;

mod reading;
mod round_trips;
mod sending;

/// Feeds the pieces and returns the replies that became complete, and what was left at the end.
fn read(limits: Limits, asked: &[Asked], pieces: &[&[u8]]) -> (Vec<Response>, Tail) {
    let mut reader = Reader::new(limits);
    asked.iter().for_each(|&asked| reader.asked(asked));
    pieces.iter().for_each(|piece| reader.feed(piece));
    let tail = reader.finish();
    (std::iter::from_fn(|| reader.next_response()).collect(), tail)
}

fn transcript(limits: Limits, asked: &[Asked], bytes: &[u8]) -> String {
    let (responses, tail) = read(limits, asked, &[bytes]);
    let mut transcript = Transcript::default();
    responses
        .iter()
        .for_each(|response| transcript.received(response));
    transcript.left(&tail);
    transcript.to_string()
}
