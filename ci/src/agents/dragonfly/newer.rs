//! Functions that the standard library calls and DragonFly 5.6 lacks, written with functions that it has.
//!
//! Newer systems use these too, because they are in the program: one program behaves the same everywhere. They are
//! compiled for Linux, as the start file is, so they must not depend on the layout of a system's structures. The two
//! exceptions are marked.

#![no_std]

use core::ffi::{c_char, c_int, c_void};

unsafe extern "C" {
    fn nanosleep(time: *const c_void, left: *mut c_void) -> c_int;
    fn __errno_location() -> *mut c_int;
}

// DragonFly has it since 5.8. `errno` is thread-local: its address is the thread's base plus the offset that the
// run-time linker stored in the GOT.
core::arch::global_asm!(
    ".globl __errno_location",
    ".type __errno_location,@function",
    "__errno_location:",
    "movq errno@gottpoff(%rip), %rax",
    "addq %fs:0, %rax",
    "ret",
    options(att_syntax)
);

/// DragonFly has it since 6.0. Absolute times are refused: `std::thread::sleep` passes only durations.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_nanosleep(
    _clock: c_int,
    flags: c_int,
    time: *const c_void,
    left: *mut c_void,
) -> c_int {
    /// The same value on every system.
    const EINVAL: c_int = 22;
    if flags != 0 {
        return EINVAL;
    }
    // SAFETY: the pointers are the caller's.
    match unsafe { nanosleep(time, left) } {
        0 => 0,
        // SAFETY: it points to the `errno` of this thread.
        _ => unsafe { *__errno_location() },
    }
}

/// A macro in dirent.h before 6.0, which reads the first member.
#[unsafe(no_mangle)]
unsafe extern "C" fn dirfd(stream: *const c_int) -> c_int {
    // SAFETY: the caller got the stream from opendir(3).
    unsafe { *stream }
}

/// Has another name before 6.0. It does nothing: the names of the agent's threads are not used.
#[unsafe(no_mangle)]
extern "C" fn pthread_setname_np(_thread: *mut c_void, _name: *const c_char) -> c_int {
    0
}
