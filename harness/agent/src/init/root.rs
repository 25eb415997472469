//! Switches from the initramfs to a root file system on a disk: `REUSESPEC_ROOT=/dev/vda` on the kernel's command line.
//!
//! A kernel with its disk drivers in modules cannot mount the disk before an initramfs has loaded them. So the agent in
//! the initramfs loads the modules, moves the disk to `/`, and executes the agent on the disk, still as PID 1 and with
//! the same environment. The second agent finds no modules to load and continues as usual.

use std::{
    ffi::{CString, OsStr},
    os::unix::ffi::OsStrExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use nix::{
    mount::{MsFlags, mount},
    unistd::{chdir, chroot, execv},
};

use super::InitError;

/// The path of the agent in a root image.
const AGENT: &str = "/agent";

/// The time in which the disk must appear after its driver is loaded.
const DISK_TIMEOUT: Duration = Duration::from_secs(20);

/// Switches to the disk. Returns without an error only if the command line names no disk.
pub(super) fn switch() -> Result<(), InitError> {
    let Some(device) = std::env::var_os("REUSESPEC_ROOT") else {
        return Ok(());
    };
    // SAFETY: PID 1 has one thread.
    unsafe { std::env::remove_var("REUSESPEC_ROOT") };
    mount_when_there(&device)?;
    chdir("/tmp").map_err(failed("enter the disk"))?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .map_err(failed("move the disk to /"))?;
    chroot(".").map_err(failed("make the disk the root"))?;
    chdir("/").map_err(failed("enter the new root"))?;
    let agent = CString::new(AGENT).expect("the name has no NUL");
    execv(&agent, &[&agent]).map_err(failed("start the agent of the disk"))?;
    Ok(())
}

fn mount_when_there(device: &OsStr) -> Result<(), InitError> {
    let deadline = Instant::now() + DISK_TIMEOUT;
    let shown = String::from_utf8_lossy(device.as_bytes()).into_owned();
    // devtmpfs sends events only to netlink sockets. The disk appears within a few milliseconds, so polling is enough.
    while !Path::new(device).exists() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
    let kind = Some("iso9660");
    mount(Some(device), "/tmp", kind, MsFlags::MS_RDONLY, None::<&str>)
        .map_err(failed(&format!("mount {shown}")))
}

fn failed(what: &str) -> impl FnOnce(nix::Error) -> InitError {
    let what = what.to_owned();
    move |error| InitError::system(what)(error.into())
}
