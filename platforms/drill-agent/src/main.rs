//! The guest program of the tests of `platforms`. It boots with the agent's `init` and answers simple questions, one a
//! line, instead of executing cases. With `REUSESPEC_DRILL=…` on the kernel's command line it fails in the chosen way.
//!
//! With it the tests need no case protocol to check QEMU, the channel and the warm start, and the agent itself needs no
//! code that fails on purpose.

#[cfg(target_os = "linux")]
mod guest;

fn main() {
    #[cfg(target_os = "linux")]
    guest::main();
    #[cfg(not(target_os = "linux"))]
    eprintln!("this program runs only as PID 1 of a Linux guest");
}
