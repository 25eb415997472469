//! The variables of GET_VALUES, which describe the application and not a request (§4.1).
//!
//! The server answers management records itself, at any time, also while it receives requests.

use reusespec_wire::fastcgi::{KNOWN_VALUES, append_pair, pairs};

use super::Settings;

/// The content of GET_VALUES_RESULT: the known names of the query with their values, each once, in the order of the
/// query. A query that is not a sequence of pairs counts as empty.
pub(super) fn known_values(query: &[u8], settings: &Settings) -> Vec<u8> {
    let mut asked: Vec<Vec<u8>> = Vec::new();
    for pair in pairs(query).unwrap_or_default() {
        if !asked.contains(&pair.name) {
            asked.push(pair.name);
        }
    }
    let mut content = Vec::new();
    for name in asked {
        if let Some(value) = known_value(&name, settings) {
            append_pair(&mut content, &name, value.as_bytes());
        }
    }
    content
}

/// The value of a variable that the application knows.
pub(super) fn known_value(name: &[u8], settings: &Settings) -> Option<String> {
    let [max_conns, max_reqs, mpxs_conns] = KNOWN_VALUES;
    match std::str::from_utf8(name).ok()? {
        name if name == max_conns => Some(settings.connections_max.to_string()),
        name if name == max_reqs => Some(settings.requests_max.to_string()),
        name if name == mpxs_conns => Some(u8::from(settings.multiplex).to_string()),
        _ => None,
    }
}
