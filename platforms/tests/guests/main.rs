//! Tests with real kernels under QEMU: boots, warm starts, virtual time, and failures (drills).
//!
//! A test needs an emulator, a kernel in the cache, and the Rust target of the drill agent. If one of them is missing,
//! the test passes and reports that on standard error, past the test runner's capture. `REUSESPEC_GUESTS=1` also
//! downloads kernels, `require` (used in CI) makes the test fail instead, and `0` starts no guests.

mod boots;
mod drills;
mod loader;
mod root_disk;
mod setup;
mod virtual_time;
