//! Real kernels under QEMU: boots, warm starts, virtual time, and the drills.
//!
//! What is missing on a machine (QEMU, a kernel, a Rust target) is said on standard error with a running count, past
//! libtest's capture; with `REUSESPEC_GUESTS=require`, as in CI, it is a failure instead.

mod boots;
mod drills;
mod root_disk;
mod setup;
mod virtual_time;
