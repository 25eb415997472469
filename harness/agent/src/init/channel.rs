//! Finds and opens the data channel: `REUSESPEC_CHANNEL=virtio` or the path of a serial port, from the kernel's
//! command line.
//!
//! Neighbours: `platforms/src/qemu/command.rs` writes that word next to the device it adds, so guest and host cannot
//! disagree. Nothing is probed: a guess that falls on the console would mix log and results.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::termios::{ControlFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use reusespec_core::handshake::PORT_NAME;

use super::{InitError, system};

/// How long the port may take to appear after its driver was loaded (the device announces its ports by messages).
const PORT_BUDGET: Duration = Duration::from_secs(20);

/// The channel, opened once: both halves are the same open file.
pub(super) fn open() -> Result<(File, File), InitError> {
    let word = std::env::var("REUSESPEC_CHANNEL")
        .ok()
        .or_else(|| system::word("REUSESPEC_CHANNEL"))
        .ok_or_else(|| InitError::Channel("the kernel's command line has no REUSESPEC_CHANNEL".into()))?;
    let path = if word == "virtio" {
        virtio_port()?
    } else {
        PathBuf::from(&word)
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_CLOEXEC | system::OPEN_FLAGS)
        .open(&path)
        .map_err(InitError::system(format!("open {}", path.display())))?;
    let is_serial = word != "virtio";
    if is_serial {
        make_raw(&file).map_err(|error| InitError::system(format!("make {word} raw"))(error.into()))?;
    }
    let reader = file
        .try_clone()
        .map_err(InitError::system("duplicate the channel"))?;
    #[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
    if is_serial {
        let reader = super::pump::start(reader).map_err(InitError::system(format!("empty {word}")))?;
        return Ok((reader, file));
    }
    Ok((reader, file))
}

fn make_raw(file: &File) -> nix::Result<()> {
    let mut line = tcgetattr(file)?;
    cfmakeraw(&mut line);
    // An emulated port sends as fast as it is written to, but hands on a few bytes only after the time of four at its speed.
    set_speed(&mut line)?;
    // No modem is attached: without CLOCAL, open and write would wait for a carrier.
    line.control_flags |= ControlFlags::CLOCAL | ControlFlags::CREAD;
    tcsetattr(file, SetArg::TCSANOW, &line)?;
    // Whatever was needed to get it open: from here on reading waits.
    let flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    fcntl(file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK)).map(drop)
}

/// Linux has the speed among the flags (termios(3)), and a static C library no cfsetspeed of the version that is asked for.
#[cfg(target_os = "linux")]
fn set_speed(line: &mut Termios) -> nix::Result<()> {
    let others = line.control_flags.bits() & !libc::CBAUD;
    line.control_flags = ControlFlags::from_bits_retain(others | libc::B115200);
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn set_speed(line: &mut Termios) -> nix::Result<()> {
    use nix::sys::termios::{BaudRate, cfsetspeed};
    cfsetspeed(line, BaudRate::B115200)
}

fn virtio_port() -> Result<PathBuf, InitError> {
    let deadline = Instant::now() + PORT_BUDGET;
    loop {
        if let Some(name) = find_port(Path::new("/sys/class/virtio-ports")) {
            return Ok(Path::new("/dev").join(name));
        }
        if Instant::now() > deadline {
            return Err(InitError::Channel(format!(
                "no virtio port named {PORT_NAME} appeared"
            )));
        }
        // sysfs announces nothing to wait on without a netlink socket; a port is there within a few milliseconds.
        thread::sleep(Duration::from_millis(1));
    }
}

fn find_port(class: &Path) -> Option<std::ffi::OsString> {
    let ports = fs::read_dir(class).ok()?;
    ports.filter_map(Result::ok).find_map(|port| {
        let name = fs::read_to_string(port.path().join("name")).ok()?;
        (name.trim_end() == PORT_NAME).then(|| port.file_name())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_by_its_name_not_its_number() {
        let class = std::env::temp_dir().join(format!("reusespec-ports-{}", std::process::id()));
        for (port, name) in [
            ("vport0p1", "org.qemu.guest_agent.0\n"),
            ("vport0p2", "reusespec\n"),
        ] {
            fs::create_dir_all(class.join(port)).unwrap();
            fs::write(class.join(port).join("name"), name).unwrap();
        }
        let found = find_port(&class);
        fs::remove_dir_all(&class).unwrap();
        assert_eq!(found.unwrap(), "vport0p2");
    }
}
