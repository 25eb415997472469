//! The console of a machine that a `[boot.command]` starts: a file whose last lines are part of a report.
//!
//! ```toml
//! [boot.command]
//! program = ["qemu-system-x86_64", "-serial", "file:{console}", "…"]
//! ```
//! The word `{console}` stands for the path of a new file. A guest whose kernel panics often neither ends nor says
//! anything on its channel, so its console is the only account of the failure. Standard error is in reports too, but not
//! every emulator can write a serial port to it, and it has no line of a prompt that is still open.

use std::io;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::link::{AgentHandle, Link};
use crate::qemu::log_tail;

/// The word that stands for the path.
const CONSOLE: &str = "{console}";
/// How many lines of the console a report has.
const LINES: usize = 20;

/// The console of one machine. Its file exists until this is dropped.
pub(super) struct Console {
    file: PathBuf,
    _folder: TempDir,
}

impl Console {
    /// The console that the command's words name, and the words with its path. `None` if they name none.
    ///
    /// # Errors
    /// When no temporary folder can be made.
    pub(super) fn of(words: &[String]) -> io::Result<(Option<Self>, Vec<String>)> {
        if !words.iter().any(|word| word.contains(CONSOLE)) {
            return Ok((None, words.to_vec()));
        }
        let folder = TempDir::new()?;
        let file = folder.path().join("console");
        std::fs::write(&file, "")?;
        let path = file.to_string_lossy();
        let words = words.iter().map(|word| word.replace(CONSOLE, &path)).collect();
        let console = Self {
            file: file.clone(),
            _folder: folder,
        };
        Ok((Some(console), words))
    }

    /// The same link, whose diagnostics end with this console.
    pub(super) fn attach(self, link: Link) -> Link {
        let handle = WithConsole {
            handle: link.handle,
            console: self,
        };
        Link {
            handle: Box::new(handle),
            ..link
        }
    }
}

/// The fields are dropped in this order: the file is removed after the machine has been killed.
struct WithConsole {
    handle: Box<dyn AgentHandle>,
    console: Console,
}

impl AgentHandle for WithConsole {
    fn diagnostics(&mut self) -> String {
        let diagnostics = self.handle.diagnostics();
        match log_tail(&self.console.file, LINES) {
            console if console.is_empty() => format!("{diagnostics}\nthe console is empty"),
            console => format!("{diagnostics}\nthe console ends with:\n{console}"),
        }
    }
}
