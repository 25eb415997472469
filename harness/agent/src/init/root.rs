//! The root file system on a disk: `REUSESPEC_ROOT=/dev/vda` on the kernel's command line.
//!
//! A kernel whose drivers for the disk are modules cannot mount it before an initramfs has loaded them. So the agent in
//! the initramfs does only that, puts the disk in its own place, and starts the agent that is on it, still as the first
//! process and with the same environment. That one finds no modules to load and goes on as usual.

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

/// The agent's place in a root image.
const AGENT: &str = "/agent";

/// How long the disk may take to appear after its driver was loaded.
const DISK_BUDGET: Duration = Duration::from_secs(20);

/// Leaves the initramfs for the disk, if there is one to leave it for. Returns only if there is none.
pub(super) fn switch() -> Result<(), InitError> {
    let Some(device) = std::env::var_os("REUSESPEC_ROOT") else {
        return Ok(());
    };
    // SAFETY: PID 1 has one thread here.
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
    let deadline = Instant::now() + DISK_BUDGET;
    let shown = String::from_utf8_lossy(device.as_bytes()).into_owned();
    // devtmpfs announces nothing to wait on without a netlink socket; the disk is there within a few milliseconds.
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
