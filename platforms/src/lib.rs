//! Where cases run. A platform starts an agent somewhere and hands out a pair of byte streams to it.
//!
//! | module | owns |
//! |---|---|
//! | [`link`] | a running agent as two streams, and whatever can start one |
//! | [`command`] | any command whose standard input and output are an agent; this machine is the simplest one |
//! | [`remote`] | somebody's command, a machine reached by ssh, an emulated CPU |
//! | [`guest`] | a machine of our own, from its profile to an agent that serves |
//! | [`profile`] | guests as data: `platforms/*.toml` |
//! | [`system`] | the systems guests run, and the way of each to its agent |
//! | [`agents`] | the agent's executables for other machines |
//! | [`kernel`] | kernels from Debian packages, local paths or pinned addresses, as an ELF that boots |
//! | [`initramfs`] | the archive a guest boots into, written the same byte for byte |
//! | [`executable`] | what a program file says about itself |
//! | [`root_image`] | the root file system of a guest without an initramfs |
//! | [`qemu`] | the command line, the guest, its data channel, and states to start warm from |
//! | [`cache`] | what was fetched and built, under a hash of what it was made from |
//! | [`doctor`] | what is here, what is missing and how to get it |
//! | `handshake` | the lines before the protocol, by which a guest learns the time of day |
//! | [`process`] | children that end with us on every path |

pub mod agents;
pub mod cache;
pub mod command;
pub mod doctor;
pub mod executable;
pub mod guest;
mod handshake;
pub mod initramfs;
pub mod kernel;
pub mod link;
pub mod process;
pub mod profile;
pub mod qemu;
pub mod remote;
pub mod root_image;
pub mod system;

pub use command::AgentCommand;
pub use guest::GuestStarter;
pub use link::{AgentHandle, LaunchRequest, Link, PlatformTraits, StartError, Starter};
pub use remote::RemotePlatform;
