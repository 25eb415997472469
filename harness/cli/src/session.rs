//! A session: sends cases to an agent and receives their outcomes.
//!
//! When an agent ends too early, the cases it was executing are `broken`, and a new agent gets the others. If an agent
//! finishes no case at all, the session does not start another one, and all cases are `broken`.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use reusespec_channel::relay;
use reusespec_core::protocol::{
    Finished, Hello, Implementation, LONGEST_LINE_BYTES, PROTOCOL, Reply, Request, Start, VIRTUAL_TIME,
};
use reusespec_core::{Case, CaseKey, Outcome};
use reusespec_platforms::{LaunchRequest, Link, PlatformTraits, Starter};

mod feeder;

use crate::implementations::GUEST_PROGRAM;
use crate::run::with_causes;
pub(crate) use feeder::Feeder;

/// Timeout for an agent's hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(30);
/// With more cases than this, a slow channel costs more time than a slower start of the guest.
const LARGE_PAYLOAD_CASES: usize = 100;
/// The bytes of a program in one request.
const PROGRAM_PIECE: usize = 64 << 10;
/// How often a waiting session checks for an interruption.
const TICK: Duration = Duration::from_millis(100);

/// Set by the SIGINT handler. Every session then stops, and the run reports the results collected so far.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// An event of a session.
#[derive(Debug)]
pub enum Progress<'p> {
    /// An agent has sent its hello.
    Hello(&'p Hello),
    /// A case has an outcome.
    Finished(Finished),
    /// A message that belongs to no case.
    Note(String),
}

/// The settings of a session.
pub struct Session<'s> {
    /// Starts an agent; also a new one after an agent has ended too early.
    pub starter: &'s dyn Starter,
    /// The number of cases that may use a processor at once; the agent's number of processors if 0.
    pub jobs: usize,
    /// The implementation under test.
    pub implementation: Implementation,
    /// The program under test, which the agent of a guest must receive; else empty.
    pub program: &'s [u8],
    /// Whether cases send a recording of their wire.
    pub capture: bool,
}

/// An agent could not be started, or ended before it had finished its cases.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The platform cannot start an agent.
    #[error("{0}")]
    NotStarted(String),
    /// The agent's hello did not arrive.
    #[error("no hello from the agent: {reason}; {diagnostics}")]
    NoHello {
        /// What happened instead.
        reason: String,
        /// What the agent's process and console printed last.
        diagnostics: String,
    },
    /// The agent sent another line than a hello first.
    #[error("the agent's first line is not a hello")]
    NotAHello,
    /// The agent was built from another version.
    #[error("the agent speaks protocol {0}, this program {PROTOCOL}; rebuild both")]
    Protocol(u32),
    /// The profile of the platform lists a capability that its agent does not find.
    #[error("the agent lacks a capability that the platform's profile lists: {0}")]
    MissingCapability(String),
    /// The agent ended, or its lines make no sense.
    #[error("{reason}; {diagnostics}")]
    Ended {
        /// What happened.
        reason: String,
        /// What the agent's process and console printed last.
        diagnostics: String,
    },
    /// A request cannot be written as JSON.
    #[error("cannot write a request")]
    Request(#[from] serde_json::Error),
}

