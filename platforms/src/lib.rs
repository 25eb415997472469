//! Where cases run: starts an agent on a platform and returns the two byte streams to it.
//!
//! | module | owns |
//! |---|---|
//! | [`link`] | a running agent as two streams, and the trait of everything that can start one |
//! | [`command`] | an agent started as a command; this machine is the simplest case |
//! | [`remote`] | platforms started by a command: a user's command, ssh, an emulated CPU |
//! | [`runsc`] | gVisor, from its package to a sandbox with an agent |
//! | [`guest`] | a virtual machine, from its profile to an agent that serves |
//! | [`profile`] | guests as data: `platforms/*.toml` |
//! | [`system`] | the guests' operating systems, and how each boots to its agent |
//! | [`agents`] | finds the agent's executables for other machines |
//! | [`kernel`] | kernels from Debian packages, local paths or pinned URLs, as an ELF file that boots |
//! | [`initramfs`] | the archive that a Linux guest boots into |
//! | [`executable`] | reads an ELF file's headers |
//! | [`root_image`] | the root file system of a guest without an initramfs |
//! | [`qemu`] | QEMU's command line, the guest, its channel, and its saved states |
//! | [`cache`] | stores what was downloaded and built, by content |
//! | [`doctor`] | what this machine has, what is missing and how to get it |
//! | `handshake` | the host's side of the lines before the protocol |
//! | [`process`] | starts all child processes, so that they die with this process |

pub mod agents;
pub mod cache;
pub mod carried;
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
pub mod runsc;
pub mod system;

pub use command::AgentCommand;
pub use guest::GuestStarter;
pub use link::{AgentHandle, LaunchRequest, Link, PlatformTraits, StartError, Starter};
pub use remote::RemotePlatform;
