//! The lines before the protocol, by which a guest's agent learns the time of day; and a link that says them by itself.
//!
//! Neighbours: `qemu` says them between booting and saving a state; `elsewhere` leaves them to [`answered`], because
//! behind somebody's command may be a machine whose first process is the agent, or none.
//!
//! The agent's `init` is the other side, and describes them. The two crates share no code: the lines are part of what a
//! saved state and a foreign agent rely on, so they are written out on both sides.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cache::hex;
use crate::link::Link;

/// What a guest says when a state of it may be saved.
pub(crate) const READY: &str = "reusespec-init 1";
/// What it says when its agent serves.
pub(crate) const GOING: &str = "reusespec-init go";

/// A longer line is no line of ours.
const LONGEST_LINE: usize = 64 * 1024;

/// The time of day and fresh randomness.
///
/// # Errors
/// When this machine has no randomness.
pub(crate) fn go() -> io::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut seed = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(format!("go {} {}\n", now.as_nanos(), hex(&seed)))
}

/// The same link, on which a guest that asks is answered before the first line of the protocol is read.
pub(crate) fn answered(link: Link) -> Link {
    let requests = Shared(Arc::new(Mutex::new(link.requests)));
    let replies = Replies {
        stream: link.replies,
        requests: Some(requests.clone()),
        line: Vec::new(),
        passed: Vec::new(),
        begun: false,
    };
    Link {
        requests: Box::new(requests),
        replies: Box::new(replies),
        handle: link.handle,
    }
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Box<dyn Write + Send>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

struct Replies {
    stream: Box<dyn Read + Send>,
    /// Until the protocol has begun: afterwards an agent's input has to end when the session drops its own end.
    requests: Option<Shared>,
    /// What has come of a line.
    line: Vec<u8>,
    /// What was looked at and is not ours.
    passed: Vec<u8>,
    /// Whether the protocol has begun.
    begun: bool,
}

impl Read for Replies {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.passed.is_empty() && !self.begun {
            self.take_in()?;
        }
        if self.passed.is_empty() {
            return self.stream.read(buffer);
        }
        let count = self.passed.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.passed[..count]);
        self.passed.drain(..count);
        Ok(count)
    }
}

impl Replies {
    fn take_in(&mut self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk)?;
        for byte in &chunk[..count] {
            if self.begun {
                self.passed.push(*byte);
                continue;
            }
            self.line.push(*byte);
            if *byte == b'\n' {
                self.end_line()?;
            }
        }
        if count == 0 || self.line.len() > LONGEST_LINE {
            self.begun = true;
            self.passed.append(&mut self.line);
        }
        if self.begun {
            self.requests = None;
        }
        Ok(())
    }

    fn end_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        // A serial port may have noise in front of it.
        if let (true, Some(requests)) = (text.trim_end().ends_with(READY), &mut self.requests) {
            requests.write_all(go()?.as_bytes())?;
            return requests.flush();
        }
        if text.trim_end().ends_with(GOING) {
            self.begun = true;
            return Ok(());
        }
        self.begun = text.starts_with('{');
        self.passed.extend(line);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;
    use crate::link::AgentHandle;

    struct Nobody;

    impl AgentHandle for Nobody {
        fn diagnostics(&mut self) -> String {
            String::new()
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    /// The end of its writer is the end of what the agent reads, as of a pipe.
    struct Pipe(UnixStream);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }

    impl Drop for Pipe {
        fn drop(&mut self) {
            let _ = self.0.shutdown(Shutdown::Write);
        }
    }

    /// A link, and the agent's end of it.
    fn link() -> (Link, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let link = Link {
            requests: Box::new(Pipe(ours.try_clone().unwrap())),
            replies: Box::new(ours),
            handle: Box::new(Nobody),
        };
        (answered(link), theirs)
    }

    fn line(stream: &mut impl Read) -> String {
        let mut text = String::new();
        let mut byte = [0];
        while !text.ends_with('\n') {
            stream.read_exact(&mut byte).unwrap();
            text.push(char::from(byte[0]));
        }
        text
    }

    #[test]
    fn a_guest_that_asks_is_answered_and_its_lines_are_not_passed_on() {
        let (mut link, mut guest) = link();
        guest
            .write_all(b"boot noise\r\n\0\0reusespec-init 1\r\n")
            .unwrap();
        let reader = std::thread::spawn(move || {
            let lines = [line(&mut link.replies), line(&mut link.replies)];
            (lines, link)
        });
        let go = line(&mut guest);
        assert!(
            go.starts_with("go ") && go.split(' ').nth(2).unwrap().len() == 65,
            "{go}"
        );
        guest
            .write_all(b"reusespec-init go\n{\"hello\":1}\nreusespec-init 1\n")
            .unwrap();
        let (lines, mut link) = reader.join().unwrap();
        assert_eq!(lines, ["boot noise\r\n", "{\"hello\":1}\n"]);
        assert_eq!(
            line(&mut link.replies),
            "reusespec-init 1\n",
            "the protocol has begun"
        );
    }

    #[test]
    fn an_agent_that_does_not_ask_hears_nothing_of_it() {
        let (mut link, mut agent) = link();
        agent.write_all(b"{\"hello\":1}\nrest").unwrap();
        assert_eq!(line(&mut link.replies), "{\"hello\":1}\n");
        link.requests.write_all(b"start\n").unwrap();
        assert_eq!(line(&mut agent), "start\n");
        drop(link.requests);
        agent.set_read_timeout(Some(LONG)).unwrap();
        assert_eq!(agent.read(&mut [0]).unwrap(), 0, "its input has ended");
        drop(agent);
        let mut rest = String::new();
        link.replies.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "rest");
    }
}
