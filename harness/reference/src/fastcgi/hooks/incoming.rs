//! Faults in how the application reads a record or what it does about it.

use std::borrow::Cow;
use std::str;
use std::time::Duration;

use reusespec_wire::fastcgi::{
    Kind, NULL_ID, Pair, PairDecoder, PairError, ProtocolStatus, RawRecord, Record, Repr, Stream, VERSION,
    append_pair, pairs,
};

use super::super::dialogue::Dialogue;
use super::super::management::known_value;
use super::super::receive::Flow;
use super::super::table::Stage;
use super::super::{FastCgiFault as Fault, Handler};
use super::outgoing::ACCEPTED_NULL_ID;

/// The most content and padding that PHP accepts in one record.
const FCGI_MAX_LENGTH: usize = 0xfff8;
/// The PARAMS that `ParamsOver8192Lost` keeps.
const PARAMS_KEPT: usize = 8192;
/// How long `IdFreedLate` keeps an id.
const LATE: Duration = Duration::from_millis(50);
/// The flag KEEP_CONN, and its place in the content of BEGIN_REQUEST.
const KEEP_CONN: (usize, u8) = (2, 1);

/// What the fault makes of a record before the dialogue takes it.
enum Incoming<'r> {
    /// The dialogue takes this record.
    Taken(Cow<'r, [u8]>),
    /// The record has no effect, or the fault has acted on it.
    Dropped,
}

/// Hands a record from the web server to the dialogue.
pub(in crate::fastcgi) fn take<H: Handler>(dialogue: &mut Dialogue<H>, record: &Record<&[u8]>) -> Flow {
    let Some(fault) = dialogue.hooks.hooks.0 else {
        return dialogue.take(record);
    };
    let bytes = match before(dialogue, record, fault) {
        Incoming::Taken(bytes) => bytes,
        Incoming::Dropped => return Flow::Next,
    };
    let record = Record::new_unchecked(&*bytes);
    let flow = dialogue.take(&record);
    after(dialogue, &record, fault);
    flow
}

fn before<'r, H: Handler>(
    dialogue: &mut Dialogue<H>,
    record: &Record<&'r [u8]>,
    fault: Fault,
) -> Incoming<'r> {
    if dialogue.hooks.stopped {
        return Incoming::Dropped;
    }
    if dialogue.hooks.lost_place {
        dialogue.end_of_input();
        return Incoming::Dropped;
    }
    let id = record.id();
    let content = record.content();
    match record.kind() {
        Kind::BeginRequest => {
            dialogue.hooks.unreceived.insert(id);
        }
        Kind::Stream(Stream::Stdin) if content.is_empty() => {
            dialogue.hooks.unreceived.remove(&id);
        }
        _ => {}
    }
    let is_dropped = match record.kind() {
        Kind::BeginRequest => drops_begin(dialogue, record, fault),
        Kind::AbortRequest => drops_abort(dialogue, id, fault),
        Kind::GetValues => drops_get_values(dialogue, content, fault),
        Kind::Stream(Stream::Params) => drops_params(dialogue, id, content, fault),
        Kind::Stream(Stream::Stdin) => drops_stdin(dialogue, id, content, fault),
        Kind::Other(_) => fault == Fault::UnknownTypeIgnored,
        _ => false,
    };
    let is_too_long = record.content_len() + record.padding_len() > FCGI_MAX_LENGTH;
    if fault == Fault::LongRecordRefused && is_too_long {
        dialogue.end_of_input();
        return Incoming::Dropped;
    }
    if is_dropped {
        return Incoming::Dropped;
    }
    Incoming::Taken(as_read(record, fault, dialogue.table.newest_id()))
}

