//! Gives an agent its requests, and where its channel asks for it no faster than it begins them.
//!
//! A serial port has no brake: QEMU hands bytes to a guest as fast as its driver takes them, and a BSD's terminal layer
//! drops what its queue of a few kilobytes cannot hold. The agent empties that queue (`init::pump`) into one that is not
//! much longer. So such an agent is only told of a few cases more than it has
//! begun. That costs nothing, since it still always knows its next one.
//!
//! Writing is a thread's work, because neither side may block the other. The stream stays open until this is dropped: its
//! end would mean that the host is gone.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};

use reusespec_platforms::Link;

type Requests = Box<dyn Write + Send>;

/// What an agent is still to be told.
pub(crate) struct Feeder {
    begun: Sender<()>,
    _written: Receiver<Requests>,
}

impl Feeder {
    /// Begins to write `lines`: the first and `ahead` more at once, then one for each case that is begun; without a limit
    /// all of them at once.
    pub(crate) fn start(link: &mut Link, lines: Vec<Vec<u8>>, ahead: Option<usize>) -> Self {
        let mut stream = std::mem::replace(&mut link.requests, Box::new(std::io::sink()));
        let (begun, permits) = channel();
        let (done, written) = channel();
        std::thread::spawn(move || {
            for (index, line) in lines.iter().enumerate() {
                // The first line is no case.
                let wait = ahead.is_some_and(|ahead| index > ahead);
                if wait && permits.recv().is_err() {
                    break;
                }
                // An agent that is gone cannot be written to; that it is gone is heard on the other stream.
                let told = stream.write_all(line);
                if told.and_then(|()| stream.flush()).is_err() {
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

    /// The agent has begun a case.
    pub(crate) fn begun(&self) {
        // Whoever has written everything waits for nothing.
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

    struct Nobody;

    impl reusespec_platforms::AgentHandle for Nobody {
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
            handle: Box::new(Nobody),
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

    /// Whether neither a byte nor the end comes for a while: the feeder has the time to be wrong.
    fn is_silent(agent: &mut BufReader<UnixStream>) -> bool {
        let socket = agent.get_ref();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let read = agent.read(&mut [0]);
        agent.get_ref().set_read_timeout(Some(LONG)).unwrap();
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    #[test]
    fn an_agent_without_a_brake_is_told_of_a_few_cases_more_than_it_has_begun() {
        let (feeder, mut agent) = feeder(Some(2));
        assert_eq!([(); 3].map(|()| next(&mut agent)), ["start\n", "1\n", "2\n"]);
        assert!(is_silent(&mut agent), "nothing is begun yet");
        feeder.begun();
        assert_eq!(next(&mut agent), "3\n");
        feeder.begun();
        assert_eq!(next(&mut agent), "finish\n");
        feeder.begun();
    }

    #[test]
    fn any_other_is_told_everything_and_its_stream_stays_open() {
        let (feeder, mut agent) = feeder(None);
        let told = [(); 5].map(|()| next(&mut agent)).concat();
        assert_eq!(told, "start\n1\n2\n3\nfinish\n");
        assert!(is_silent(&mut agent), "no end of file");
        drop(feeder);
    }
}
