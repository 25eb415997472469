//! One agent's work: cases out, outcomes in, and what becomes of its cases when it dies.
//!
//! An agent that dies takes the cases it was executing with it; they are `broken`. The others get a fresh
//! agent, as long as the dead one had begun some of them: an agent that cannot begin anything is not asked
//! again.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use reusespec_core::protocol::{
    Finished, Hello, Implementation, LONGEST_LINE_BYTES, PROTOCOL, Reply, Request, Start,
};
use reusespec_core::{Case, CaseKey, Outcome};
use reusespec_platforms::Link;

/// How long an agent may take to say hello.
const HELLO_WITHIN: Duration = Duration::from_secs(30);
/// How much longer than the longest budget an agent may be silent.
const SILENCE: Duration = Duration::from_secs(10);
/// How often an interruption is looked for.
const TICK: Duration = Duration::from_millis(100);

/// Set by Ctrl-C: sessions end, and what they had is reported.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What a session tells while it goes on.
#[derive(Debug)]
pub enum Progress<'p> {
    /// An agent has said hello.
    Hello(&'p Hello),
    /// A case has an outcome.
    Finished(Finished),
    /// Something went wrong that is no case's outcome.
    Note(String),
}

/// How to work.
pub struct Session<'s> {
    /// Starts an agent; may be called again after one has died.
    pub start: &'s dyn Fn() -> Result<Link, String>,
    /// How many cases may be busy at once; the agent's processors if 0.
    pub jobs: usize,
    /// What answers implementation steps.
    pub implementation: Implementation,
}

