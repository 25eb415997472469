//! A client of QEMU's monitor protocol QMP (QEMU, docs/interop/qmp-spec.rst) that can save and restore a state.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// The first version of QEMU that saves to a `file:` URI. Older ones need `exec:` and a shell's `cat`.
const FILE_URI_VERSION: (u64, u64) = (8, 2);

/// A connection in command mode.
pub(super) struct Monitor {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    version: (u64, u64),
}

impl Monitor {
    /// Enters command mode on `stream`. `timeout` limits the wait for each answer.
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

    /// Writes the guest's state to `path`, which is replaced, and lets the guest continue.
    ///
    /// The guest is not stopped before, because QEMU would save that it is stopped, and a restored guest would have to
    /// be continued. An idle guest changes little memory while the state is written.
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
                // Polling, because migration events need a capability that older versions lack.
                _ => thread::sleep(Duration::from_millis(2)),
            }
        }
        self.command("cont", json!({})).map(drop)
    }

    /// Restores the guest's state from `path`. QEMU must have been started with `-incoming defer`.
    pub(super) fn restore(&mut self, path: &str, budget: Duration) -> io::Result<()> {
        let uri = self.migration_uri(path, "cat");
        self.command("migrate-incoming", json!({ "uri": uri }))?;
        self.await_running(budget)
    }

    /// The URI of a state. `cat` is the shell command that precedes the path for older versions.
    fn migration_uri(&self, path: &str, cat: &str) -> String {
        if self.version >= FILE_URI_VERSION {
            format!("file:{path}")
        } else {
            format!("exec:{cat} '{}'", path.replace('\'', r"'\''"))
        }
    }

    /// Waits until a restored guest runs. Bytes sent before that are lost: the UART accepts them, and its restored
    /// state then overwrites them.
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
            // Events have neither key and are skipped.
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
