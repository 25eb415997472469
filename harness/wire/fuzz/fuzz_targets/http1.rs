//! Any bytes in any pieces: the reader does not panic, does not depend on the pieces, and keeps its limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reusespec_wire::http1::{Limits, Reader, RequestKind, Response, Tail};

const LIMITS: Limits = Limits {
    head_bytes_max: 200,
    body_kept_max: 16,
    body_bytes_max: 300,
    interim_max: 2,
    responses_max: 4,
    leftover_kept_max: 16,
};

fn read<'a>(request: RequestKind, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Response>, Tail) {
    let mut reader = Reader::new(LIMITS);
    reader.expect_reply(request);
    pieces.for_each(|piece| reader.feed(piece));
    let tail = reader.finish();
    (std::iter::from_fn(|| reader.next_response()).collect(), tail)
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (request, size, bytes) = input;
    let request = [RequestKind::Other, RequestKind::Head, RequestKind::Connect][usize::from(request % 3)];
    let whole = read(request, std::iter::once(bytes));
    assert_eq!(whole, read(request, bytes.chunks(usize::from(size).max(1))));
    assert!(whole.0.len() <= LIMITS.responses_max);
    for response in &whole.0 {
        assert!(response.body.kept().len() <= LIMITS.body_kept_max);
        assert!(response.body.total() <= LIMITS.body_bytes_max);
    }
});
