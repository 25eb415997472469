//! Finds and opens the guest's end of the channel: `REUSESPEC_CHANNEL=virtio`, or the path of a serial port.
//!
//! The value comes from the kernel's command line, where `platforms/src/qemu/command.rs` writes it next to the device.
//! The guest does not probe for the device: a wrong guess could be the console, where log and results would mix.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::termios::{ControlFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use reusespec_channel::relay::TO_HOST_WINDOW;
use reusespec_core::handshake::PORT_NAME;

use super::{InitError, system};

/// The time in which the port must appear. The device announces its ports by messages after its driver is loaded.
const PORT_TIMEOUT: Duration = Duration::from_secs(20);

/// The number of bytes that a virtio port takes. It has flow control, so the number only limits the memory in use.
const VIRTIO_WINDOW: usize = 64 << 10;

/// The number of bytes that the host may have on a serial port: what its smallest buffer holds, less 64 bytes for four of
/// the host's acknowledgements.
///
/// Linux's terminal reads into 4096 bytes (`N_TTY_BUF_SIZE`, drivers/tty/n_tty.c). FreeBSD's uart(4) has a ring of 384
/// (sys/dev/uart/uart_tty.c: twice the FIFO, at least that). DragonFly's sio(4) has 512 (sys/dev/serial/sio/sio.c,
/// `RS_IBUFSIZE`), and its terminal a queue of 1024 (sys/sys/tty.h, `TTYHOG`).
const SERIAL_WINDOW: usize = if cfg!(target_os = "freebsd") {
    384 - 64
} else if cfg!(target_os = "dragonfly") {
    512 - 64
} else {
    2048
};

/// The guest's end of the line.
pub(super) struct Port {
    pub(super) file: File,
    /// The limit of bytes that the host has sent and the guest has not acknowledged.
    pub(super) window: usize,
    /// The same limit for the guest.
    pub(super) to_host_window: usize,
}

/// Opens the channel.
pub(super) fn open() -> Result<Port, InitError> {
    let device = std::env::var("REUSESPEC_CHANNEL")
        .ok()
        .or_else(|| system::boot_parameter("REUSESPEC_CHANNEL"))
        .ok_or_else(|| InitError::Channel("the kernel's command line has no REUSESPEC_CHANNEL".into()))?;
    let is_serial = device != "virtio";
    let path = if is_serial {
        PathBuf::from(&device)
    } else {
        virtio_port()?
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_CLOEXEC | system::OPEN_FLAGS)
        .open(&path)
        .map_err(InitError::system(format!("open {}", path.display())))?;
    if is_serial {
        make_raw(&file).map_err(|error| InitError::system(format!("make {device} raw"))(error.into()))?;
    }
    let (window, to_host_window) = match is_serial {
        true => (SERIAL_WINDOW, TO_HOST_WINDOW),
        false => (VIRTIO_WINDOW, VIRTIO_WINDOW),
    };
    Ok(Port {
        file,
        window,
        to_host_window,
    })
}

fn make_raw(file: &File) -> nix::Result<()> {
    let mut line = tcgetattr(file)?;
    cfmakeraw(&mut line);
    // An emulated port sends at any speed. But it delivers a few bytes only after a delay of four byte times, so the
    // speed counts.
    set_speed(&mut line)?;
    // Without CLOCAL, open and write would wait for the carrier of a modem.
    line.control_flags |= ControlFlags::CLOCAL | ControlFlags::CREAD;
    tcsetattr(file, SetArg::TCSANOW, &line)?;
    // O_NONBLOCK was needed for the open only. From here on reads block.
    let flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    fcntl(file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK)).map(drop)
}

/// Sets the speed among the control flags, where Linux has it (termios(3)). A statically linked C library lacks the
/// versioned cfsetspeed that nix asks for.
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
    let deadline = Instant::now() + PORT_TIMEOUT;
    loop {
        if let Some(name) = find_port(Path::new("/sys/class/virtio-ports")) {
            return Ok(Path::new("/dev").join(name));
        }
        if Instant::now() > deadline {
            return Err(InitError::Channel(format!(
                "no virtio port named {PORT_NAME} appeared"
            )));
        }
        // sysfs sends events only to netlink sockets. The port appears within a few milliseconds, so polling is enough.
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
    fn the_port_is_found_by_name() {
        let class = tempfile::tempdir().unwrap();
        for (port, name) in [
            ("vport0p1", "org.qemu.guest_agent.0\n"),
            ("vport0p2", "reusespec\n"),
        ] {
            fs::create_dir(class.path().join(port)).unwrap();
            fs::write(class.path().join(port).join("name"), name).unwrap();
        }
        assert_eq!(find_port(class.path()).unwrap(), "vport0p2");
    }
}
