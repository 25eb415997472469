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
//! | [`profile`] | guests as data: kernel, machine, clock, deviations |
//! | [`kernel`] | kernels from Debian packages, local paths or pinned addresses, as an ELF that boots |
//! | [`initramfs`] | the archive a guest boots into, written the same byte for byte |
//! | [`qemu`] | the command line, the guest, its data channel, and states to start warm from |
//! | [`cache`] | what was fetched and built, under a hash of what it was made from |
//! | [`doctor`] | what is here, what is missing and how to get it |
//! | [`process`] | children that end with us on every path |

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
