//! The start file of a DragonFly program: the entry point, and the ELF note by which the kernel recognises it.
//!
//! Only DragonFly's own toolchain ships such a file. It follows lib/csu/x86_64: the first argument points to the
//! argument count, the second is a function of the run-time linker for atexit(3). It is compiled for Linux: an object
//! without system calls and thread-local data is the same for both systems.
//!
//! It runs no constructors. Run-time linkers before 6.0 do not run them either, so the task that builds agents refuses
//! a program that has any.

#![no_std]
#![expect(non_upper_case_globals, reason = "libc wrote the names")]

use core::ffi::{c_char, c_int};
use core::ptr;

type Strings = *const *const c_char;

unsafe extern "C" {
    fn main(count: c_int, arguments: Strings, environment: Strings) -> c_int;
    fn exit(status: c_int) -> !;
    fn atexit(cleanup: Cleanup) -> c_int;
    /// libc: sets up thread-local storage of the first thread, which `errno` needs.
    fn _init_tls();
    /// The run-time linker: initialises the libraries, which need that storage.
    fn _rtld_call_init();
}

type Cleanup = unsafe extern "C" fn();

/// libc reads both by these names.
#[unsafe(no_mangle)]
static mut environ: Strings = ptr::null();
#[unsafe(no_mangle)]
static mut __progname: *const c_char = c"reusespec-agent".as_ptr();

#[unsafe(no_mangle)]
unsafe extern "C" fn _start(count: *const isize, cleanup: Cleanup) -> ! {
    // SAFETY: the kernel has put the count, that many arguments, a null, and the environment there.
    unsafe {
        let arguments: Strings = count.add(1).cast();
        environ = arguments.offset(*count + 1);
        _init_tls();
        _rtld_call_init();
        atexit(cleanup);
        exit(main(*count as c_int, arguments, environ))
    }
}

// A note of type 1 is the ABI version, 6.0.4 here. It is no `#[used]` static: that needs a section flag of GNU's, which
// marks the program as one for Linux.
core::arch::global_asm!(
    ".section .note.ABI-tag,\"a\",@note",
    ".long 10, 4, 1",
    ".asciz \"DragonFly\"",
    ".balign 4",
    ".long 600400",
);