impl Session<'_> {
    /// Runs the cases. When this returns, every case has been reported as `Finished` exactly once.
    pub fn run(&self, cases: &[&Case], notify: &mut dyn FnMut(Progress<'_>)) {
        let mut remaining: Vec<&Case> = cases.to_vec();
        while !remaining.is_empty() {
            let before = remaining.len();
            let result = self.run_agent(&mut remaining, notify);
            if remaining.len() == before || INTERRUPTED.load(Ordering::Relaxed) {
                let reason = result.map_or_else(
                    |error| with_causes(&error),
                    |()| "the agent reported no outcome".to_owned(),
                );
                for case in remaining.drain(..) {
                    notify(Progress::Finished(broken(&case.key, &reason)));
                }
            } else if let (Err(error), false) = (result, remaining.is_empty()) {
                notify(Progress::Note(format!(
                    "{}; restarting it for the remaining {} cases",
                    with_causes(&error),
                    remaining.len()
                )));
            }
        }
    }

    /// Starts an agent and returns its hello.
    ///
    /// # Errors
    /// When the agent does not start.
    pub fn hello(&self, notify: &mut dyn FnMut(Progress<'_>)) -> Result<Hello, SessionError> {
        let mut hello = None;
        let result = self.run_agent(&mut Vec::new(), &mut |progress| {
            if let Progress::Hello(received) = &progress {
                hello = Some((*received).clone());
            }
            notify(progress);
        });
        match hello {
            Some(hello) => Ok(hello),
            None => Err(result.err().unwrap_or(SessionError::NotAHello)),
        }
    }

    /// Starts an agent and removes from `remaining` the cases that it finishes or that end with it.
    fn run_agent(
        &self,
        remaining: &mut Vec<&Case>,
        notify: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), SessionError> {
        let traits = self.starter.traits();
        let requests = if traits.batch_input {
            [self.preamble(1, &traits)?, self.cases(remaining, &traits)?].concat()
        } else if self.sends_program_first(&traits) {
            self.preamble(1, &traits)?
        } else {
            Vec::new()
        };
        let launch = LaunchRequest {
            large_payload: remaining.len() > LARGE_PAYLOAD_CASES || !self.program.is_empty(),
            requests: &requests.concat(),
        };
        let link = self
            .starter
            .start(&launch, &mut |note| notify(Progress::Note(note)))
            .map_err(|error| SessionError::NotStarted(with_causes(&*error)))?;
        self.converse(link, &traits, remaining, notify)
    }

    fn converse(
        &self,
        mut link: Link,
        traits: &PlatformTraits,
        remaining: &mut Vec<&Case>,
        notify: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), SessionError> {
        let replies = replies(std::mem::replace(&mut link.replies, Box::new(std::io::empty())));
        let hello = receive_hello(&mut link, &replies, traits, notify)?;
        remaining.retain(|case| match lacking(&hello, case) {
            None => true,
            Some(reason) => {
                notify(Progress::Finished(Finished {
                    outcome: Outcome::Unsupported(reason),
                    ..broken(&case.key, "")
                }));
                false
            }
        });
        let lines = if traits.batch_input {
            Vec::new()
        } else if self.sends_program_first(traits) {
            self.cases(remaining, traits)?
        } else {
            let preamble = self.preamble(hello.processors, traits)?;
            [preamble, self.cases(remaining, traits)?].concat()
        };
        let _feeder = Feeder::start(&mut link, lines);
        let longest = remaining
            .iter()
            .map(|case| Duration::from_millis(case.budget_ms))
            .max()
            .unwrap_or_default();
        let timeout = traits.reply_timeout(longest);
        let mut started = HashSet::new();
        let reason = loop {
            let reply = match next(&replies, timeout) {
                Ok(Line::Reply(reply)) => reply,
                Ok(Line::Garbage(line)) => {
                    notify(foreign(&line));
                    continue;
                }
                Err(reason) => break reason,
            };
            match reply {
                Reply::Started(key) => {
                    started.insert(key);
                }
                Reply::Finished(finished) => {
                    started.remove(&finished.key);
                    let before = remaining.len();
                    // With batch input the agent also executes the cases that are already reported as unsupported.
                    remaining.retain(|case| case.key != finished.key);
                    if remaining.len() < before {
                        notify(Progress::Finished(finished));
                    }
                }
                Reply::Done { .. } if remaining.is_empty() => return Ok(()),
                Reply::Done { count } => {
                    break format!(
                        "the agent was done after {count} cases, {} are missing",
                        remaining.len()
                    );
                }
                Reply::Hello(_) => break "the agent sent a second hello".to_owned(),
                Reply::Output { .. } | Reply::Ended(_) => {
                    break "the agent sent the output of a program instead of outcomes".to_owned();
                }
            }
        };
        let error = SessionError::Ended {
            reason,
            diagnostics: link.handle.diagnostics().trim_end().to_owned(),
        };
        remaining.retain(|case| {
            let lost = started.contains(&case.key);
            if lost {
                notify(Progress::Finished(broken(&case.key, &error.to_string())));
            }
            !lost
        });
        Err(error)
    }

    /// Whether the program is given to the platform before the agent starts.
    fn sends_program_first(&self, traits: &PlatformTraits) -> bool {
        traits.batch_files && !self.program.is_empty()
    }

    /// The requests before the first case, one line each.
    fn preamble(&self, processors: usize, traits: &PlatformTraits) -> Result<Vec<Vec<u8>>, SessionError> {
        let start = Request::Start(Start {
            protocol: PROTOCOL,
            jobs: if self.jobs == 0 { processors } else { self.jobs },
            implementation: self.implementation.clone(),
            capture: self.capture,
            virtual_time: traits.batch_input,
        });
        let pieces = self.program.chunks(PROGRAM_PIECE).map(|piece| Request::Program {
            path: GUEST_PROGRAM.to_owned(),
            hexadecimal: HEXLOWER.encode(piece),
        });
        std::iter::once(start).chain(pieces).map(line).collect()
    }

    /// The requests for the cases and the end of them, one line each.
    fn cases(&self, cases: &[&Case], traits: &PlatformTraits) -> Result<Vec<Vec<u8>>, SessionError> {
        let stretched = |case: &&Case| {
            let mut case = (*case).clone();
            case.budget_ms *= u64::from(traits.slower);
            Request::Run(case)
        };
        let requests = cases.iter().map(stretched).chain([Request::Finish]);
        requests.map(line).collect()
    }
}

/// A request as a line.
fn line(request: Request) -> Result<Vec<u8>, SessionError> {
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    Ok(line)
}

/// The timeout for an agent's hello. With batch input it includes the boot on an emulated CPU; any other guest has
/// booted when its starter returns.
pub(crate) fn hello_timeout(traits: &PlatformTraits) -> Duration {
    const WITH_BOOT: u32 = 10;
    match traits.batch_input {
        true => HELLO_TIMEOUT * WITH_BOOT,
        false => HELLO_TIMEOUT * traits.slower,
    }
}

fn receive_hello(
    link: &mut Link,
    replies: &Receiver<Line>,
    traits: &PlatformTraits,
    notify: &mut dyn FnMut(Progress<'_>),
) -> Result<Hello, SessionError> {
    loop {
        match next(replies, hello_timeout(traits)) {
            Ok(Line::Reply(Reply::Hello(hello))) if hello.protocol == PROTOCOL => {
                let hello = with_capabilities(hello, traits)?;
                notify(Progress::Hello(&hello));
                return Ok(hello);
            }
            Ok(Line::Reply(Reply::Hello(hello))) => return Err(SessionError::Protocol(hello.protocol)),
            Ok(Line::Reply(_)) => return Err(SessionError::NotAHello),
            Ok(Line::Garbage(line)) => notify(foreign(&line)),
            Err(reason) => {
                return Err(SessionError::NoHello {
                    reason,
                    diagnostics: link.handle.diagnostics().trim_end().to_owned(),
                });
            }
        }
    }
}

fn foreign(line: &str) -> Progress<'static> {
    if line.starts_with(relay::NOTE) {
        return Progress::Note(line.to_owned());
    }
    Progress::Note(format!("this line is not from the agent: {line:.120}"))
}

/// Adds virtual time, which only the platform can know, to the agent's capabilities, and checks that the agent has the
/// capabilities of the platform's profile.
fn with_capabilities(mut hello: Hello, traits: &PlatformTraits) -> Result<Hello, SessionError> {
    let virtual_time = hello.capabilities.iter_mut();
    for capability in virtual_time.filter(|each| traits.batch_input && each.name == VIRTUAL_TIME) {
        capability.missing = None;
    }
    let missing = traits
        .capabilities
        .iter()
        .find_map(|name| hello.lacks(name).map(|reason| format!("{name}: {reason}")));
    missing.map_or(Ok(hello), |missing| Err(SessionError::MissingCapability(missing)))
}

/// The first required capability of a case that the agent lacks, and why.
fn lacking(hello: &Hello, case: &Case) -> Option<String> {
    case.requires
        .iter()
        .find_map(|name| hello.lacks(name).map(|reason| format!("{name}: {reason}")))
}

/// The result of a case that could not be executed to its end.
pub(crate) fn broken(key: &CaseKey, reason: &str) -> Finished {
    Finished {
        key: key.clone(),
        outcome: Outcome::Broken(reason.to_owned()),
        elapsed_us: 0,
        capture: None,
    }
}

/// A line of the stream from the agent.
pub(crate) enum Line {
    /// A reply of the agent.
    Reply(Reply),
    /// Any other line, for example of the guest's kernel.
    Garbage(String),
}

/// Reads lines in a thread, so that waiting for a line can have a timeout.
pub(crate) fn replies(stream: Box<dyn Read + Send>) -> Receiver<Line> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        loop {
            let mut bytes = Vec::new();
            let limit = LONGEST_LINE_BYTES as u64;
            match stream.by_ref().take(limit).read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&bytes).trim().to_owned();
            if text.is_empty() {
                continue;
            }
            let line = serde_json::from_str(&text).map_or(Line::Garbage(text), Line::Reply);
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The next line, or the reason why none arrived before the timeout.
pub(crate) fn next(replies: &Receiver<Line>, timeout: Duration) -> Result<Line, String> {
    let deadline = Instant::now() + timeout;
    loop {
        match replies.recv_timeout(TICK.min(deadline.saturating_duration_since(Instant::now()))) {
            Ok(line) => return Ok(line),
            Err(RecvTimeoutError::Disconnected) => return Err("the agent ended".to_owned()),
            Err(RecvTimeoutError::Timeout) if INTERRUPTED.load(Ordering::Relaxed) => {
                return Err("interrupted".to_owned());
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                return Err(format!("the agent sent nothing for {} s", timeout.as_secs()));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}
