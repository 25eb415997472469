//! Real kernels under QEMU: boots, warm starts, virtual time, and the drills.
//!
//! They run where everything is at hand: an emulator, a kernel in the cache, a Rust target to build the drill agent
//! for. What that leaves out is said on standard error with a running count, past libtest's capture.
//! `REUSESPEC_GUESTS=1` fetches kernels too, `require`, as in CI, makes what is missing a failure, and `0` leaves
//! guests alone.

mod boots;
mod drills;
mod root_disk;
mod setup;
mod virtual_time;
