//! Runs the body of a test in a child process with its own network stack.
//!
//! A process with several threads cannot enter a new user namespace, and a test binary has several. So the binary
//! starts itself again for one test, and the child enters the namespaces between `fork` and `exec`, where it has one
//! thread. The price: each test passes its own name.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The environment variable that marks the child process.
const INSIDE: &str = "REUSESPEC_TEST_INSIDE_NAMESPACE";

/// Runs `body` as root of new user and network namespaces. `name` is the name of the calling test.
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
            CString::new(format!("0 {uid} 1")).expect("the line has no zero byte"),
        ),
        (
            c"/proc/self/gid_map",
            CString::new(format!("0 {gid} 1")).expect("the line has no zero byte"),
        ),
    ];
    let mut child = Command::new(std::env::current_exe().expect("the test binary has a path"));
    child.args(["--exact", name, "--nocapture"]).env(INSIDE, "1");
    // SAFETY: between fork and exec the closure only makes system calls, on memory that was allocated before.
    unsafe {
        child.pre_exec(move || {
            check(libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET))?;
            // A child that outlived the test run would keep its namespace.
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
            maps.iter().try_for_each(|(file, line)| write(file, line))
        });
    }
    let output = child
        .output()
        .expect("this user may create user and network namespaces");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{stdout}{stderr}"
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