/// The record as the fault reads it; `newest_id` is the id begun last.
fn as_read<'r>(record: &Record<&'r [u8]>, fault: Fault, newest_id: Option<u16>) -> Cow<'r, [u8]> {
    let mut copy = RawRecord {
        version: record.version(),
        padding: record.padding().to_vec(),
        ..RawRecord::new(record.kind(), record.id(), record.content())
    };
    let is_begin = record.kind() == Kind::BeginRequest && copy.content.len() > KEEP_CONN.0;
    match fault {
        Fault::VersionIgnored => copy.version = VERSION,
        Fault::PaddingParsed => {
            copy.content.append(&mut copy.padding);
            copy.content.truncate(usize::from(u16::MAX));
        }
        Fault::NullIdAccepted if copy.id == NULL_ID && is_application(record.kind()) => {
            copy.id = ACCEPTED_NULL_ID;
        }
        Fault::IdsIgnored if matches!(record.kind(), Kind::Stream(_)) => {
            copy.id = newest_id.unwrap_or(copy.id);
        }
        Fault::IgnoresKeepConn if is_begin => copy.content[KEEP_CONN.0] &= !KEEP_CONN.1,
        Fault::NeverCloses if is_begin => copy.content[KEEP_CONN.0] |= KEEP_CONN.1,
        _ => return Cow::Borrowed(record.into_inner()),
    }
    let mut bytes = Vec::new();
    copy.append_to(&mut bytes);
    Cow::Owned(bytes)
}

fn is_application(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::BeginRequest | Kind::AbortRequest | Kind::Stream(Stream::Params | Stream::Stdin)
    )
}

fn drops_begin<H: Handler>(dialogue: &mut Dialogue<H>, record: &Record<&[u8]>, fault: Fault) -> bool {
    let Ok(Repr::Begin { id, role, keep_conn }) = Repr::parse(record) else {
        return false;
    };
    let is_busy = dialogue.table.len() > 0;
    let ended = dialogue.hooks.ended.get(&id);
    match fault {
        Fault::IdKeptAfterEnd if ended.is_some() => dialogue.end_of_input(),
        Fault::IdFreedLate if ended.is_some_and(|ended| ended.elapsed() < LATE) => dialogue.end_of_input(),
        Fault::UnknownRoleCloses if !dialogue.settings.roles.contains(&role) => dialogue.close(),
        Fault::MultiplexedRequestLost if is_busy => {}
        Fault::MpxsConnsLies if is_busy => dialogue.reject(id, keep_conn, ProtocolStatus::CantMpxConn),
        Fault::ActiveIdReplaced => {
            if let Some((serial, _)) = dialogue.table.by_id(id) {
                dialogue.drop_request(serial);
                dialogue.table.free_id(id, serial);
            }
            return false;
        }
        _ => return false,
    }
    true
}

fn drops_abort<H: Handler>(dialogue: &mut Dialogue<H>, id: u16, fault: Fault) -> bool {
    let Some((serial, active)) = dialogue.table.by_id(id) else {
        if fault == Fault::LateAbortAnswered {
            dialogue.append_end(id, 0, ProtocolStatus::Complete);
        }
        return false;
    };
    match fault {
        Fault::AbortIgnored => {}
        Fault::AbortCloses => dialogue.close(),
        Fault::TwoEndsOnAbort if matches!(active.stage, Stage::Running { .. }) => {
            dialogue.append_end(id, 0, ProtocolStatus::Complete);
            dialogue.table.free_id(id, serial);
        }
        _ => return false,
    }
    true
}

fn drops_get_values<H: Handler>(dialogue: &mut Dialogue<H>, query: &[u8], fault: Fault) -> bool {
    match fault {
        Fault::NoGetValues => {}
        Fault::GetValuesGarbled => {
            let mut content = Vec::new();
            let mut last = String::new();
            for pair in pairs(query).unwrap_or_default() {
                last = known_value(&pair.name, &dialogue.settings).unwrap_or(last);
                append_pair(&mut content, &pair.name, last.as_bytes());
            }
            for _ in 0..2 {
                dialogue.append(&Repr::GetValuesResult { content: &content });
            }
        }
        _ => return false,
    }
    true
}

