//! The agent: executes cases where they run and streams observations back.
//!
//! It reads [`Request`]s from one stream and writes [`Reply`]s to another, and never sees a claim. Every case
//! is a process of its own, on Linux in a user and network namespace of its own: whatever it does to sockets,
//! routes and system controls is gone with it, and killing it costs that case alone.
//!
//! | module | owns |
//! |---|---|
//! | [`serve`] | the agent loop: starts cases, collects results, kills cases that exceed their budget |
//! | [`process`] | the process of a case |
//! | [`report`] | what the process of a case sends to the agent loop |
//! | [`case_run`] | what a case runs with |
//! | [`execute`] | the step loop |
//! | [`family`] | executes the steps, a module for each vocabulary |
//! | [`sandbox`] | namespaces, loopback, users, system controls; and what to do where the system refuses them |
//! | [`init`] | the agent as PID 1 of a guest |
//! | [`capabilities`] | finds the capabilities that scenarios may require |
//! | [`clocks`] | measures tick, timer lateness and the cost of a wake-up |
//! | [`exec`] | runs a user's program in a guest, instead of cases |
//! | [`program`] | starts and stops a program under test |
//! | [`socket_option`] | socket options by level and number |
//! | [`socket_owner`] | sockets of the agent and of adapters |
//! | [`peer`] | the wire peer and its wire |
//! | `netlink`, `interface` | configure network interfaces on Linux and on the BSDs |
//!
//! The agent loop is single-threaded: only a process with one thread may enter a user namespace, and only a fork of such
//! a process may run code that is not async-signal-safe. The price is a hand-written `poll` loop.
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
#[cfg(target_os = "linux")]
mod netlink;
pub mod peer;
mod process;
mod program;
mod report;
mod sandbox;
mod serve;
mod socket_option;
mod socket_owner;
mod stop;
mod system;

pub use program::{Lines, NoReply};
pub use serve::serve;
pub use socket_owner::keepalive_options;

/// Serves the host on standard input and output until it sends `finish` or closes the stream. As PID 1 of a guest, prepares
/// the system, serves the channel, and powers the guest off.
///
/// Returns the exit status: 0, or 1 if a stream failed or the host broke the protocol.
pub fn main() -> i32 {
    if init::has_standard_channel() {
        init::enter_sandbox();
        return converse(&std::io::stdin(), &std::io::stdout());
    }
    if init::is_init() {
        init::run(|reader, writer| converse(&reader, writer));
    }
    if init::has_channel() {
        return init::on_channel(|reader, writer| converse(&reader, writer));
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
