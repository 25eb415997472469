//! Sends requests to an agent.
//!
//! A thread writes them, so that a full channel does not block the session. The stream stays open until the feeder is
//! dropped, because its end tells the agent that the host has ended.

use std::io::Write;
use std::sync::mpsc::{Receiver, channel};

use reusespec_platforms::Link;

type Requests = Box<dyn Write + Send>;

/// Keeps the stream of requests open.
pub(crate) struct Feeder {
    _written: Receiver<Requests>,
}

impl Feeder {
    /// Starts to write `lines`. The thread asks for a line when the one before it is written.
    pub(crate) fn start<L>(link: &mut Link, lines: L) -> Self
    where
        L: IntoIterator<Item = Vec<u8>> + Send + 'static,
    {
        let mut stream = std::mem::replace(&mut link.requests, Box::new(std::io::sink()));
        let (done, written) = channel();
        std::thread::spawn(move || {
            for line in lines {
                // A write fails if the agent has ended. The session notices that on the stream of replies.
                if stream.write_all(&line).and_then(|()| stream.flush()).is_err() {
                    break;
                }
            }
            let _ = done.send(stream);
        });
        Self { _written: written }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    struct NoProcess;

    impl reusespec_platforms::AgentHandle for NoProcess {
        fn diagnostics(&mut self) -> String {
            String::new()
        }
    }

    #[test]
    fn all_lines_are_sent_and_the_stream_stays_open() {
        let (ours, mut agent) = UnixStream::pair().unwrap();
        let mut link = Link {
            requests: Box::new(ours),
            replies: Box::new(std::io::empty()),
            handle: Box::new(NoProcess),
        };
        let feeder = Feeder::start(&mut link, ["start\n", "1\n", "finish\n"].map(Vec::from));
        agent.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut sent = [0; 15];
        agent.read_exact(&mut sent).unwrap();
        assert_eq!(&sent, b"start\n1\nfinish\n");
        agent.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let read = agent.read(&mut [0]);
        assert!(
            read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
            "no end of file"
        );
        drop(feeder);
        assert_eq!(agent.read(&mut [0]).unwrap(), 0);
    }
}
