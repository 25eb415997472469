//! The guest's side of the handshake before the protocol (see the header of `init`).
//!
//! The host's line is read byte by byte. A buffered reader would also take the first case behind the line. The line has
//! about forty bytes and is read once per boot, so the cost does not matter.

use std::io::{self, Read, Write};

use nix::{
    sys::time::TimeSpec,
    time::{ClockId, clock_settime},
};

use reusespec_core::handshake::{self, Go, READY};

use super::channel::Port;
use super::{InitError, system};

/// A longer line is not the host's.
const MAX_LINE_BYTES: usize = 256;

/// Exchanges the lines, sets the clock and seeds the random generator.
pub(super) fn perform(port: &mut Port) -> Result<(), InitError> {
    let file = &mut port.file;
    file.write_all(format!("{READY}\n").as_bytes())
        .map_err(InitError::system("write to the channel"))?;
    let line = read_line(file).map_err(InitError::system("read from the channel"))?;
    let go = Go::parse(&line).ok_or(InitError::Handshake(line))?;
    let time = TimeSpec::new(
        (go.unix_ns / 1_000_000_000).cast_signed() as _,
        (go.unix_ns % 1_000_000_000) as _,
    );
    clock_settime(ClockId::CLOCK_REALTIME, time).map_err(|e| InitError::system("set the clock")(e.into()))?;
    system::seed_random(&go.seed).map_err(InitError::system("seed the random generator"))?;
    file.write_all(format!("{}\n", handshake::serving(port.window)).as_bytes())
        .map_err(InitError::system("write to the channel"))
}

fn read_line(reader: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < MAX_LINE_BYTES {
        reader.read_exact(&mut byte)?;
        if byte[0] == b'\n' {
            break;
        }
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_case_stays_in_the_channel() {
        let mut channel: &[u8] = b"go 12 ff00\n{\"case\":1}\n";
        let go = Go::parse(&read_line(&mut channel).unwrap()).unwrap();
        assert_eq!((go.unix_ns, go.seed), (12, vec![255, 0]));
        assert_eq!(channel, b"{\"case\":1}\n");
    }
}