impl Session<'_> {
    /// Runs the cases. Every one of them is `Finished` exactly once when this returns.
    pub fn run(&self, cases: &[&Case], tell: &mut dyn FnMut(Progress<'_>)) {
        let mut left: Vec<&Case> = cases.to_vec();
        while !left.is_empty() {
            let before = left.len();
            let because = match (self.start)() {
                Ok(link) => self.with_agent(link, &mut left, tell),
                Err(because) => Some(because),
            };
            if left.len() == before || INTERRUPTED.load(Ordering::Relaxed) {
                let because = because.unwrap_or_else(|| "the agent did not answer".to_owned());
                for case in left.drain(..) {
                    tell(Progress::Finished(broken(&case.key, &because)));
                }
            } else if let (Some(because), false) = (because, left.is_empty()) {
                let count = left.len();
                tell(Progress::Note(format!(
                    "{because}; {count} cases go to a fresh agent"
                )));
            }
        }
    }

    /// Works with one agent until it is done or gone. Returns why it is gone.
    fn with_agent(
        &self,
        mut link: Link,
        left: &mut Vec<&Case>,
        tell: &mut dyn FnMut(Progress<'_>),
    ) -> Option<String> {
        let replies = replies(std::mem::replace(&mut link.replies, Box::new(std::io::empty())));
        let hello = match self.greet(&mut link, &replies, tell) {
            Ok(hello) => hello,
            Err(because) => return Some(because),
        };
        left.retain(|case| match lacking(&hello, case) {
            None => true,
            Some(because) => {
                let outcome = Outcome::Unsupported(because);
                tell(Progress::Finished(Finished {
                    key: case.key.clone(),
                    outcome,
                    elapsed_us: 0,
                }));
                false
            }
        });
        let _open = match self.give(&mut link, &hello, left) {
            Ok(open) => open,
            Err(because) => return Some(because),
        };
        let longest = left
            .iter()
            .map(|case| Duration::from_millis(case.budget_ms))
            .max()
            .unwrap_or_default();
        let mut started = HashSet::new();
        let because = loop {
            match next(&replies, longest + SILENCE) {
                Ok(Line::Reply(Reply::Started(key))) => {
                    started.insert(key);
                }
                Ok(Line::Reply(Reply::Finished(finished))) => {
                    started.remove(&finished.key);
                    left.retain(|case| case.key != finished.key);
                    tell(Progress::Finished(finished));
                }
                Ok(Line::Reply(Reply::Done { .. })) if left.is_empty() => return None,
                Ok(Line::Reply(Reply::Done { count })) => {
                    break format!(
                        "the agent was done after {count} cases, {} are missing",
                        left.len()
                    );
                }
                Ok(Line::Reply(Reply::Hello(_))) => break "the agent has started anew".to_owned(),
                Ok(Line::Garbage(line)) => tell(Progress::Note(format!("not from the agent: {line:.120}"))),
                Err(because) => break because,
            }
        };
        let because = format!("{because}; {}", link.keeper.last_words().trim_end());
        left.retain(|case| {
            let lost = started.contains(&case.key);
            if lost {
                tell(Progress::Finished(broken(&case.key, &because)));
            }
            !lost
        });
        Some(because)
    }

    fn greet(
        &self,
        link: &mut Link,
        replies: &Receiver<Line>,
        tell: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Hello, String> {
        loop {
            match next(replies, HELLO_WITHIN) {
                Ok(Line::Reply(Reply::Hello(hello))) if hello.protocol == PROTOCOL => {
                    tell(Progress::Hello(&hello));
                    return Ok(hello);
                }
                Ok(Line::Reply(Reply::Hello(hello))) => {
                    let theirs = hello.protocol;
                    return Err(format!(
                        "the agent speaks protocol {theirs}, this program {PROTOCOL}: build both anew"
                    ));
                }
                Ok(Line::Reply(_)) => return Err("the agent's first line is not a hello".to_owned()),
                Ok(Line::Garbage(line)) => tell(Progress::Note(format!("not from the agent: {line:.120}"))),
                Err(because) => {
                    return Err(format!(
                        "no hello: {because}; {}",
                        link.keeper.last_words().trim_end()
                    ));
                }
            }
        }
    }

    /// Writes all cases from a thread of its own: neither side can then block the other. The stream comes back
    /// through the receiver and must be kept, because its end would mean that the host is gone.
    fn give(&self, link: &mut Link, hello: &Hello, cases: &[&Case]) -> Result<Receiver<Requests>, String> {
        let jobs = if self.jobs == 0 {
            hello.processors
        } else {
            self.jobs
        };
        let start = Start {
            protocol: PROTOCOL,
            jobs,
            implementation: self.implementation.clone(),
        };
        let requests = std::iter::once(Request::Start(start))
            .chain(cases.iter().map(|case| Request::Run((*case).clone())))
            .chain([Request::Finish]);
        let mut text = String::new();
        for request in requests {
            let line = serde_json::to_string(&request).map_err(|error| error.to_string())?;
            text.push_str(&line);
            text.push('\n');
        }
        let mut stream = std::mem::replace(&mut link.requests, Box::new(std::io::sink()));
        let (written, whole) = channel();
        std::thread::spawn(move || {
            // An agent that is gone cannot be written to; that it is gone is heard on the other stream.
            let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
            let _ = written.send(stream);
        });
        Ok(whole)
    }
}

/// Why the platform cannot execute a case, if it cannot.
fn lacking(hello: &Hello, case: &Case) -> Option<String> {
    case.requires
        .iter()
        .find_map(|name| hello.lacks(name).map(|because| format!("{name}: {because}")))
}

fn broken(key: &CaseKey, because: &str) -> Finished {
    Finished {
        key: key.clone(),
        outcome: Outcome::Broken(because.to_owned()),
        elapsed_us: 0,
    }
}

type Requests = Box<dyn Write + Send>;

enum Line {
    Reply(Reply),
    Garbage(String),
}

/// Reads lines in a thread, so that waiting for one can have an end.
fn replies(stream: Box<dyn Read + Send>) -> Receiver<Line> {
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

fn next(replies: &Receiver<Line>, within: Duration) -> Result<Line, String> {
    let deadline = Instant::now() + within;
    loop {
        match replies.recv_timeout(TICK.min(deadline.saturating_duration_since(Instant::now()))) {
            Ok(line) => return Ok(line),
            Err(RecvTimeoutError::Disconnected) => return Err("the agent is gone".to_owned()),
            Err(RecvTimeoutError::Timeout) if INTERRUPTED.load(Ordering::Relaxed) => {
                return Err("interrupted".to_owned());
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                return Err(format!("the agent was silent for {} s", within.as_secs()));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

impl Session<'_> {
    /// Lets an agent say hello and sends it away again. Returns why it did not.
    pub fn ask(&self, tell: &mut dyn FnMut(Progress<'_>)) -> Option<String> {
        match (self.start)() {
            Ok(link) => self.with_agent(link, &mut Vec::new(), tell),
            Err(because) => Some(because),
        }
    }
}
