//! Where cases run. A platform starts an agent somewhere and hands out a pair of byte streams to it.
//!
//! | module | owns |
//! |---|---|
//! | [`link`] | the two streams, and what kills the agent when they are dropped |
//! | [`profile`] | a platform as data: `platforms/*.toml` |
//! | [`kernel`], [`cache`], [`initramfs`] | what a guest is booted from, fetched once, kept, packed |
//! | [`qemu`] | guests: command line, process, accelerator, warm start |
//! | [`doctor`] | what this machine has for all that, and how to get the rest |
//! | [`process`] | children that do not outlive us |
//! | [`command`] | any command whose standard input and output are an agent; this machine is the simplest one |

pub mod cache;
pub mod command;
pub mod doctor;
pub mod initramfs;
pub mod kernel;
pub mod link;
pub mod process;
pub mod profile;
pub mod qemu;

pub use command::AgentCommand;
pub use link::{Keeper, Link};
