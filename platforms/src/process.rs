//! Starts every child process of this crate. A child is killed when its guard is dropped, and by the kernel when this
//! process dies for any reason.
//!
//! Linux kills a child when the *thread* that started it ends (prctl(2), `PR_SET_PDEATHSIG`). So one thread, which
//! lives as long as this process, starts all children: a guest survives the worker thread that booted it, but not the
//! run. On other systems only the guard kills a child.
//!
//! A test in this file keeps the rest of the crate from starting processes itself.

use std::{
    io::{self, BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{LazyLock, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

type Job = (Command, mpsc::SyncSender<io::Result<Child>>);

static STARTER: LazyLock<Mutex<mpsc::Sender<Job>>> = LazyLock::new(|| {
    let (sender, jobs) = mpsc::channel::<Job>();
    thread::Builder::new()
        .name("starter".into())
        .spawn(move || {
            for (mut command, answer) in jobs {
                // Sending fails only if the requesting thread has panicked. The child is then killed here.
                let _ = answer.send(command.spawn()).map_err(|unsent| {
                    if let Ok(mut child) = unsent.0 {
                        let _ = child.kill();
                        let _ = child.wait();
                    }
                });
            }
        })
        .expect("a process can start one thread");
    Mutex::new(sender)
});

/// A child process that is killed and reaped when this guard is dropped.
#[derive(Debug)]
pub struct ChildGuard(Child);

impl ChildGuard {
    /// Starts `command`, with the standard streams that it specifies.
    ///
    /// # Errors
    /// When the program is missing or cannot be executed.
    pub fn start(mut command: Command) -> io::Result<Self> {
        die_with_parent(&mut command);
        let (answer, started) = mpsc::sync_channel(1);
        STARTER
            .lock()
            .expect("sending does not panic")
            .send((command, answer))
            .expect("the starter never ends");
        started.recv().expect("the starter answers every job").map(Self)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// The child, for its streams.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Waits at most `timeout` for the child to exit. Returns `None` if it still runs.
    pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            // No portable call waits for a child with a timeout. An exit takes longer than 2 ms.
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills the child and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a command wrote, and how it exited.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `command` without input until it exits.
pub(crate) fn output(command: Command) -> io::Result<Output> {
    let mut stdout = String::new();
    let (status, stderr) = run(command, &mut |line| {
        stdout += line;
        stdout.push('\n');
    })?;
    Ok(Output {
        status,
        stdout,
        stderr,
    })
}

/// Runs `command` without input until it exits, and passes each line of its standard output to `on_line` as it comes.
/// Returns the exit status and what was written to standard error.
pub(crate) fn run(mut command: Command, on_line: &mut dyn FnMut(&str)) -> io::Result<(ExitStatus, String)> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut guard = ChildGuard::start(command)?;
    let stdout = guard.child().stdout.take().expect("it is piped");
    let mut stderr = guard.child().stderr.take().expect("it is piped");
    // A second thread, because a child blocks when either of its two pipes is full.
    let errors = thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stderr.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        on_line(&line);
    }
    let status = guard.child().wait()?;
    Ok((status, errors.join().unwrap_or_default()))
}

#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    let parent = nix::unistd::getpid();
    let prepare = move || {
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        // The parent may have died before the line above took effect.
        if nix::unistd::getppid() != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(())
    };
    // SAFETY: two system calls, no allocation and no lock between fork and exec.
    unsafe { command.pre_exec(prepare) };
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command) {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn a_child_outlives_the_requesting_thread_but_not_its_guard() {
        let mut sleep = Command::new("sleep");
        sleep.arg("1000");
        let mut child = thread::spawn(|| ChildGuard::start(sleep).unwrap())
            .join()
            .unwrap();
        assert_eq!(child.wait(Duration::from_millis(50)), None);
        let id = child.id();
        drop(child);
        let gone = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id.cast_signed()), None);
        assert_eq!(gone, Err(nix::Error::ESRCH));
    }

    #[test]
    fn output_has_both_streams_and_the_status() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let output = output(command).unwrap();
        assert_eq!(
            (
                output.stdout.as_str(),
                output.stderr.as_str(),
                output.status.code()
            ),
            ("out\n", "err\n", Some(3))
        );
    }

    /// The lines outside of tests that call a method of [`Command`] that starts a process. No other type used in this
    /// crate has methods with these names and no arguments.
    fn starts(text: &str) -> Vec<&str> {
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let calls = [".spawn()", ".output()", ".status()", ".exec()"];
        code.lines()
            .filter(|line| calls.iter().any(|call| line.contains(call)))
            .collect()
    }

    fn check(folder: &Path) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                check(&path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let allowed = usize::from(path.ends_with("src/process.rs"));
                assert_eq!(
                    starts(&text).len(),
                    allowed,
                    "{}: {:?}",
                    path.display(),
                    starts(&text)
                );
            }
        }
    }

    #[test]
    fn only_this_file_starts_processes() {
        check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    }
}
