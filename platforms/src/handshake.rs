//! The host's side of the [`handshake`](reusespec_core::handshake): the line it sends, and a link that sends it by
//! itself.
//!
//! For a guest of ours `qemu` reads and answers the lines, because it saves the guest's state between them. For a
//! command [`with_handshake`] does: the command may start a machine whose first process is the agent, or an agent that
//! sends no such line.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use reusespec_channel::relay::{self, Host};
use reusespec_core::handshake::{Go, READY, window_in};

use crate::link::Link;

/// A longer line is not part of the handshake.
const LONGEST_LINE: usize = 64 * 1024;

/// The host's line, with the current time and a fresh seed.
///
/// # Errors
/// When /dev/urandom cannot be read.
pub(crate) fn go_line() -> io::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut seed = vec![0; 32];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    let unix_ns = u64::try_from(now.as_nanos()).map_err(io::Error::other)?;
    Ok(format!("{}\n", Go { unix_ns, seed }))
}

/// Wraps a link so that it answers the handshake of a guest and removes its lines from the replies.
pub(crate) fn with_handshake(link: Link) -> Link {
    let requests = Shared(Arc::new(Mutex::new(link.requests)));
    let replies = Replies {
        stream: link.replies,
        requests: Some(requests.clone()),
        line: Vec::new(),
        pending: Vec::new(),
        begun: false,
        window: None,
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

impl Shared {
    /// Relays the channel, whose frames begin with `begin`. From here on the requests go through the relay. Returns its
    /// stream of replies, which takes the place of `replies`.
    fn relay(
        &self,
        replies: &mut Box<dyn Read + Send>,
        begin: Vec<u8>,
        window: usize,
    ) -> io::Result<Box<dyn Read + Send>> {
        let (local, ours) = UnixStream::pair()?;
        let (line, remote) = UnixStream::pair()?;
        let requests = Box::new(HalfClosed(local.try_clone()?));
        let mut requests = std::mem::replace(
            &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner),
            requests,
        );
        let mut replies = std::mem::replace(replies, Box::new(io::empty()));
        let mut to_line = remote.try_clone()?;
        let mut from_line = remote;
        thread::spawn(move || {
            let copied = to_line
                .write_all(&begin)
                .and_then(|()| io::copy(&mut replies, &mut to_line));
            // An error means that one of them has ended, and so does the end of the copy.
            drop(copied);
            let _ = to_line.shutdown(Shutdown::Write);
        });
        thread::spawn(move || io::copy(&mut from_line, &mut requests));
        thread::spawn(move || relay::run(line, &ours, Host::default(), window, Vec::new()));
        Ok(Box::new(local))
    }
}

/// The requests into a relay. Their end is the end of the relay's input.
struct HalfClosed(UnixStream);

impl Write for HalfClosed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for HalfClosed {
    fn drop(&mut self) {
        // It fails only if the relay has ended.
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

struct Replies {
    stream: Box<dyn Read + Send>,
    /// For the answer. Dropped when the protocol begins, because the agent's input must end when the session drops its
    /// own handle.
    requests: Option<Shared>,
    /// The incomplete line received so far.
    line: Vec<u8>,
    /// Bytes that are not part of the handshake and have not been read yet.
    pending: Vec<u8>,
    /// Whether the protocol has begun.
    begun: bool,
    /// The limit of unacknowledged bytes, from the line that ends the handshake, until the relay is started with it.
    window: Option<usize>,
}

impl Read for Replies {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.pending.is_empty() && !self.begun {
            self.read_chunk()?;
        }
        if self.pending.is_empty() {
            return self.stream.read(buffer);
        }
        let count = self.pending.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.pending[..count]);
        self.pending.drain(..count);
        Ok(count)
    }
}

impl Replies {
    fn read_chunk(&mut self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk)?;
        for byte in &chunk[..count] {
            if self.begun {
                self.pending.push(*byte);
                continue;
            }
            self.line.push(*byte);
            if *byte == b'\n' {
                self.end_line()?;
            }
        }
        if count == 0 || self.line.len() > LONGEST_LINE {
            self.begun = true;
            self.pending.append(&mut self.line);
        }
        if let (Some(window), Some(requests)) = (self.window.take(), &self.requests) {
            self.stream = requests.relay(&mut self.stream, std::mem::take(&mut self.pending), window)?;
        }
        if self.begun {
            self.requests = None;
        }
        Ok(())
    }

    fn end_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        // A serial port may deliver noise before the line.
        if let (true, Some(requests)) = (text.trim_end().ends_with(READY), &mut self.requests) {
            requests.write_all(go_line()?.as_bytes())?;
            return requests.flush();
        }
        if let Some(window) = window_in(&text) {
            self.begun = true;
            self.window = Some(window);
            return Ok(());
        }
        self.begun = text.starts_with('{');
        self.pending.extend(line);
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
    use reusespec_channel::relay::Guest;

    struct NoAgent;

    impl AgentHandle for NoAgent {
        fn diagnostics(&mut self) -> String {
            String::new()
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    /// Shuts down its direction when dropped, as a pipe does.
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

    /// A link with the handshake, and the agent's end of it.
    fn link() -> (Link, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let link = Link {
            requests: Box::new(Pipe(ours.try_clone().unwrap())),
            replies: Box::new(ours),
            handle: Box::new(NoAgent),
        };
        (with_handshake(link), theirs)
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
    fn a_guest_that_asks_is_answered_and_the_streams_are_relayed_from_then_on() {
        let (mut link, mut guest) = link();
        guest
            .write_all(b"boot noise\r\n\0\0reusespec-init 2\r\n")
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
        guest.write_all(b"reusespec-init go 300\n").unwrap();
        let (mut agent, local) = UnixStream::pair().unwrap();
        agent.set_read_timeout(Some(LONG)).unwrap();
        let relayed =
            std::thread::spawn(move || relay::run(guest, &local, Guest::default(), 300, Vec::new()));
        agent.write_all(b"{\"hello\":1}\n").unwrap();
        let (lines, mut link) = reader.join().unwrap();
        assert_eq!(lines, ["boot noise\r\n", "{\"hello\":1}\n"]);
        link.requests.write_all(b"start\n").unwrap();
        assert_eq!(line(&mut agent), "start\n");
        drop(link.requests);
        assert_eq!(agent.read(&mut [0]).unwrap(), 0, "its input has ended");
        drop(agent);
        relayed.join().unwrap().unwrap();
        assert_eq!(link.replies.read(&mut [0]).unwrap(), 0, "the agent has ended");
    }

    #[test]
    fn an_agent_without_a_handshake_receives_no_go_line() {
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
