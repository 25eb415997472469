//! Tests: an annotated request and response, every truncation of them, hostile lengths, and round trips.

use proptest::prelude::*;

use super::*;

/// BEGIN_REQUEST, PARAMS with padding, end of PARAMS, end of STDIN: the smallest request.
const REQUEST: &[u8] = &[
    1, 1, 0, 1, 0, 8, 0, 0, // version 1, BEGIN_REQUEST, id 1, 8 bytes, no padding
    0, 1, 1, 0, 0, 0, 0, 0, // responder, keep-conn, reserved
    1, 4, 0, 1, 0, 7, 1, 0, // PARAMS, 7 bytes, 1 of padding
    3, 2, b'T', b'A', b'G', b'a', b'b', // TAG=ab
    0xee, // padding need not be zero
    1, 4, 0, 1, 0, 0, 0, 0, // PARAMS end
    1, 5, 0, 1, 0, 0, 2, 9, 7, 7, // STDIN end, 2 of padding, reserved byte not zero
];

/// STDOUT, its end, END_REQUEST.
const RESPONSE: &[u8] = &[
    1, 6, 1, 2, 0, 3, 5, 0, // STDOUT, id 258, 3 bytes, 5 of padding
    b'o', b'k', b'\n', 0, 0, 0, 0, 0, //
    1, 6, 1, 2, 0, 0, 0, 0, // STDOUT end
    1, 3, 1, 2, 0, 8, 0, 0, // END_REQUEST, 8 bytes
    0, 0, 3, 0xaa, 0, 0, 0, 0, // status 938, complete
];

fn transcript(bytes: &[u8]) -> Vec<String> {
    let mut decoder = Decoder::new();
    decoder.feed(bytes);
    std::iter::from_fn(|| decoder.next_record().map(|record| record.to_string())).collect()
}

#[test]
fn a_request_is_read_field_by_field() {
    let record = Record::new_checked(&REQUEST[16..]).unwrap();
    assert_eq!(
        (record.version(), record.kind(), record.id()),
        (1, Kind::Stream(Stream::Params), 1)
    );
    assert_eq!(
        (record.content_len(), record.padding_len(), record.reserved()),
        (7, 1, 0)
    );
    assert_eq!(
        (record.content(), record.padding()),
        (&b"\x03\x02TAGab"[..], &b"\xee"[..])
    );
    assert_eq!(record.total_len(), 16);
}

#[test]
fn a_request_is_printed_as_a_transcript() {
    let lines = [
        "BEGIN id=1 responder keep-conn",
        "PARAMS id=1 TAG=ab",
        "PARAMS id=1 end",
        "STDIN id=1 end",
    ];
    assert_eq!(transcript(REQUEST), lines);
}

#[test]
fn a_response_is_written_byte_for_byte() {
    let (id, stream) = (258, Stream::Stdout);
    let mut bytes = Vec::new();
    Repr::Stream {
        stream,
        id,
        content: b"ok\n",
    }
    .append_to(&mut bytes)
    .unwrap();
    Repr::Stream {
        stream,
        id,
        content: b"",
    }
    .append_to(&mut bytes)
    .unwrap();
    Repr::End {
        id,
        app_status: 938,
        protocol_status: ProtocolStatus::Complete,
    }
    .append_to(&mut bytes)
    .unwrap();
    assert_eq!(bytes, RESPONSE);
    let lines = [
        r#"STDOUT id=258 "ok\n""#,
        "STDOUT id=258 end",
        "END id=258 complete status=938",
    ];
    assert_eq!(transcript(&bytes), lines);
}

#[test]
fn a_truncated_record_reports_its_missing_bytes() {
    for len in 0..16 {
        let error = Record::new_checked(&RESPONSE[..len]).unwrap_err();
        assert_eq!(
            error,
            RecordError::Truncated {
                have: len,
                need: if len < 8 { 8 } else { 16 }
            }
        );
        let mut decoder = Decoder::new();
        decoder.feed(&RESPONSE[..len]);
        assert!(decoder.next_record().is_none(), "{len} bytes of 16");
        assert_eq!(decoder.finish().is_ok(), len == 0);
    }
}

#[test]
fn records_fed_byte_by_byte_are_the_same_records() {
    let mut decoder = Decoder::new();
    let mut lines = Vec::new();
    for byte in REQUEST {
        decoder.feed(std::slice::from_ref(byte));
        lines.extend(decoder.next_record().map(|record| record.to_string()));
    }
    assert_eq!(lines, transcript(REQUEST));
    decoder.finish().unwrap();
}

#[test]
fn only_the_first_flag_bit_counts() {
    for (flags, expected) in [(0xff, true), (0xfe, false)] {
        let mut bytes = REQUEST[..16].to_vec();
        bytes[10] = flags;
        let parsed = Repr::parse(&Record::new_checked(&bytes[..]).unwrap()).unwrap();
        assert_eq!(
            parsed,
            Repr::Begin {
                id: 1,
                role: Role::Responder,
                keep_conn: expected
            }
        );
    }
}

