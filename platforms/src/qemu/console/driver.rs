//! Decides what to type at a console, from the console's output and its times: a state machine without a stream or a
//! clock.
//!
//! A prompt is recognised only if nothing follows it for a while, because messages also contain "login:" and "# ". The
//! name is typed only after a delay: login(1) resets the terminal after its prompt, and discards what was typed before.
//! If the name is lost anyway, there is no echo, or the prompt appears again; then the name is typed again, up to a
//! limit. After the echo it is not typed again, because a shell would execute it as a command.
//!
//! There is no overall timeout here; the caller has one. This code only detects that waiting is in vain: the kernel
//! panics or finds no root, the loader finds no kernel, root has a password, or the shell rejects the line.

use std::time::Duration;

/// The action to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Wait,
    Type(String),
    /// The login has failed for this reason. Nothing more will be typed.
    Failed(String),
}

/// The delay between `login:` and the name.
const LOGIN_DELAY: Duration = Duration::from_millis(800);
/// The delay between the shell's prompt and the line.
const PROMPT_DELAY: Duration = Duration::from_millis(300);
/// The timeout for the echo of the name, after which the name counts as lost.
const ECHO_TIMEOUT: Duration = Duration::from_secs(10);
/// How many times the name is typed at most.
const MAX_ATTEMPTS: u32 = 5;
/// The number of bytes kept of the output: more than the longest line.
const BUFFER_SIZE: usize = 4096;

/// Text that appears only when the system has failed, and its meaning.
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
    /// Before `login:`.
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
    /// The end of the output since the last text was typed.
    seen: Vec<u8>,
    /// The time of the last output.
    last: Duration,
}

impl Driver {
    /// A driver that types `line` at root's shell.
    pub(super) fn new(line: &str) -> Self {
        Self {
            line: line.to_owned(),
            state: State::Booting,
            attempts: 0,
            seen: Vec::new(),
            last: Duration::ZERO,
        }
    }

    /// Processes output, which may be empty. `now` is the time since the start.
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

    /// Whether there is more output than a prompt.
    fn echoed(&self, text: &str) -> bool {
        text.len() > "login:".len() + 1
    }

    fn type_name(&mut self, now: Duration) -> Step {
        if self.attempts == MAX_ATTEMPTS {
            return self.fail(format!(
                "the console did not echo root's name, typed {MAX_ATTEMPTS} times"
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
