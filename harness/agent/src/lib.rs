//! The agent: executes cases where they run and streams observations back.
//!
//! It reads [`Request`]s from one stream and writes [`Reply`]s to another, and never sees a claim. Every case
//! is a process of its own, on Linux in a user and network namespace of its own: whatever it does to sockets,
//! routes and system controls is gone with it, and killing it costs that case alone.
//!
//! | module | owns |
//! |---|---|
//! | [`serve`] | the agent loop: which case starts when, what happens to one that dies or takes too long |
//! | [`process`] | the process of a case |
//! | [`report`] | what the process of a case tells the agent loop |
//! | [`case_run`] | what a case runs with |
//! | [`execute`] | the step loop |
//! | [`family`] | executes the steps, a module for each vocabulary |
//! | [`sandbox`] | namespaces, loopback, users, system controls; and what to do where the system refuses them |
//! | [`init`] | the agent as the first process of a guest |
//! | [`capabilities`] | what scenarios may require here, found by trying |
//! | [`clocks`] | how exactly time can be told here |
//! | [`exec`] | runs somebody's program instead of cases, in a guest |
//! | [`program`] | starts somebody's program for a case, and ends it |
//!
//! The loop is single-threaded on purpose: only a process with one thread may enter a user namespace, and
//! a fork of one thread is safe to run ordinary code in. The price is a hand-written `poll` loop.
//!
//! [`Request`]: reusespec_core::protocol::Request
//! [`Reply`]: reusespec_core::protocol::Reply

mod capabilities;
mod case_run;
mod clocks;
mod errno;
mod exec;
mod execute;
mod family;
pub mod init;
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
mod interface;
mod listen_addr;
pub mod peer;
mod process;
mod program;
mod report;
mod sandbox;
mod serve;
mod stop;
mod system;

pub use serve::serve;

/// Serves standard input and output until the host says `finish` or goes away; as the first process of a guest it
/// prepares the system, serves the data channel, and switches the guest off.
///
/// Returns the exit status: 0 if the host was answered to the end.
pub fn main() -> i32 {
    if init::is_init() {
        init::run(|reader, writer| converse(&reader, &writer));
    }
    if init::has_channel() {
        return init::on_channel(|reader, writer| converse(&reader, &writer));
    }
    converse(&std::io::stdin(), &std::io::stdout())
}

fn converse<R: std::os::fd::AsFd, W: std::io::Write>(requests: &R, replies: W) -> i32 {
    match serve(requests, replies) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("reusespec-agent: {error}");
            1
        }
    }
}
