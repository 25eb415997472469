//! One agent's work: cases out, outcomes in, and what becomes of its cases when it dies.
//!
//! An agent that dies takes the cases it was executing with it; they are `broken`. The others get a fresh
//! agent, as long as the dead one had begun some of them: an agent that cannot begin anything is not asked
//! again.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use reusespec_core::protocol::{
    Finished, Hello, Implementation, LONGEST_LINE_BYTES, PROTOCOL, Reply, Request, Start, VIRTUAL_TIME,
};
use reusespec_core::{Case, CaseKey, Outcome};
use reusespec_platforms::{LaunchRequest, Link, PlatformTraits, Starter};

mod feeder;

use crate::run::with_causes;
pub(crate) use feeder::Feeder;

/// How long an agent may take to say hello.
const HELLO_WITHIN: Duration = Duration::from_secs(30);
/// More cases than this take a slow channel longer than a slower start does.
const MANY: usize = 100;
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
    /// Starts an agent; is called again after one has died.
    pub starter: &'s dyn Starter,
    /// How many cases may be busy at once; the agent's processors if 0.
    pub jobs: usize,
    /// What answers implementation steps.
    pub implementation: Implementation,
    /// Whether cases send back what was on their wire.
    pub capture: bool,
}

impl Session<'_> {
    /// Runs the cases. Every one of them is `Finished` exactly once when this returns.
    pub fn run(&self, cases: &[&Case], notify: &mut dyn FnMut(Progress<'_>)) {
        let mut left: Vec<&Case> = cases.to_vec();
        while !left.is_empty() {
            let before = left.len();
            let reason = self.with_fresh_agent(&mut left, notify);
            if left.len() == before || INTERRUPTED.load(Ordering::Relaxed) {
                let reason = reason.unwrap_or_else(|| "the agent did not answer".to_owned());
                for case in left.drain(..) {
                    notify(Progress::Finished(broken(&case.key, &reason)));
                }
            } else if let (Some(reason), false) = (reason, left.is_empty()) {
                let count = left.len();
                notify(Progress::Note(format!(
                    "{reason}; {count} cases go to a fresh agent"
                )));
            }
        }
    }

    fn with_fresh_agent(
        &self,
        left: &mut Vec<&Case>,
        notify: &mut dyn FnMut(Progress<'_>),
    ) -> Option<String> {
        let traits = self.starter.traits();
        let requests = if traits.batch_input {
            match self.requests(left, 1, &traits) {
                Ok(requests) => requests.concat(),
                Err(reason) => return Some(reason),
            }
        } else {
            Vec::new()
        };
        let launch = LaunchRequest {
            large_payload: left.len() > MANY,
            requests: &requests,
        };
        match self
            .starter
            .start(&launch, &mut |note| notify(Progress::Note(note)))
        {
            Ok(link) => self.with_agent(link, &traits, left, notify),
            Err(error) => Some(with_causes(&*error)),
        }
    }

    /// Works with one agent until it is done or gone. Returns why it is gone.
    fn with_agent(
        &self,
        mut link: Link,
        traits: &PlatformTraits,
        left: &mut Vec<&Case>,
        notify: &mut dyn FnMut(Progress<'_>),
    ) -> Option<String> {
        let replies = replies(std::mem::replace(&mut link.replies, Box::new(std::io::empty())));
        let hello = match self.greet(&mut link, &replies, traits, notify) {
            Ok(hello) => hello,
            Err(reason) => return Some(reason),
        };
        left.retain(|case| match lacking(&hello, case) {
            None => true,
            Some(reason) => {
                let outcome = Outcome::Unsupported(reason);
                notify(Progress::Finished(Finished {
                    key: case.key.clone(),
                    outcome,
                    elapsed_us: 0,
                    capture: None,
                }));
                false
            }
        });
        let feeder = match self.give(&mut link, &hello, traits, left) {
            Ok(feeder) => feeder,
            Err(reason) => return Some(reason),
        };
        let longest = left
            .iter()
            .map(|case| Duration::from_millis(case.budget_ms))
            .max()
            .unwrap_or_default();
        let patience = traits.reply_timeout(longest);
        let mut started = HashSet::new();
        let reason = loop {
            match next(&replies, patience) {
                Ok(Line::Reply(Reply::Started(key))) => {
                    feeder.begun();
                    started.insert(key);
                }
                Ok(Line::Reply(Reply::Finished(finished))) => {
                    started.remove(&finished.key);
                    let before = left.len();
                    // An agent that was told beforehand also answers what is known to be unsupported.
                    left.retain(|case| case.key != finished.key);
                    if left.len() < before {
                        notify(Progress::Finished(finished));
                    }
                }
                Ok(Line::Reply(Reply::Done { .. })) if left.is_empty() => return None,
                Ok(Line::Reply(Reply::Done { count })) => {
                    break format!(
                        "the agent was done after {count} cases, {} are missing",
                        left.len()
                    );
                }
                Ok(Line::Reply(Reply::Hello(_))) => break "the agent has started anew".to_owned(),
                Ok(Line::Reply(Reply::Output { .. } | Reply::Ended(_))) => {
                    break "the agent speaks of a program".to_owned();
                }
                Ok(Line::Garbage(line)) => notify(Progress::Note(format!("not from the agent: {line:.120}"))),
                Err(reason) => break reason,
            }
        };
        let reason = format!("{reason}; {}", link.handle.diagnostics().trim_end());
        left.retain(|case| {
            let lost = started.contains(&case.key);
            if lost {
                notify(Progress::Finished(broken(&case.key, &reason)));
            }
            !lost
        });
        Some(reason)
    }

    fn greet(
        &self,
        link: &mut Link,
        replies: &Receiver<Line>,
        traits: &PlatformTraits,
        notify: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Hello, String> {
        loop {
            match next(replies, hello_within(traits)) {
                Ok(Line::Reply(Reply::Hello(hello))) if hello.protocol == PROTOCOL => {
                    let hello = as_promised(hello, traits)?;
                    notify(Progress::Hello(&hello));
                    return Ok(hello);
                }
                Ok(Line::Reply(Reply::Hello(hello))) => {
                    let theirs = hello.protocol;
                    return Err(format!(
                        "the agent speaks protocol {theirs}, this program {PROTOCOL}: build both anew"
                    ));
                }
                Ok(Line::Reply(_)) => return Err("the agent's first line is not a hello".to_owned()),
                Ok(Line::Garbage(line)) => notify(Progress::Note(format!("not from the agent: {line:.120}"))),
                Err(reason) => {
                    return Err(format!(
                        "no hello: {reason}; {}",
                        link.handle.diagnostics().trim_end()
                    ));
                }
            }
        }
    }

    fn give(
        &self,
        link: &mut Link,
        hello: &Hello,
        traits: &PlatformTraits,
        cases: &[&Case],
    ) -> Result<Feeder, String> {
        let lines = if traits.batch_input {
            Vec::new()
        } else {
            self.requests(cases, hello.processors, traits)?
        };
        Ok(Feeder::start(link, lines, traits.max_outstanding))
    }

    /// Everything an agent is told, a line a request.
    fn requests(
        &self,
        cases: &[&Case],
        processors: usize,
        traits: &PlatformTraits,
    ) -> Result<Vec<Vec<u8>>, String> {
        let start = Start {
            protocol: PROTOCOL,
            jobs: if self.jobs == 0 { processors } else { self.jobs },
            implementation: self.implementation.clone(),
            capture: self.capture,
            virtual_time: traits.batch_input,
        };
        let stretched = |case: &&Case| {
            let mut case = (*case).clone();
            case.budget_ms *= u64::from(traits.slower);
            Request::Run(case)
        };
        let requests = std::iter::once(Request::Start(start))
            .chain(cases.iter().map(stretched))
            .chain([Request::Finish]);
        let line = |request: Request| {
            let mut line = serde_json::to_vec(&request).map_err(|error| error.to_string())?;
            line.push(b'\n');
            Ok(line)
        };
        requests.map(line).collect()
    }
}

/// Who is told beforehand boots first, on an emulated CPU; any other guest is handed over when it has booted.
pub(crate) fn hello_within(traits: &PlatformTraits) -> Duration {
    const BOOTS_TOO: u32 = 10;
    if traits.batch_input {
        HELLO_WITHIN * BOOTS_TOO
    } else {
        HELLO_WITHIN * traits.slower
    }
}

/// The hello of an agent whose platform has kept its promises, with what only the platform can know.
fn as_promised(mut hello: Hello, traits: &PlatformTraits) -> Result<Hello, String> {
    if traits.batch_input {
        for capability in &mut hello.capabilities {
            if capability.name == VIRTUAL_TIME {
                capability.missing = None;
            }
        }
    }
    let lost = traits
        .capabilities
        .iter()
        .find_map(|name| hello.lacks(name).map(|reason| format!("{name}: {reason}")));
    match lost {
        Some(lost) => Err(format!(
            "the platform promises what its agent does not find: {lost}"
        )),
        None => Ok(hello),
    }
}

/// Why the platform cannot execute a case, if it cannot.
fn lacking(hello: &Hello, case: &Case) -> Option<String> {
    case.requires
        .iter()
        .find_map(|name| hello.lacks(name).map(|reason| format!("{name}: {reason}")))
}

/// A case that nothing was found out about.
pub(crate) fn broken(key: &CaseKey, reason: &str) -> Finished {
    Finished {
        key: key.clone(),
        outcome: Outcome::Broken(reason.to_owned()),
        elapsed_us: 0,
        capture: None,
    }
}

/// A line of an agent's stream.
pub(crate) enum Line {
    /// The agent's.
    Reply(Reply),
    /// Somebody else's.
    Garbage(String),
}

/// Reads lines in a thread, so that waiting for one can have an end.
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

/// The next line, or why there is none.
pub(crate) fn next(replies: &Receiver<Line>, within: Duration) -> Result<Line, String> {
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
    pub fn ask(&self, notify: &mut dyn FnMut(Progress<'_>)) -> Option<String> {
        self.with_fresh_agent(&mut Vec::new(), notify)
    }
}
