//! The guest program of `platforms`' tests: it uses the agent's `init` and answers one word per line instead of
//! executing cases; with `REUSESPEC_DRILL=…` on the kernel's command line it fails in a chosen way first.
//!
//! It exists so that machine, channel and warm start are tested without the case protocol, and so that the drills
//! need no faults in the agent itself.

#[cfg(target_os = "linux")]
mod guest;

fn main() {
    #[cfg(target_os = "linux")]
    guest::main();
    #[cfg(not(target_os = "linux"))]
    eprintln!("this is PID 1 of a Linux guest");
}
