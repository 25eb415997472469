//! The agent loop: starts cases, collects their results, and kills those that exceed their budget.
//!
//! A case holds one of the `jobs` slots only while it computes. A case that waits for a timer frees its slot for the
//! next one, so a family of long waits takes as long as its longest wait. [`concurrency`] limits the total.

mod child;
mod concurrency;
mod lines;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use reusespec_core::protocol::{
    Ended, Exec, Finished, Hello, LONGEST_LINE_BYTES, PROTOCOL, Reply, Request, Start,
};
use reusespec_core::{Case, Outcome, Timing};

use crate::family::keepalive;
use crate::sandbox::lateness::LatenessLog;
use crate::sandbox::{Isolation, Kept, sysctl};
use crate::{capabilities, clocks, exec, init, system};
use child::Child;
use lines::Lines;

/// The time between the end of a case's budget and its kill. The case needs it to report.
const GRACE: Duration = Duration::from_secs(2);

struct Loop<W> {
    output: W,
    isolation: Isolation,
    start: Start,
    lateness_log: LatenessLog,
    max_running: usize,
    queue: VecDeque<Case>,
    children: Vec<Child>,
    /// The system controls that the running case changes, with their values from before. Dropping it restores them.
    restored_controls: Option<Kept>,
    finished: usize,
}

/// Serves one host: reads requests from `input` and writes replies to `output`.
///
/// Returns when the host has sent `finish` and all cases are done, or when `input` ends. In the second case it kills
/// the running cases. The process must have one thread.
///
/// # Errors
/// Fails when a stream fails, or when the first line is neither `start` in this version of the protocol, nor `exec`,
/// nor `finish`.
pub fn serve<R: AsFd, W: Write>(input: &R, mut output: W) -> io::Result<()> {
    if !init::in_guest() {
        clocks::raise_priority();
    }
    let isolation = Isolation::probe(init::in_guest());
    let (timing, wake_up) = clocks::calibrate();
    let hello = hello(&isolation, timing);
    let processors = hello.processors;
    send(&mut output, &Reply::Hello(hello))?;
    let mut lines = Lines::new(LONGEST_LINE_BYTES);
    let start = match first_request(input, &mut lines)? {
        Some(Request::Start(start)) => start,
        Some(Request::Finish) => return send(&mut output, &Reply::Done { count: 0 }),
        Some(Request::Exec(exec)) => return run_program(&exec, lines, input, output),
        Some(Request::Run(_) | Request::Stdin { .. } | Request::Program { .. }) => {
            return Err(not_a_start());
        }
        None => return Ok(()),
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
        max_running: concurrency::max_running(processors, wake_up, start.virtual_time),
        start,
        lateness_log: LatenessLog::new()?,
        queue: VecDeque::new(),
        children: Vec::new(),
        restored_controls: None,
        finished: 0,
    };
    state.run(input, lines)
}

fn hello(isolation: &Isolation, timing: Timing) -> Hello {
    let (system, machine) = system::identify();
    Hello {
        protocol: PROTOCOL,
        system,
        machine,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        timing,
        capabilities: capabilities::probe(isolation),
        settings: sysctl::settings(),
    }
}

/// The host's first request, or `None` if `input` ends before it.
fn first_request<R: AsFd>(input: &R, lines: &mut Lines) -> io::Result<Option<Request>> {
    loop {
        match lines.next() {
            Some(line) => return serde_json::from_str(&line).map(Some).map_err(|_| not_a_start()),
            None if lines.fill(input.as_fd())? == 0 => return Ok(None),
            None => {}
        }
    }
}

fn not_a_start() -> io::Error {
    io::Error::other("the host's first line is not a `start` request")
}

fn is_file<R: AsFd>(input: &R) -> bool {
    use nix::sys::stat::{SFlag, fstat};
    fstat(input).is_ok_and(|status| {
        SFlag::S_IFMT.intersection(SFlag::from_bits_truncate(status.st_mode)) == SFlag::S_IFREG
    })
}

fn run_program<R: AsFd, W: Write>(exec: &Exec, lines: Lines, input: &R, mut output: W) -> io::Result<()> {
    if !init::in_guest() {
        let reason = "programs run in guests only, because their files may overwrite any file of the machine"
            .to_owned();
        return send(&mut output, &Reply::Ended(Ended::NotStarted(reason)));
    }
    let rest = lines.into_rest();
    // A thread reads standard input until the program has ended, and may then still wait for more.
    let input = File::from(input.as_fd().try_clone_to_owned()?);
    let content = BufReader::new(io::Cursor::new(rest).chain(input));
    exec::execute(exec, content, &mut |reply| send(&mut output, reply))
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
                            // In virtual time a case first waits for one turn of the timer wheel.
                            case.budget_ms += keepalive::turn().as_millis() as u64;
                        }
                        self.queue.push_back(case);
                    }
                    Ok(Request::Program { path, hexadecimal }) => exec::append(&path, &hexadecimal)?,
                    Ok(Request::Finish) => finishing = true,
                    Ok(Request::Start(_) | Request::Exec(_) | Request::Stdin { .. }) | Err(_) => {
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
                // The host has closed its stream. Dropping the children kills them.
                return Ok(());
            }
            self.collect()?;
        }
    }

    /// Starts queued cases while a slot is free. A case that changes system controls of the machine runs alone.
    fn start_cases(&mut self) -> io::Result<()> {
        while self.children.iter().filter(|child| child.busy).count() < self.start.jobs.max(1)
            && self.children.len() < self.max_running
        {
            let Some(controls) = self.queue.front().map(|case| self.isolation.controls_of(case)) else {
                return Ok(());
            };
            if !self.children.is_empty() && (self.restored_controls.is_some() || !controls.is_empty()) {
                return Ok(());
            }
            // The controls of the previous case are restored before those of this case are read.
            self.restored_controls = None;
            self.restored_controls = (!controls.is_empty()).then(|| Kept::of(controls));
            if let Some(case) = self.queue.pop_front() {
                self.start_case(case)?;
            }
        }
        Ok(())
    }

    fn start_case(&mut self, case: Case) -> io::Result<()> {
        send(&mut self.output, &Reply::Started(case.key.clone()))?;
        let isolation = self.isolation.for_next_case();
        match Child::start(&case, isolation, &self.start, self.lateness_log) {
            Ok(child) => self.children.push(child),
            Err(error) => self.report(Finished {
                key: case.key,
                outcome: Outcome::Broken(format!("cannot start the case's process: {error}")),
                elapsed_us: 0,
                capture: None,
            })?,
        }
        Ok(())
    }

    /// Waits for input from the host or a case, or for the next deadline. Returns whether the host's stream is
    /// readable.
    fn wait<R: AsFd>(&self, input: &R, finishing: bool) -> io::Result<bool> {
        // A file is always ready, and poll(2) need not say so: DragonFly's cd9660 has no kqueue filter.
        if !finishing && is_file(input) {
            return Ok(true);
        }
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

    /// Handles the notes of all cases, and reports the cases that have ended or reached their deadline.
    fn collect(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let mut ended = Vec::new();
        for (index, child) in self.children.iter_mut().enumerate() {
            if let Some(outcome) = child.receive() {
                ended.push((index, outcome));
            } else if now >= child.deadline {
                ended.push((index, child.timed_out()));
            }
        }
        for (index, outcome) in ended.into_iter().rev() {
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
