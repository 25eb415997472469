//! Logs in at the console of a complete system to start the agent, and writes the console to a log.
//!
//! `driver` decides what to type; this file has its thread and stream. The console is read until it ends, even when
//! nothing is left to type, because a guest blocks when its console is not read.

mod driver;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use driver::{Driver, Step};

/// The interval at which the driver is called while the console is silent.
const TICK: Duration = Duration::from_millis(50);

/// The thread that reads the console and logs in. It ends with the console.
#[derive(Debug)]
pub(super) struct ConsoleLogin {
    failure: Arc<Mutex<Option<String>>>,
}

impl ConsoleLogin {
    /// Starts the thread. It writes `console` to `log`, logs in as root, and types `line` at the shell.
    pub(super) fn start(console: UnixStream, log: &Path, line: &str) -> io::Result<Self> {
        let failure = Arc::new(Mutex::new(None));
        let login = Self {
            failure: Arc::clone(&failure),
        };
        let log = File::create(log)?;
        console.set_read_timeout(Some(TICK))?;
        let driver = Driver::new(line);
        thread::Builder::new().name("console".into()).spawn(move || {
            if let Err(error) = run(&console, log, driver, &failure) {
                report(
                    &failure,
                    format!("the console cannot be read or written: {error}"),
                );
            }
        })?;
        Ok(login)
    }

    /// Why the login failed, if it did.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn report(failure: &Mutex<Option<String>>, what: String) {
    failure
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert(what);
}

fn run(
    mut console: &UnixStream,
    mut log: File,
    mut driver: Driver,
    failure: &Mutex<Option<String>>,
) -> io::Result<()> {
    let began = Instant::now();
    let mut chunk = [0; 4096];
    loop {
        let received = match console.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => &chunk[..count],
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => &[],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => &[],
            // QEMU was killed before it had read everything.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error),
        };
        log.write_all(received)?;
        match driver.step(began.elapsed(), received) {
            Step::Wait => {}
            Step::Type(text) => console.write_all(text.as_bytes())?,
            Step::Failed(what) => report(failure, what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads until the text ends with `end`.
    fn until(stream: &mut UnixStream, end: &str) {
        let mut seen = String::new();
        let mut byte = [0];
        while !seen.ends_with(end) {
            stream.read_exact(&mut byte).unwrap();
            seen.push(char::from(byte[0]));
        }
    }

    #[test]
    fn it_logs_in_over_a_stream_and_logs_everything() {
        let (ours, mut system) = UnixStream::pair().unwrap();
        system.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let folder = tempfile::TempDir::new().unwrap();
        let log = folder.path().join("console.log");
        let login = ConsoleLogin::start(ours, &log, "run the agent").unwrap();
        system.write_all(b"booting\r\n\r\nlogin: ").unwrap();
        until(&mut system, "root\n");
        system.write_all(b"root\r\nroot@system:~ # ").unwrap();
        until(&mut system, "run the agent\n");
        assert_eq!(login.failure(), None);
        system.write_all(b"\r\npanic: vm_fault\r\n").unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while login.failure().is_none() {
            assert!(Instant::now() < deadline, "the panic was not seen");
            thread::yield_now();
        }
        assert!(login.failure().unwrap().contains("panic"));
        let text = std::fs::read_to_string(log).unwrap();
        assert!(text.starts_with("booting") && text.contains("vm_fault"), "{text}");
    }
}
