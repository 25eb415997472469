//! Management records: what the application says about itself, not about a request (§4).
//!
//! Answered by the server and never by a handler, at any time, also while requests are being received (§4.1).

use reusespec_wire::fastcgi::{KNOWN_VALUES, Kind, Repr, append_pair, pairs};

use super::{FastCgiFault, Settings};

/// Answers GET_VALUES with one record: the names that were asked for and are known, each once, in the order
/// they were asked for. A query that is not a sequence of pairs is answered as an empty one.
pub(super) fn answer_get_values(query: &[u8], settings: &Settings, out: &mut Vec<u8>) {
    let mut asked: Vec<Vec<u8>> = Vec::new();
    for pair in pairs(query).unwrap_or_default() {
        if !asked.contains(&pair.name) {
            asked.push(pair.name);
        }
    }
    let mut content = Vec::new();
    let mut last = String::new();
    for name in asked {
        match value(&name, settings) {
            Some(value) => last = value,
            None if settings.has(FastCgiFault::GetValuesGarbled) => {}
            None => continue,
        }
        append_pair(&mut content, &name, last.as_bytes());
    }
    let answers = if settings.has(FastCgiFault::GetValuesGarbled) {
        2
    } else {
        1
    };
    for _ in 0..answers {
        append(&Repr::GetValuesResult { content: &content }, out);
    }
}

/// Answers a management record of a type that is not defined.
pub(super) fn answer_unknown_type(number: u8, out: &mut Vec<u8>) {
    append(
        &Repr::UnknownType {
            unknown: Kind::Other(number),
        },
        out,
    );
}

/// Appends a record that is known to fit.
pub(super) fn append(record: &Repr<'_>, out: &mut Vec<u8>) {
    record
        .append_to(out)
        .expect("no more content than a query or a fixed body has");
}

fn value(name: &[u8], settings: &Settings) -> Option<String> {
    let [max_conns, max_reqs, mpxs_conns] = KNOWN_VALUES;
    let claims_multiplexing = settings.multiplex || settings.has(FastCgiFault::MpxsConnsLies);
    match std::str::from_utf8(name).ok()? {
        name if name == max_conns => Some(settings.connections_max.to_string()),
        name if name == max_reqs => Some(settings.requests_max.to_string()),
        name if name == mpxs_conns => Some(u8::from(claims_multiplexing).to_string()),
        _ => None,
    }
}
