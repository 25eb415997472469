//! A server in a child process, controlled by lines on its standard streams and killed when dropped.

use std::io::{self, BufRead, BufReader, Lines, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::serve::Served;

/// A child process that answers each line with a line.
pub(super) struct Process {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the process has no streams"));
        };
        let output = BufReader::new(output).lines();
        Ok(Self { child, input, output })
    }

    /// Starts this program as one of the servers, and returns its address.
    pub(super) fn serving(what: Served) -> io::Result<(Self, SocketAddr)> {
        let mut ours = Self::start(Command::new(std::env::current_exe()?).args(["serve", what.name()]))?;
        let address = ours.line()?;
        let address = address.parse();
        Ok((ours, address.map_err(io::Error::other)?))
    }

    /// Sends a line and waits for the answer.
    pub(super) fn ask(&mut self, line: &str) -> io::Result<String> {
        writeln!(self.input, "{line}")?;
        self.line()
    }

    fn line(&mut self) -> io::Result<String> {
        let ended = || io::Error::other("the process has ended");
        self.output.next().unwrap_or_else(|| Err(ended()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free address, for a server that cannot choose one.
pub(super) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
