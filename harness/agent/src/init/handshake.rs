//! The three lines before the protocol (see the parent's header).
//!
//! The line is read byte by byte: a buffered reader would swallow the first case that follows it, and it is forty
//! bytes once per boot.

use std::{
    fs::File,
    io::{self, Read, Write},
};

use nix::{
    sys::time::TimeSpec,
    time::{ClockId, clock_settime},
};

use reusespec_core::handshake::{Go, READY, SERVING};

use super::{InitError, system};

/// A longer line is not the host's.
const LINE_LIMIT: usize = 256;

pub(super) fn begin((mut reader, mut writer): (File, File)) -> Result<(File, File), InitError> {
    if let Some(path) = system::word("REUSESPEC_INPUT") {
        let what = format!("open {path}");
        return Ok((File::open(path).map_err(InitError::system(what))?, writer));
    }
    writer
        .write_all(format!("{READY}\n").as_bytes())
        .map_err(InitError::system("write to the channel"))?;
    let line = read_line(&mut reader).map_err(InitError::system("read from the channel"))?;
    let go = Go::parse(&line).ok_or(InitError::Handshake(line))?;
    let time = TimeSpec::new(
        (go.unix_ns / 1_000_000_000).cast_signed() as _,
        (go.unix_ns % 1_000_000_000) as _,
    );
    clock_settime(ClockId::CLOCK_REALTIME, time).map_err(|e| InitError::system("set the clock")(e.into()))?;
    system::stir(&go.seed).map_err(InitError::system("stir the random generator"))?;
    writer
        .write_all(format!("{SERVING}\n").as_bytes())
        .map_err(InitError::system("write to the channel"))?;
    Ok((reader, writer))
}

fn read_line(reader: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LINE_LIMIT {
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
    fn the_first_case_stays_in_the_channel_behind_the_go_line() {
        let mut channel: &[u8] = b"go 12 ff00\n{\"case\":1}\n";
        let go = Go::parse(&read_line(&mut channel).unwrap()).unwrap();
        assert_eq!((go.unix_ns, go.seed), (12, vec![255, 0]));
        assert_eq!(channel, b"{\"case\":1}\n");
    }
}
