//! Where cases run. A platform starts an agent somewhere and hands out a pair of byte streams to it.
//!
//! | module | owns |
//! |---|---|
//! | [`link`] | the two streams, and what kills the agent when they are dropped |
//! | [`command`] | any command whose standard input and output are an agent; this machine is the simplest one |

pub mod command;
pub mod link;

pub use command::AgentCommand;
pub use link::{Keeper, Link};
