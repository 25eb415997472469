//! Sends requests to an agent. On channels without flow control it keeps at most `ahead` cases outstanding.
//!
//! A serial port has no flow control: QEMU writes bytes as fast as the emulated UART accepts them, and the terminal
//! layer of a BSD drops bytes that its queue of a few kilobytes cannot hold. The agent moves the bytes from that queue
//! to another one (`init::drain`), which is not much longer. So the host sends only a few cases more than the agent has
//! begun. This costs no time, because the agent always has its next case.
//!
//! A thread writes the requests, so that a full channel does not block the session. The stream stays open until the
//! feeder is dropped, because its end tells the agent that the host has ended.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};

use reusespec_platforms::Link;

type Requests = Box<dyn Write + Send>;

/// The requests that an agent has not received yet.
pub(crate) struct Feeder {
    begun: Sender<()>,
    _written: Receiver<Requests>,
}

impl Feeder {
    /// Starts to write `lines`: the first line and `ahead` more, then one line for each case that the agent begins.
    /// Without a limit it writes all lines at once.
    pub(crate) fn start(link: &mut Link, lines: Vec<Vec<u8>>, ahead: Option<usize>) -> Self {
        let mut stream = std::mem::replace(&mut link.requests, Box::new(std::io::sink()));
        let (begun, permits) = channel();
        let (done, written) = channel();
        std::thread::spawn(move || {
            for (index, line) in lines.iter().enumerate() {
                // The first line is not a case.
                let wait = ahead.is_some_and(|ahead| index > ahead);
                if wait && permits.recv().is_err() {
                    break;
                }
                // A write fails if the agent has ended. The session notices that on the stream of replies.
                if stream.write_all(line).and_then(|()| stream.flush()).is_err() {
                    break;
                }
            }
            let _ = done.send(stream);
        });
        Self {
            begun,
            _written: written,
        }
    }

    /// Allows one more case, because the agent has begun one.
    pub(crate) fn begun(&self) {
        // The thread no longer receives when it has written all lines.
        let _ = self.begun.send(());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, ErrorKind, Read};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    struct NoProcess;

    impl reusespec_platforms::AgentHandle for NoProcess {
        fn diagnostics(&mut self) -> String {
            String::new()
        }
    }

    fn feeder(ahead: Option<usize>) -> (Feeder, BufReader<UnixStream>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_read_timeout(Some(LONG)).unwrap();
        let mut link = Link {
            requests: Box::new(ours),
            replies: Box::new(std::io::empty()),
            handle: Box::new(NoProcess),
        };
        let lines = ["start\n", "1\n", "2\n", "3\n", "finish\n"].map(Vec::from);
        (
            Feeder::start(&mut link, lines.to_vec(), ahead),
            BufReader::new(theirs),
        )
    }

    fn next(agent: &mut BufReader<UnixStream>) -> String {
        let mut line = String::new();
        agent.read_line(&mut line).unwrap();
        line
    }

    /// Whether neither a byte nor the end of the stream arrives within 100 ms.
    fn is_silent(agent: &mut BufReader<UnixStream>) -> bool {
        let socket = agent.get_ref();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let read = agent.read(&mut [0]);
        agent.get_ref().set_read_timeout(Some(LONG)).unwrap();
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    #[test]
    fn without_flow_control_only_a_few_cases_are_sent_ahead() {
        let (feeder, mut agent) = feeder(Some(2));
        assert_eq!([(); 3].map(|()| next(&mut agent)), ["start\n", "1\n", "2\n"]);
        assert!(is_silent(&mut agent), "no case has begun yet");
        feeder.begun();
        assert_eq!(next(&mut agent), "3\n");
        feeder.begun();
        assert_eq!(next(&mut agent), "finish\n");
        feeder.begun();
    }

    #[test]
    fn with_flow_control_all_lines_are_sent_and_the_stream_stays_open() {
        let (feeder, mut agent) = feeder(None);
        let sent = [(); 5].map(|()| next(&mut agent)).concat();
        assert_eq!(sent, "start\n1\n2\n3\nfinish\n");
        assert!(is_silent(&mut agent), "no end of file");
        drop(feeder);
    }
}