#[test]
fn an_invalid_record_is_refused_and_still_printed() {
    let begin = |raw: &mut dyn FnMut(&mut RawRecord)| {
        let mut record = RawRecord::new(Kind::BeginRequest, 1, [0, 1, 0, 0, 0, 0, 0, 0]);
        raw(&mut record);
        let mut bytes = Vec::new();
        record.append_to(&mut bytes);
        let view = Record::new_checked(&bytes[..]).unwrap();
        (Repr::parse(&view).unwrap_err(), view.to_string())
    };
    let (error, _) = begin(&mut |record| record.version = 2);
    assert_eq!(error, RecordError::Version(2));
    let (error, line) = begin(&mut |record| record.content.truncate(7));
    assert_eq!(
        error,
        RecordError::ContentLen {
            kind: Kind::BeginRequest,
            len: 7,
            expected: 8
        }
    );
    let expected =
        r#"BEGIN id=1 malformed (BEGIN with 7 bytes of content, not 8) "\x00\x01\x00\x00\x00\x00\x00""#;
    assert_eq!(line, expected);
    let (error, _) = begin(&mut |record| record.id = 0);
    assert_eq!(
        error,
        RecordError::Id {
            kind: Kind::BeginRequest,
            id: 0
        }
    );
    let (error, _) = begin(&mut |record| record.kind = Kind::GetValues);
    assert_eq!(
        error,
        RecordError::Id {
            kind: Kind::GetValues,
            id: 1
        }
    );
}

