//! Exit statuses, documented once.

/// Everything is as expected.
pub const AS_EXPECTED: i32 = 0;
/// A claim failed, a deviation is stale, or a snapshot changed.
pub const FAILED: i32 = 1;
/// The input is wrong: arguments, a scenario, a profile.
pub const WRONG_INPUT: i32 = 2;
/// A platform or implementation was broken, and nothing failed (`EX_UNAVAILABLE` of sysexits.h).
pub const BROKEN: i32 = 69;
/// `exec`: the program's time was over, as timeout(1) says it.
pub const TOO_LATE: i32 = 124;
/// `exec`: the program could not be started, as shells say it.
pub const NOT_STARTED: i32 = 126;
/// `exec`: the program was ended by a signal, whose number is added.
pub const SIGNALLED: i32 = 128;
