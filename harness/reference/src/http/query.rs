//! The parameters of a handler in the query of its target: `?ms=200&count=a`.
//!
//! No percent-decoding: names and values used by the scenarios are letters, digits and `-`.

pub(super) struct Query<'h>(pub(super) &'h str);

impl<'h> Query<'h> {
    pub(super) fn get(&self, name: &str) -> Option<&'h str> {
        let mut pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The number, at most `max`; `default` where it is absent or no number.
    pub(super) fn number(&self, name: &str, default: u64, max: u64) -> u64 {
        self.get(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
            .min(max)
    }
}
