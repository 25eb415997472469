//! The start of a DragonFly program: what the run-time linker jumps to, and the note by which the kernel knows it.
//!
//! No toolchain but DragonFly's own ships this file. It does what lib/csu/x86_64 of that system documents: the first
//! argument points to the argument count, the second is the run-time linker's farewell. It is compiled for Linux, as
//! an object without any system's calls or thread-local data is the same for both.
//!
//! Constructors are not run: the run-time linker of newer systems does it and that of older ones does not, so the
//! task that builds agents refuses one that has any.

#![no_std]
#![expect(non_upper_case_globals, reason = "libc wrote the names")]

use core::ffi::{c_char, c_int};
use core::ptr;

type Strings = *const *const c_char;

unsafe extern "C" {
    fn main(count: c_int, arguments: Strings, environment: Strings) -> c_int;
    fn exit(status: c_int) -> !;
    fn atexit(farewell: Farewell) -> c_int;
    /// libc: thread-local storage of the first thread; before it there is no `errno`.
    fn _init_tls();
    /// The run-time linker: initialises the libraries, which needs that storage.
    fn _rtld_call_init();
}

type Farewell = unsafe extern "C" fn();

/// libc reads both by these names.
#[unsafe(no_mangle)]
static mut environ: Strings = ptr::null();
#[unsafe(no_mangle)]
static mut __progname: *const c_char = c"reusespec-agent".as_ptr();

#[unsafe(no_mangle)]
unsafe extern "C" fn _start(count: *const isize, farewell: Farewell) -> ! {
    // SAFETY: the kernel has put the count, that many arguments, a null, and the environment there.
    unsafe {
        let arguments: Strings = count.add(1).cast();
        environ = arguments.offset(*count + 1);
        _init_tls();
        _rtld_call_init();
        atexit(farewell);
        exit(main(*count as c_int, arguments, environ))
    }
}

// Type 1 is the ABI's version: 6.0.4, older than any system this is meant for refuses. Not a `#[used]` static: the flag
// that keeps one is GNU's, and marks the whole program as one for Linux.
core::arch::global_asm!(
    ".section .note.ABI-tag,\"a\",@note",
    ".long 10, 4, 1",
    ".asciz \"DragonFly\"",
    ".balign 4",
    ".long 600400",
);
