//! Exit statuses, documented once.

/// Everything is as expected.
pub const AS_EXPECTED: i32 = 0;
/// A claim failed, a deviation is stale, or a snapshot changed.
pub const FAILED: i32 = 1;
/// The input is wrong: arguments, a scenario, a profile.
pub const WRONG_INPUT: i32 = 2;
/// A platform or implementation was broken, and nothing failed (`EX_UNAVAILABLE` of sysexits.h).
pub const BROKEN: i32 = 69;