fn drops_params<H: Handler>(dialogue: &mut Dialogue<H>, id: u16, content: &[u8], fault: Fault) -> bool {
    let len_max = dialogue.settings.params_len_max;
    let Some((serial, active)) = dialogue.table.by_id(id) else {
        return false;
    };
    let received = active.params_len;
    let Stage::Params { decoder, pairs } = &mut active.stage else {
        return false;
    };
    if content.is_empty() {
        let announced = |pair: &&Pair| pair.name == b"CONTENT_LENGTH";
        let announced = pairs.iter().rev().find(announced);
        let announced = announced.and_then(|pair| str::from_utf8(&pair.value).ok()?.parse().ok());
        dialogue.hooks.stdin.insert(id, (announced, 0));
    }
    match fault {
        Fault::ParamsOver8192Lost if content.is_empty() => {
            // The pair that was cut is forgotten.
            *decoder = PairDecoder::new(len_max);
            return false;
        }
        Fault::ParamsOver8192Lost if received + content.len() > PARAMS_KEPT => {
            let kept = &content[..PARAMS_KEPT.saturating_sub(received)];
            // Lengths that exceed the limits are the rule's business; the scenarios of this fault send none.
            let _ = decoder.feed(kept, |name, value| pairs.push(owned(name, value)));
            dialogue.table.charge_params(serial, content.len());
        }
        Fault::OneByteLengths if !content.is_empty() => {
            pairs.extend(pairs_with_one_byte_lengths(content));
        }
        Fault::LengthOverflow => {
            let fed = PairDecoder::new(len_max).feed(content, |_, _| {});
            if !matches!(fed, Err(PairError::TooLong { promised, .. }) if promised > i32::MAX as u64) {
                return false;
            }
            // The process would have died: no connection is served any more.
            dialogue.requests.close();
            dialogue.close();
        }
        _ => return false,
    }
    true
}

fn drops_stdin<H: Handler>(dialogue: &mut Dialogue<H>, id: u16, content: &[u8], fault: Fault) -> bool {
    let Some((_, active)) = dialogue.table.by_id(id) else {
        return false;
    };
    let Stage::Running { stdin, .. } = &active.stage else {
        return false;
    };
    let has_ended = stdin.is_none();
    let (announced, received) = dialogue.hooks.stdin.entry(id).or_default();
    let before = *received;
    *received += content.len() as u64;
    match fault {
        Fault::SecondStdinEndCloses if has_ended => {
            dialogue.close();
            true
        }
        Fault::WaitsForContentLength => {
            content.is_empty() && announced.is_some_and(|announced| before < announced)
        }
        Fault::StdinFirstRecordOnly => !content.is_empty() && before > 0,
        _ => false,
    }
}

fn after<H: Handler>(dialogue: &mut Dialogue<H>, record: &Record<&[u8]>, fault: Fault) {
    let is_empty = record.content_len() == 0;
    let stream = match record.kind() {
        Kind::Stream(stream) => stream,
        Kind::GetValues if fault == Fault::ClosesAfterGetValues => return dialogue.close(),
        _ => return,
    };
    if fault == Fault::EmptyRecordPadding && is_empty && record.padding_len() > 0 {
        dialogue.hooks.lost_place = true;
    }
    let len_max = dialogue.settings.params_len_max;
    let Some((serial, active)) = dialogue.table.by_id(record.id()) else {
        return;
    };
    match (fault, stream, &mut active.stage) {
        (Fault::PairInOneRecord, Stream::Params, Stage::Params { decoder, .. })
            if decoder.pending_len() > 0 =>
        {
            *decoder = PairDecoder::new(len_max);
        }
        (Fault::StartsBeforeParamsEnd, Stream::Params, Stage::Params { .. }) => dialogue.start(serial),
        (Fault::IdFreedAtStdinEnd, Stream::Stdin, Stage::Running { .. }) if is_empty => {
            dialogue.table.free_id(record.id(), serial);
        }
        _ => {}
    }
}

/// Pairs as a reader sees them that takes every length for one byte.
fn pairs_with_one_byte_lengths(mut content: &[u8]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    while let [name_len, value_len, rest @ ..] = content {
        let (name, rest) = rest.split_at(rest.len().min(usize::from(*name_len)));
        let (value, rest) = rest.split_at(rest.len().min(usize::from(*value_len)));
        pairs.push(owned(name, value));
        content = rest;
    }
    pairs
}

fn owned(name: &[u8], value: &[u8]) -> Pair {
    Pair {
        name: name.to_vec(),
        value: value.to_vec(),
    }
}
