//! The loop: which case starts when, and what becomes of one that dies or takes too long.
//!
//! A case holds a slot only while it works; one that waits for a timer lets the next one start, so that a
//! family of long waits takes as long as its longest. How many are alive is bounded all the same (`crowd`).

mod child;
mod crowd;
mod lines;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use reusespec_core::protocol::{
    Ended, Exec, Finished, Hello, LONGEST_LINE_BYTES, PROTOCOL, Reply, Request, Start,
};
use reusespec_core::{Case, Outcome};

use crate::family::keepalive;
use crate::sandbox::lateness::LatenessLog;
use crate::sandbox::{Isolation, Kept, sysctl};
use crate::{capabilities, clocks, exec, init, system};
use child::Child;
use lines::Lines;

/// How much longer than its budget a case may live: it has to report, too.
const GRACE: Duration = Duration::from_secs(2);

struct Loop<W> {
    output: W,
    isolation: Isolation,
    start: Start,
    lateness_log: LatenessLog,
    most_alive: usize,
    queue: VecDeque<Case>,
    children: Vec<Child>,
    /// What the case that runs alone is going to change.
    kept: Option<Kept>,
    finished: usize,
}

/// Answers a host until it says `finish` or its stream ends; running cases are killed when it just ends.
///
/// The process must have one thread.
///
/// # Errors
/// When a stream fails, or the first line is not a `start` of our protocol.
pub fn serve<R: AsFd, W: Write>(input: &R, mut output: W) -> io::Result<()> {
    let mut lines = Lines::new(LONGEST_LINE_BYTES);
    if !init::in_guest() {
        clocks::ask_for_precedence();
    }
    let isolation = Isolation::probe(init::in_guest());
    let (system, machine) = system::identify();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (timing, wake_up) = clocks::calibrate();
    let hello = Hello {
        protocol: PROTOCOL,
        system,
        machine,
        processors,
        timing,
        capabilities: capabilities::probe(&isolation),
        settings: sysctl::settings(),
    };
    send(&mut output, &Reply::Hello(hello))?;
    let start = loop {
        match lines.next() {
            Some(line) => match serde_json::from_str(&line) {
                Ok(Request::Start(start)) => break start,
                Ok(Request::Finish) => return send(&mut output, &Reply::Done { count: 0 }),
                Ok(Request::Exec(exec)) => return run_program(&exec, lines, input, output),
                _ => return Err(io::Error::other("the host's first line is not a start")),
            },
            None if lines.fill(input.as_fd())? == 0 => return Ok(()),
            None => {}
        }
    };
    if start.protocol != PROTOCOL {
        let theirs = start.protocol;
        return Err(io::Error::other(format!(
            "the host speaks protocol {theirs}, this agent {PROTOCOL}"
        )));
    }
    let state = Loop {
        output,
        isolation,
        most_alive: crowd::most_alive(processors, wake_up, start.virtual_time),
        start,
        lateness_log: LatenessLog::new()?,
        queue: VecDeque::new(),
        children: Vec::new(),
        kept: None,
        finished: 0,
    };
    state.run(input, lines)
}

/// A stream that is read as a file, whatever it is.
struct Bytes<'i, R>(&'i R);

impl<R: AsFd> io::Read for Bytes<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(nix::unistd::read(self.0, buffer)?)
    }
}

fn run_program<R: AsFd, W: Write>(exec: &Exec, lines: Lines, input: &R, mut output: W) -> io::Result<()> {
    if !init::in_guest() {
        let reason = "programs are run in guests only: their files are placed anywhere".to_owned();
        return send(&mut output, &Reply::Ended(Ended::NotStarted(reason)));
    }
    let rest = lines.into_rest();
    let mut content = io::Read::chain(&rest[..], Bytes(input));
    exec::execute(exec, &mut content, &mut |reply| send(&mut output, reply))
}

fn send(output: &mut impl Write, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_string(reply)?;
    line.push('\n');
    output.write_all(line.as_bytes())?;
    output.flush()
}

impl<W: Write> Loop<W> {
    fn run<R: AsFd>(mut self, input: &R, mut lines: Lines) -> io::Result<()> {
        let mut finishing = false;
        loop {
            while let Some(line) = lines.next() {
                match serde_json::from_str(&line) {
                    Ok(Request::Run(mut case)) => {
                        if self.start.virtual_time {
                            // What it waits for before it begins.
                            case.budget_ms += keepalive::turn().as_millis() as u64;
                        }
                        self.queue.push_back(case);
                    }
                    Ok(Request::Finish) => finishing = true,
                    Ok(Request::Start(_) | Request::Exec(_)) | Err(_) => {
                        eprintln!("reusespec-agent: not a request: {line:.80}");
                    }
                }
            }
            self.start_cases()?;
            if finishing && self.queue.is_empty() && self.children.is_empty() {
                return send(&mut self.output, &Reply::Done { count: self.finished });
            }
            let input_ready = self.wait(input, finishing)?;
            if input_ready && lines.fill(input.as_fd())? == 0 {
                // The host is gone: dropping the children kills them.
                return Ok(());
            }
            self.collect()?;
        }
    }

    fn start_cases(&mut self) -> io::Result<()> {
        while self.children.iter().filter(|child| child.busy).count() < self.start.jobs.max(1)
            && self.children.len() < self.most_alive
        {
            let Some(controls) = self.queue.front().map(|case| self.isolation.controls_of(case)) else {
                return Ok(());
            };
            if !self.children.is_empty() && (self.kept.is_some() || !controls.is_empty()) {
                // One that changes the machine runs alone.
                return Ok(());
            }
            self.kept = None;
            self.kept = (!controls.is_empty()).then(|| Kept::of(controls));
            let Some(case) = self.queue.pop_front() else {
                return Ok(());
            };
            send(&mut self.output, &Reply::Started(case.key.clone()))?;
            let isolation = self.isolation.for_next_case();
            match Child::start(&case, isolation, &self.start, self.lateness_log) {
                Ok(child) => self.children.push(child),
                Err(error) => {
                    let reason = format!("the process of the case could not be started: {error}");
                    self.report(Finished {
                        key: case.key,
                        outcome: Outcome::Broken(reason),
                        elapsed_us: 0,
                        capture: None,
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Waits for the host, for a case, or for the next deadline. Returns whether the host said something.
    fn wait<R: AsFd>(&self, input: &R, finishing: bool) -> io::Result<bool> {
        let now = Instant::now();
        let until = self.children.iter().map(|child| child.deadline).min();
        let timeout = until.map_or(PollTimeout::NONE, |deadline| {
            let left = deadline.saturating_duration_since(now) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        let mut fds: Vec<_> = self
            .children
            .iter()
            .map(|child| PollFd::new(child.as_fd(), PollFlags::POLLIN))
            .collect();
        if !finishing {
            fds.push(PollFd::new(input.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let input_ready = !finishing && fds.last().and_then(PollFd::any).unwrap_or(false);
        Ok(input_ready)
    }

    /// Takes what the cases have said, and ends those that are over or too late.
    fn collect(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let mut over = Vec::new();
        for (index, child) in self.children.iter_mut().enumerate() {
            if let Some(outcome) = child.listen() {
                over.push((index, outcome));
            } else if now >= child.deadline {
                over.push((index, child.too_late()));
            }
        }
        for (index, outcome) in over.into_iter().rev() {
            let child = self.children.swap_remove(index);
            self.report(child.finish(outcome))?;
        }
        Ok(())
    }

    fn report(&mut self, finished: Finished) -> io::Result<()> {
        self.finished += 1;
        send(&mut self.output, &Reply::Finished(finished))
    }
}
