//! Steps on socket options and system controls. An option that this system does not have is `unsupported`.

use std::io;
use std::os::fd::AsRawFd;

use reusespec_core::Observed;
use reusespec_core::step::keepalive::{GetRaw, RawOption, SetRaw, Sysctl};
use socket2::Socket;

use super::{Answer, Connections, Stop};
use crate::sandbox::sysctl;

/// Level and number of an option on this system.
fn number(option: RawOption) -> Option<(libc::c_int, libc::c_int)> {
    match option {
        RawOption::SO_KEEPALIVE => Some((libc::SOL_SOCKET, libc::SO_KEEPALIVE)),
        RawOption::SO_ERROR => Some((libc::SOL_SOCKET, libc::SO_ERROR)),
        RawOption::TCP_KEEPIDLE => Some((libc::IPPROTO_TCP, libc::TCP_KEEPIDLE)),
        RawOption::TCP_KEEPINTVL => Some((libc::IPPROTO_TCP, libc::TCP_KEEPINTVL)),
        RawOption::TCP_KEEPCNT => Some((libc::IPPROTO_TCP, libc::TCP_KEEPCNT)),
        #[cfg(target_os = "linux")]
        RawOption::TCP_USER_TIMEOUT => Some((libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT)),
        #[cfg(target_os = "linux")]
        RawOption::TCP_SYNCNT => Some((libc::IPPROTO_TCP, libc::TCP_SYNCNT)),
        #[cfg(target_os = "linux")]
        RawOption::TCP_LINGER2 => Some((libc::IPPROTO_TCP, libc::TCP_LINGER2)),
        #[cfg(not(target_os = "linux"))]
        RawOption::TCP_USER_TIMEOUT | RawOption::TCP_SYNCNT | RawOption::TCP_LINGER2 => None,
    }
}

fn known(option: RawOption) -> Result<(libc::c_int, libc::c_int), Stop> {
    let missing = || Stop::Unsupported(format!("{option:?} does not exist on {}", std::env::consts::OS));
    number(option).ok_or_else(missing)
}

/// Sets an option to the first `length` octets of the value as an `int`, followed by zeroes.
fn set(socket: &Socket, (level, name): (libc::c_int, libc::c_int), value: i64, length: u8) -> io::Result<()> {
    let mut octets = vec![0; usize::from(length).max(4)];
    octets[..4].copy_from_slice(&(value as i32).to_ne_bytes());
    // SAFETY: the buffer has at least `length` octets and outlives the call.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            octets.as_ptr().cast(),
            length.into(),
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn get(socket: &Socket, (level, name): (libc::c_int, libc::c_int)) -> io::Result<i32> {
    let mut value = 0i32;
    let mut length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` octets to `value`.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    if status == 0 {
        Ok(value)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The name of a socket's pending error. Reading the error clears it.
pub(super) fn pending_error(socket: &Socket) -> io::Result<Option<String>> {
    let error = socket.take_error()?;
    Ok(error.map(|error| crate::errno::name(&error)))
}

impl Connections<'_, '_> {
    pub(super) fn set_raw(&mut self, step: &SetRaw) -> Answer {
        let (socket, option) = (self.socket(&step.socket)?, known(step.option)?);
        set(socket, option, step.value, step.length).map_err(|error| Stop::of_option(step.option, error))?;
        if step.option == RawOption::SO_KEEPALIVE {
            self.note_switch();
        }
        Ok(Observed::ok())
    }

    pub(super) fn get_raw(&mut self, step: &GetRaw) -> Answer {
        let socket = self.socket(&step.socket)?;
        if step.option == RawOption::SO_ERROR {
            let error = pending_error(socket)?;
            return Ok(Observed::Word(error.unwrap_or_else(|| "none".to_owned())));
        }
        let value = get(socket, known(step.option)?).map_err(|error| Stop::of_option(step.option, error))?;
        Ok(match step.compare {
            Some(set) if set as i32 == value => Observed::Word("as set".to_owned()),
            _ => Observed::Number(value.into()),
        })
    }

    pub(super) fn sysctl(&mut self, step: &Sysctl) -> Answer {
        self.run.sandbox.must_be_own("a system control")?;
        match sysctl::set(&step.name, &step.value) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Stop::Unsupported(format!("this kernel has no {}", step.name)))
            }
            set => Ok(set.map(|()| Observed::ok())?),
        }
    }
}