#[test]
fn management_records_are_printed_without_an_id() {
    let mut content = Vec::new();
    for (name, value) in [("FCGI_MPXS_CONNS", "1"), ("SPACED", "a b"), ("EMPTY", "")] {
        append_pair(&mut content, name.as_bytes(), value.as_bytes());
    }
    let line = Repr::GetValuesResult { content: &content }.to_string();
    assert_eq!(line, r#"GET_VALUES_RESULT FCGI_MPXS_CONNS=1 SPACED="a b" EMPTY"#);
    assert_eq!(
        Repr::UnknownType {
            unknown: Kind::Other(99)
        }
        .to_string(),
        "UNKNOWN_TYPE TYPE_99"
    );
}

#[test]
fn an_incomplete_pair_and_a_long_body_are_printed_as_bytes() {
    let params = Repr::Stream {
        stream: Stream::Params,
        id: 1,
        content: b"\x05",
    };
    assert_eq!(params.to_string(), r#"PARAMS id=1 "\x05""#);
    let stdout = Repr::Stream {
        stream: Stream::Stdout,
        id: 1,
        content: &[b'a'; 70],
    };
    assert_eq!(stdout.to_string(), format!(r#"STDOUT id=1 "{}""#, "a".repeat(70)));
    let stdout = Repr::Stream {
        stream: Stream::Stdout,
        id: 1,
        content: &[b'a'; 5000],
    };
    assert_eq!(
        stdout.to_string(),
        format!(r#"STDOUT id=1 "{}"… 5000 bytes"#, "a".repeat(96))
    );
}

#[test]
fn content_over_65535_bytes_is_not_written() {
    let content = vec![0; CONTENT_LEN_MAX + 1];
    let mut bytes = Vec::new();
    let error = Repr::Stream {
        stream: Stream::Stdin,
        id: 1,
        content: &content,
    }
    .append_to(&mut bytes);
    assert_eq!(
        error,
        Err(RecordError::TooLong {
            content: 65536,
            padding: 0
        })
    );
    assert!(bytes.is_empty());
    Repr::Stream {
        stream: Stream::Stdin,
        id: 1,
        content: &content[1..],
    }
    .append_to(&mut bytes)
    .unwrap();
    assert_eq!(Record::new_checked(&bytes[..]).unwrap().content_len(), 65535);
}

#[test]
fn an_announced_length_allocates_nothing() {
    let mut decoder = Decoder::new();
    decoder.feed(&[1, 5, 0, 1, 0xff, 0xff, 0xff, 0]);
    assert!(decoder.next_record().is_none());
    assert!(
        decoder.capacity() <= 64,
        "{} bytes for 8 arrived",
        decoder.capacity()
    );
}

#[test]
fn returned_records_free_their_space() {
    let mut decoder = Decoder::new();
    for _ in 0..10_000 {
        decoder.feed(RESPONSE);
        while decoder.next_record().is_some() {}
    }
    assert!(
        decoder.is_empty() && decoder.capacity() < 4 * RESPONSE.len(),
        "{}",
        decoder.capacity()
    );
}

#[test]
fn all_four_length_forms_are_read() {
    let forms: [&[u8]; 4] = [
        b"\x01\x01ab",
        b"\x01\x80\x00\x00\x01ab",
        b"\x80\x00\x00\x01\x01ab",
        b"\x80\x00\x00\x01\x80\x00\x00\x01ab",
    ];
    for form in forms {
        assert_eq!(
            pairs(form).unwrap(),
            [Pair {
                name: b"a".into(),
                value: b"b".into()
            }],
            "{form:?}"
        );
    }
}

#[test]
fn lengths_up_to_127_take_one_byte() {
    for (len, own) in [(0, 2), (127, 2), (128, 5), (70_000, 5)] {
        let mut bytes = Vec::new();
        append_pair(&mut bytes, b"", &vec![b'v'; len]);
        assert_eq!(bytes.len(), own + len);
        assert_eq!(pairs(&bytes).unwrap()[0].value.len(), len);
    }
}

#[test]
fn a_hostile_pair_length_is_refused_before_its_bytes_arrive() {
    let mut decoder = PairDecoder::new(1000);
    let error = decoder
        .feed(b"\xff\xff\xff\xff\xff\xff\xff\xff", |_, _| ())
        .unwrap_err();
    assert_eq!(
        error,
        PairError::TooLong {
            promised: 0xffff_fffe + 8,
            room: 1000
        }
    );
}

#[test]
fn the_limit_of_a_stream_covers_all_its_pairs() {
    let mut decoder = PairDecoder::new(10);
    for _ in 0..2 {
        decoder.feed(b"\x01\x01ab", |_, _| ()).unwrap();
    }
    assert_eq!(
        decoder.feed(b"\x00\x03", |_, _| ()),
        Err(PairError::TooLong { promised: 5, room: 2 })
    );
}

#[test]
fn a_truncated_pair_is_an_error_at_the_end_of_the_stream() {
    let whole = b"\x03\x80\x00\x00\x02TAGab";
    for len in 1..whole.len() {
        let mut decoder = PairDecoder::new(100);
        decoder
            .feed(&whole[..len], |_, _| panic!("no pair in {len} bytes"))
            .unwrap();
        let missing = if len < 5 { 1 } else { (whole.len() - len) as u64 };
        assert_eq!(
            decoder.finish(),
            Err(PairError::CutShort { missing }),
            "{len} bytes"
        );
    }
}

#[test]
fn numbers_and_names_convert_both_ways() {
    for number in 0..=u8::MAX {
        assert_eq!(u8::from(Kind::from(number)), number);
        assert_eq!(u8::from(ProtocolStatus::from(number)), number);
        assert_eq!(u16::from(Role::from(u16::from(number))), u16::from(number));
        assert_eq!(
            matches!(Kind::from(number), Kind::Other(_)),
            !(1..=11).contains(&number)
        );
    }
}

fn any_record() -> impl Strategy<Value = RawRecord> {
    let content = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(any::<u8>(), 8),
        Just(vec![b'x'; CONTENT_LEN_MAX])
    ];
    let padding = prop::collection::vec(any::<u8>(), 0..256);
    (0..14_u8, any::<u16>(), content, padding, any::<u8>(), 0..3_u8).prop_map(
        |(kind, id, content, padding, reserved, version)| {
            let record = RawRecord::new(Kind::from(kind), id, content);
            RawRecord {
                padding,
                reserved,
                version,
                ..record
            }
        },
    )
}

/// Splits bytes at positions derived from `cuts`.
fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

proptest! {
    #[test]
    fn records_are_read_as_written_for_any_pieces(
        records in prop::collection::vec(any_record(), 0..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut bytes = Vec::new();
        records.iter().for_each(|record| record.append_to(&mut bytes));
        let mut decoder = Decoder::new();
        let mut seen = Vec::new();
        for piece in pieces(&bytes, &cuts) {
            decoder.feed(piece);
            while let Some(view) = decoder.next_record() {
                seen.push(RawRecord {
                    version: view.version(),
                    reserved: view.reserved(),
                    padding: view.padding().to_vec(),
                    ..RawRecord::new(view.kind(), view.id(), view.content())
                });
            }
        }
        prop_assert_eq!(seen, records);
        prop_assert!(decoder.finish().is_ok());
    }

    #[test]
    fn a_parsed_record_round_trips(record in any_record()) {
        let mut bytes = Vec::new();
        record.append_to(&mut bytes);
        let view = Record::new_checked(&bytes[..]).unwrap();
        if let Ok(parsed) = Repr::parse(&view) {
            let mut again = Vec::new();
            parsed.append_to(&mut again).unwrap();
            prop_assert_eq!(again.len() % 8, 0);
            prop_assert_eq!(Repr::parse(&Record::new_checked(&again[..]).unwrap()), Ok(parsed));
        }
    }

    #[test]
    fn pairs_are_read_as_written_for_any_pieces(
        pairs in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..200),
                                        prop::collection::vec(any::<u8>(), 0..200)), 0..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut bytes = Vec::new();
        pairs.iter().for_each(|(name, value)| append_pair(&mut bytes, name, value));
        let mut decoder = PairDecoder::new(bytes.len());
        let mut seen = Vec::new();
        for piece in pieces(&bytes, &cuts) {
            decoder.feed(piece, |name, value| seen.push((name.to_vec(), value.to_vec()))).unwrap();
        }
        prop_assert_eq!(seen, pairs);
        prop_assert!(decoder.finish().is_ok() && decoder.pending_len() == 0);
    }

    #[test]
    fn any_bytes_are_printed_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let shown = transcript(&bytes);
        prop_assert!(shown.iter().all(|line| !line.contains('\n')));
        let _ = (pairs(&bytes).is_ok(), Record::new_unchecked(&bytes[..]).check_len());
    }
}
