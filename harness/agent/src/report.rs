//! What the process of a case tells the agent loop: one [`Note`] a line, the outcome last.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use data_encoding::HEXLOWER;
use reusespec_core::Outcome;

/// The agent loop does not read what a case tells it: it has ended, and the case will be killed.
#[derive(Debug, thiserror::Error)]
#[error("the agent loop is gone")]
pub(crate) struct LoopGone(#[from] io::Error);

const MAP_USERS: &str = "map-users";
const MAPPED: &str = "mapped";
const WAITING: &str = "waiting";
const BUSY: &str = "busy";
const CAPTURE: &str = "capture ";

/// A line from the process of a case to the agent loop.
#[derive(Debug)]
pub(crate) enum Note {
    /// The process has entered a user namespace and asks the loop to map users into it.
    MapUsers,
    /// From now on the case only waits. It gives up its slot.
    Waiting,
    /// The case runs again and needs a slot.
    Busy,
    /// The recording of the wire: a pcapng file in hexadecimal.
    Capture(String),
    /// The case has ended.
    Outcome(Outcome),
}

impl Note {
    /// Parses a line. `None` if it is not a note.
    pub(crate) fn read(line: &str) -> Option<Self> {
        match line {
            MAP_USERS => Some(Self::MapUsers),
            WAITING => Some(Self::Waiting),
            BUSY => Some(Self::Busy),
            other => match other.strip_prefix(CAPTURE) {
                Some(hexadecimal) => Some(Self::Capture(hexadecimal.to_owned())),
                None => serde_json::from_str(other).ok().map(Self::Outcome),
            },
        }
    }
}

/// The connection from the process of a case to the agent loop.
pub(crate) struct Reporter {
    stream: File,
}

impl Reporter {
    pub(crate) fn new(to_loop: OwnedFd) -> Self {
        Self {
            stream: File::from(to_loop),
        }
    }

    /// Asks the loop to map users into this process's namespace, and waits for the answer.
    #[cfg(target_os = "linux")]
    pub(crate) fn ask_for_users(&mut self) -> io::Result<()> {
        use std::io::{BufRead as _, BufReader};

        self.say(MAP_USERS)?;
        let mut answer = String::new();
        BufReader::new(&self.stream).read_line(&mut answer)?;
        if answer.trim_end() == MAPPED {
            Ok(())
        } else {
            Err(io::Error::other(answer.trim_end().to_owned()))
        }
    }

    /// Runs a wait. Meanwhile the case gives up its slot to other cases.
    pub(crate) fn waiting<T>(&mut self, wait: impl FnOnce() -> T) -> Result<T, LoopGone> {
        self.say(WAITING)?;
        let result = wait();
        self.say(BUSY)?;
        Ok(result)
    }

    /// Sends the recording of the wire.
    pub(crate) fn capture(&mut self, file: &[u8]) -> io::Result<()> {
        self.say(&format!("{CAPTURE}{}", HEXLOWER.encode(file)))
    }

    /// Sends the outcome, the last line.
    pub(crate) fn outcome(&mut self, outcome: &Outcome) -> io::Result<()> {
        self.say(&serde_json::to_string(outcome)?)
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(format!("{line}\n").as_bytes())
    }
}

/// The loop's answer to [`Note::MapUsers`].
pub(crate) fn answer_mapped(result: io::Result<()>) -> String {
    match result {
        Ok(()) => format!("{MAPPED}\n"),
        Err(error) => format!("{error}\n"),
    }
}
