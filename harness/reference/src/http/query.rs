//! A handler's parameters in the query of a request target: `?ms=200&count=a`.
//!
//! There is no percent-decoding: scenarios use letters, digits and `-` in names and values.

pub(super) struct Query<'h>(pub(super) &'h str);

impl<'h> Query<'h> {
    pub(super) fn get(&self, name: &str) -> Option<&'h str> {
        let mut pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The parameter as a number of at most `max`; `default` if it is absent or not a number.
    pub(super) fn number(&self, name: &str, default: u64, max: u64) -> u64 {
        self.get(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
            .min(max)
    }
}
