//! Functions the standard library calls and DragonFly 5.6 does not have, made from what it has.
//!
//! They are in the program, so they are used on newer systems too: one program, one behaviour. Compiled for Linux like
//! the start file, so nothing here may depend on a system's structures but for what is said where it does.

#![no_std]

use core::ffi::{c_char, c_int, c_void};

unsafe extern "C" {
    fn nanosleep(time: *const c_void, left: *mut c_void) -> c_int;
    fn __errno_location() -> *mut c_int;
}

// Since 5.8. The variable is thread-local: its place is the thread's own area plus what the run-time linker found out.
core::arch::global_asm!(
    ".globl __errno_location",
    ".type __errno_location,@function",
    "__errno_location:",
    "movq errno@gottpoff(%rip), %rax",
    "addq %fs:0, %rax",
    "ret",
    options(att_syntax)
);

/// Since 6.0. The time to a moment is not offered: only the length of a sleep is asked for by `std::thread::sleep`.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_nanosleep(
    _clock: c_int,
    flags: c_int,
    time: *const c_void,
    left: *mut c_void,
) -> c_int {
    /// On every system.
    const EINVAL: c_int = 22;
    if flags != 0 {
        return EINVAL;
    }
    // SAFETY: the caller's pointers are passed on as they are.
    match unsafe { nanosleep(time, left) } {
        0 => 0,
        // SAFETY: always points to this thread's variable.
        _ => unsafe { *__errno_location() },
    }
}

/// A macro in dirent.h at first, which reads the first member.
#[unsafe(no_mangle)]
unsafe extern "C" fn dirfd(stream: *const c_int) -> c_int {
    // SAFETY: the caller has it from opendir.
    unsafe { *stream }
}

/// Under another name at first. Nobody reads the names of an agent's threads.
#[unsafe(no_mangle)]
extern "C" fn pthread_setname_np(_thread: *mut c_void, _name: *const c_char) -> c_int {
    0
}
