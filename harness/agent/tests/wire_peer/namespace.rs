//! Runs the body of a test in a child process with a network stack of its own.
//!
//! A test binary has threads, and a process with threads cannot enter a new user namespace. So the test
//! starts itself again: the child enters the namespaces between `fork` and `exec`, where it has one thread.
//! The price is that each test has to say its own name.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Set in the child, whose name is then the test's.
const INSIDE: &str = "REUSESPEC_TEST_INSIDE_NAMESPACE";

/// Runs `body` as root of a fresh user and network namespace; `name` is the name of the calling test.
pub(super) fn in_namespace(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    // SAFETY: geteuid and getegid have no preconditions.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let maps = [
        (c"/proc/self/setgroups", CString::from(c"deny")),
        (
            c"/proc/self/uid_map",
            CString::new(format!("0 {uid} 1")).expect("no zero in a line"),
        ),
        (
            c"/proc/self/gid_map",
            CString::new(format!("0 {gid} 1")).expect("no zero in a line"),
        ),
    ];
    let mut child = Command::new(std::env::current_exe().expect("a test binary has a path"));
    child.args(["--exact", name, "--nocapture"]).env(INSIDE, "1");
    // SAFETY: between fork and exec the closure makes system calls only, on memory prepared before.
    unsafe {
        child.pre_exec(move || {
            check(libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET))?;
            // A child that outlives the test run would keep its namespace.
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
            maps.iter().try_for_each(|(file, line)| write(file, line))
        });
    }
    let output = child
        .output()
        .expect("user and network namespaces are open to this user");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{complained}"
    );
}

fn write(file: &CStr, line: &CStr) -> io::Result<()> {
    // SAFETY: both strings end with a zero and outlive the calls.
    unsafe {
        let fd = check(libc::open(file.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC))?;
        let written = libc::write(fd, line.as_ptr().cast(), line.count_bytes());
        check(libc::close(fd))?;
        if written < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

fn check(returned: libc::c_int) -> io::Result<libc::c_int> {
    if returned < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(returned)
    }
}
