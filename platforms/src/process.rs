//! Child processes that do not outlive us: killed when dropped, and by the kernel when we die of whatever cause.
//!
//! Neighbours: QEMU and apt are started through here; nothing else in this crate starts a process.
//!
//! Linux kills a child when the *thread* that started it ends (prctl(2), PR_SET_PDEATHSIG). So one thread that lives
//! as long as the process starts them all; a guest then survives the worker that booted it, but not the run.
//! RemotePlatform only dropping kills.

use std::{
    io,
    process::{Child, Command, ExitStatus},
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
                // Nobody waits for the answer only if the asker panicked; the child is then killed below.
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

/// A child that is killed and reaped when dropped.
#[derive(Debug)]
pub struct Owned(Child);

impl Owned {
    /// Start `command`; its standard streams are the command's.
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

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// The child itself, for its streams.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }

    /// Wait until it ends, at most `budget`. `None`: it still runs.
    pub fn wait(&mut self, budget: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + budget;
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            // There is no portable way to wait for a child with a limit; 2 ms is less than an exit takes.
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kill it and wait until it is gone.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.kill();
    }
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
    use super::*;

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it_but_not_its_owner() {
        let mut sleep = Command::new("sleep");
        sleep.arg("1000");
        let mut child = thread::spawn(|| Owned::start(sleep).unwrap()).join().unwrap();
        assert_eq!(child.wait(Duration::from_millis(50)), None);
        let id = child.id();
        drop(child);
        let gone = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id.cast_signed()), None);
        assert_eq!(gone, Err(nix::Error::ESRCH));
    }
}
