//! The lines that the agent of a guest and the host exchange before the [`protocol`](crate::protocol) begins.
//!
//! ```text
//! guest → host   reusespec-init 2             the guest is prepared; its state may be saved here
//! host → guest   go 1893456000000000000 5f…   the time of day in ns since 1970, and a random seed in hexadecimal
//! guest → host   reusespec-init go 300        the protocol follows, in frames of `reusespec_channel`; the host may have
//!                                             300 bytes on the line
//! ```
//! A restored guest continues after the first line. The second line sets its clock. The seed keeps two guests restored
//! from one state from choosing the same ports and sequence numbers.

use std::fmt;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

/// The name of the virtio port that carries the channel.
pub const PORT_NAME: &str = "reusespec";

/// The guest's first line, without the line feed. The number is the version of this handshake.
pub const READY: &str = "reusespec-init 2";

/// The beginning of the guest's second line: it has understood the host, and the protocol follows. The window is behind it.
const SERVING: &str = "reusespec-init go ";

/// The guest's second line, without the line feed. `window` is the number of bytes that the host may have on the line.
pub fn serving(window: usize) -> String {
    format!("{SERVING}{window}")
}

/// The window in a line that ends with the guest's second line. A serial port may deliver noise before it.
pub fn window_in(line: &str) -> Option<usize> {
    line.trim_end().rsplit_once(SERVING)?.1.parse().ok()
}

/// The host's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Go {
    /// The time of day, in nanoseconds since 1970.
    pub unix_ns: u64,
    /// Random bytes for the guest's random number generator.
    pub seed: Vec<u8>,
}

impl Go {
    /// Parses the line, without its line feed. Returns `None` for any other line.
    pub fn parse(line: &str) -> Option<Self> {
        let (time, seed) = line.strip_prefix("go ")?.split_once(' ')?;
        Some(Self {
            unix_ns: time.parse().ok()?,
            seed: HEXLOWER_PERMISSIVE.decode(seed.as_bytes()).ok()?,
        })
    }
}

impl fmt::Display for Go {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "go {} {}", self.unix_ns, HEXLOWER.encode(&self.seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formatted_line_parses_back() {
        let go = Go {
            unix_ns: 12,
            seed: vec![255, 0],
        };
        assert_eq!(go.to_string(), "go 12 ff00");
        assert_eq!(Go::parse(&go.to_string()), Some(go));
    }

    #[test]
    fn the_window_is_read_behind_noise() {
        assert_eq!(window_in(&format!("\0noise{}\r\n", serving(300))), Some(300));
        for line in ["reusespec-init 2", "reusespec-init go", "reusespec-init go x"] {
            assert_eq!(window_in(line), None, "{line}");
        }
    }

    #[test]
    fn any_other_line_is_refused() {
        for line in ["", "go", "go 1", "go x ff", "go 1 f", "go 1 zz", "stop 1 ff"] {
            assert_eq!(Go::parse(line), None, "{line}");
        }
    }
}
