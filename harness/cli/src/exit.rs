//! The exit statuses of all commands.

/// Everything is as expected.
pub const AS_EXPECTED: i32 = 0;
/// A claim failed, a deviation is stale, or a snapshot changed.
pub const FAILED: i32 = 1;
/// The input is wrong: arguments, a scenario, a profile.
pub const WRONG_INPUT: i32 = 2;
/// A platform or implementation was broken, and nothing failed (`EX_UNAVAILABLE` of sysexits.h).
pub const BROKEN: i32 = 69;
/// `exec`: the program reached its time limit; the same status as that of timeout(1).
pub const TOO_LATE: i32 = 124;
/// `exec`: the program could not be started; the same status as that of shells.
pub const NOT_STARTED: i32 = 126;
/// `exec`: a signal ended the program; its number is added to this one.
pub const SIGNALLED: i32 = 128;
