//! The little of QMP that saving and restoring a state needs (QEMU, docs/interop/qmp-spec.rst): greeting, commands, answers.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// From this version on QEMU itself writes and reads a file; before, a shell's `cat` has to stand between.
const FILE_URI_VERSION: (u64, u64) = (8, 2);

/// A connection in command mode.
pub(super) struct Monitor {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    version: (u64, u64),
}

impl Monitor {
    /// Negotiate on `stream`. Every answer is waited for `timeout` at most.
    pub(super) fn new(stream: &UnixStream, timeout: Duration) -> io::Result<Self> {
        stream.set_read_timeout(Some(timeout))?;
        let mut monitor = Self {
            reader: BufReader::new(stream.try_clone()?),
            writer: stream.try_clone()?,
            version: (0, 0),
        };
        let greeting = monitor.line()?;
        let number = |name| greeting["QMP"]["version"]["qemu"][name].as_u64().unwrap_or(0);
        monitor.version = (number("major"), number("minor"));
        monitor.command("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// Write the machine's state to `path`, which is replaced, and let the machine run on.
    ///
    /// It is not stopped before: QEMU would save that it was stopped, and a restored guest would need to be told to
    /// go on. An idle guest dirties next to nothing while its memory is written.
    pub(super) fn save(&mut self, path: &str, budget: Duration) -> io::Result<()> {
        let deadline = Instant::now() + budget;
        self.command("migrate-set-parameters", json!({ "max-bandwidth": 1_u64 << 40 }))?;
        self.command("migrate", json!({ "uri": self.migration_uri(path, "cat >") }))?;
        loop {
            let state = self.command("query-migrate", json!({}))?;
            match state["status"].as_str() {
                Some("completed") => break,
                Some("failed" | "cancelled") => {
                    return Err(io::Error::other(format!("QEMU did not save: {state}")));
                }
                _ if Instant::now() > deadline => return Err(io::ErrorKind::TimedOut.into()),
                // Events would need a capability that older versions lack.
                _ => thread::sleep(Duration::from_millis(2)),
            }
        }
        self.command("cont", json!({})).map(drop)
    }

    /// Read the machine's state from `path`. The machine must have been started with `-incoming defer`.
    pub(super) fn restore(&mut self, path: &str, budget: Duration) -> io::Result<()> {
        let uri = self.migration_uri(path, "cat");
        self.command("migrate-incoming", json!({ "uri": uri }))?;
        self.await_running(budget)
    }

    /// Where a state goes to or comes from; `cat` is what a shell does with the file's name.
    fn migration_uri(&self, path: &str, cat: &str) -> String {
        if self.version >= FILE_URI_VERSION {
            format!("file:{path}")
        } else {
            format!("exec:{cat} '{}'", path.replace('\'', r"'\''"))
        }
    }

    /// Wait until a machine that is being restored runs. Before that, what is sent to it is lost: a UART takes bytes
    /// at once, and its restored state then overwrites them.
    fn await_running(&mut self, budget: Duration) -> io::Result<()> {
        let deadline = Instant::now() + budget;
        loop {
            match self.command("query-status", json!({}))?["status"].as_str() {
                Some("running") => return Ok(()),
                _ if Instant::now() > deadline => return Err(io::ErrorKind::TimedOut.into()),
                _ => thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn command(&mut self, name: &str, arguments: Value) -> io::Result<Value> {
        let request = json!({ "execute": name, "arguments": arguments });
        self.writer.write_all(format!("{request}\n").as_bytes())?;
        loop {
            let mut answer = self.line()?;
            if let Some(error) = answer.get("error") {
                return Err(io::Error::other(format!("{name}: {error}")));
            }
            // Anything else is an event.
            if let Some(result) = answer.get_mut("return") {
                return Ok(result.take());
            }
        }
    }

    fn line(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        serde_json::from_str(&line).map_err(io::Error::other)
    }
}
