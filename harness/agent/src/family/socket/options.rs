//! Steps on socket options. An option that this system does not have is `unsupported`.

use std::io;
use std::os::fd::AsRawFd;

use reusespec_core::Observed;
use reusespec_core::step::socket::{GetOption, OptionName, Options, SetOption};
use socket2::Socket;

use super::{Answer, Sockets, Stop};

/// Level and number of an option on this system.
fn number(option: OptionName) -> Option<(libc::c_int, libc::c_int)> {
    match option {
        OptionName::SO_REUSEADDR => Some((libc::SOL_SOCKET, libc::SO_REUSEADDR)),
        OptionName::SO_REUSEPORT => Some((libc::SOL_SOCKET, libc::SO_REUSEPORT)),
        #[cfg(target_os = "freebsd")]
        OptionName::SO_REUSEPORT_LB => Some((libc::SOL_SOCKET, libc::SO_REUSEPORT_LB)),
        OptionName::SO_ERROR => Some((libc::SOL_SOCKET, libc::SO_ERROR)),
        OptionName::IPV6_V6ONLY => Some((libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)),
        #[cfg(target_os = "linux")]
        OptionName::IP_BIND_ADDRESS_NO_PORT => Some((libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT)),
        #[cfg(target_os = "linux")]
        OptionName::IP_MULTICAST_ALL => Some((libc::IPPROTO_IP, libc::IP_MULTICAST_ALL)),
        #[cfg(not(target_os = "freebsd"))]
        OptionName::SO_REUSEPORT_LB => None,
        #[cfg(not(target_os = "linux"))]
        OptionName::IP_BIND_ADDRESS_NO_PORT | OptionName::IP_MULTICAST_ALL => None,
    }
}

fn known(option: OptionName) -> Result<(libc::c_int, libc::c_int), Stop> {
    number(option)
        .ok_or_else(|| Stop::Unsupported(format!("{option:?} does not exist on {}", std::env::consts::OS)))
}

pub(super) fn set_integer(
    socket: &Socket,
    (level, name): (libc::c_int, libc::c_int),
    value: i32,
) -> io::Result<()> {
    let length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes of `value`.
    let status =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn get_integer(socket: &Socket, (level, name): (libc::c_int, libc::c_int)) -> io::Result<i32> {
    let mut value = 0i32;
    let mut length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `value`.
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

/// Sets the port-sharing options of a new socket.
pub(super) fn share(socket: &Socket, options: Options) -> Result<(), Stop> {
    for (wanted, option) in [
        (options.reuse_addr, OptionName::SO_REUSEADDR),
        (options.reuse_port, OptionName::SO_REUSEPORT),
        (options.reuse_port_lb, OptionName::SO_REUSEPORT_LB),
    ] {
        if wanted {
            set_integer(socket, known(option)?, 1)?;
        }
    }
    Ok(())
}

impl Sockets<'_, '_> {
    pub(super) fn set(&mut self, step: &SetOption) -> Answer {
        let option = known(step.option)?;
        let set = self.as_owner(&step.socket, |socket| Ok(set_integer(socket, option, step.value)))?;
        set.map_err(|error| Stop::of_option(step.option, error))?;
        Ok(Observed::ok())
    }

    pub(super) fn get(&mut self, step: &GetOption) -> Answer {
        let option = known(step.option)?;
        let got = self.as_owner(&step.socket, |socket| Ok(get_integer(socket, option)))?;
        let value = got.map_err(|error| Stop::of_option(step.option, error))?;
        Ok(Observed::Number(value.into()))
    }
}
