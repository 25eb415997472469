//! What to type at a console, from what it showed and when: a state machine without a stream or a clock.
//!
//! A prompt counts only when nothing follows it for a while, since both "login:" and "# " also stand in messages. Before
//! root's name is typed there is a pause: login(1) resets the terminal after its prompt, and what was typed before is gone.
//! If it was gone all the same, nothing happens, or the prompt comes again: then the name is typed again, a few times. Once
//! it has been echoed there is only waiting: typed again, it would be a shell's first command.
//!
//! How long all of it may take is not known here. Whoever waits for the agent has a limit; this only says when waiting is
//! in vain: a kernel that panics or finds no root, a loader that finds no kernel, a password, a line that a shell refuses.

use std::time::Duration;

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Wait,
    Type(String),
    /// Nothing more will be typed.
    Failed(String),
}

/// After `login:`, before the name.
const LOGIN_DELAY: Duration = Duration::from_millis(800);
/// After a shell's prompt, before the line.
const PROMPT_DELAY: Duration = Duration::from_millis(300);
/// After the name, before it is taken for lost.
const ECHO_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the name is typed.
const MAX_ATTEMPTS: u32 = 5;
/// What is kept of what was read: more than any line.
const BUFFER_SIZE: usize = 4096;

/// What only a system in failure shows, and what that means.
const FAILURES: [(&str, &str); 8] = [
    ("panic: ", "the kernel panicked"),
    ("mountroot>", "the kernel found no root file system"),
    ("can't load 'kernel'", "the loader found no kernel"),
    (
        "Enter full pathname of shell",
        "the system came up in single-user mode",
    ),
    ("Password:", "root has a password"),
    ("Login incorrect", "root may not log in"),
    ("tar: Error", "the agent could not be unpacked"),
    ("/tmp/a: ", "the agent could not be started"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Until `login:`.
    Booting,
    /// The name has been typed.
    NameTyped {
        at: Duration,
    },
    /// The line has been typed.
    LineTyped,
    Failed,
}

#[derive(Debug)]
pub(super) struct Driver {
    line: String,
    state: State,
    attempts: u32,
    /// The end of what was read, since something was typed.
    seen: Vec<u8>,
    /// When something was read.
    last: Duration,
}

impl Driver {
    /// One that will type `line` at root's shell.
    pub(super) fn new(line: &str) -> Self {
        Self {
            line: line.to_owned(),
            state: State::Booting,
            attempts: 0,
            seen: Vec::new(),
            last: Duration::ZERO,
        }
    }

    /// Takes in what was read, perhaps nothing, at a time since the start that never goes back.
    pub(super) fn step(&mut self, now: Duration, received: &[u8]) -> Step {
        if !received.is_empty() {
            self.last = now;
            self.seen.extend(received);
            let surplus = self.seen.len().saturating_sub(BUFFER_SIZE);
            self.seen.drain(..surplus);
        }
        if self.state == State::Failed {
            return Step::Wait;
        }
        let text = String::from_utf8_lossy(&self.seen).into_owned();
        if let Some((_, what)) = FAILURES.iter().find(|(sign, _)| text.contains(sign)) {
            return self.fail((*what).to_owned());
        }
        let quiet = now.saturating_sub(self.last);
        let shown = text.trim_end_matches(' ');
        let login = shown.ends_with("login:");
        match self.state {
            State::Booting if login && quiet >= LOGIN_DELAY => self.type_name(now),
            State::NameTyped { .. } if login && self.echoed(&text) && quiet >= LOGIN_DELAY => {
                self.type_name(now)
            }
            State::NameTyped { .. } if shown.ends_with('#') && quiet >= PROMPT_DELAY => {
                self.state = State::LineTyped;
                self.seen.clear();
                Step::Type(format!("{}\n", self.line))
            }
            State::NameTyped { at } if self.seen.is_empty() && now.saturating_sub(at) >= ECHO_TIMEOUT => {
                self.type_name(now)
            }
            _ => Step::Wait,
        }
    }

    /// Whether more has come than the prompt that was there before.
    fn echoed(&self, text: &str) -> bool {
        text.len() > "login:".len() + 1
    }

    fn type_name(&mut self, now: Duration) -> Step {
        if self.attempts == MAX_ATTEMPTS {
            return self.fail(format!(
                "nobody answered to root's name, typed {MAX_ATTEMPTS} times"
            ));
        }
        self.attempts += 1;
        self.state = State::NameTyped { at: now };
        self.seen.clear();
        Step::Type("root\n".to_owned())
    }

    fn fail(&mut self, what: String) -> Step {
        self.state = State::Failed;
        Step::Failed(what)
    }
}

#[cfg(test)]
mod tests;
