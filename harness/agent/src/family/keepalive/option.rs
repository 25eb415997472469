//! Steps on socket options. An option that this system does not have is `unsupported`.

use std::io;

use reusespec_core::Observed;
use reusespec_core::step::keepalive::{GetRaw, RawOption, SetRaw};
use socket2::Socket;

use super::{Answer, Connections, Stop};
use crate::socket_option::{self, OptionId, known};

/// Level and number of an option on this system.
fn id(option: RawOption) -> Option<OptionId> {
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

/// The first `length` octets of the value as an `int`, followed by zeroes.
fn octets(value: i64, length: u8) -> Vec<u8> {
    let mut octets = (value as i32).to_ne_bytes().to_vec();
    octets.resize(length.into(), 0);
    octets
}

/// The name of a socket's pending error. Reading the error clears it.
pub(super) fn pending_error(socket: &Socket) -> io::Result<Option<String>> {
    let error = socket.take_error()?;
    Ok(error.map(|error| crate::errno::name(&error)))
}

impl Connections<'_, '_> {
    pub(super) fn set_raw(&mut self, step: &SetRaw) -> Answer {
        let socket = self.owner(&step.socket)?.visible()?;
        let option = known(step.option, id(step.option))?;
        let octets = octets(step.value, step.length);
        socket_option::set(socket, option, &octets).map_err(|error| Stop::of_option(step.option, error))?;
        if step.option == RawOption::SO_KEEPALIVE {
            self.note_switch();
        }
        Ok(Observed::ok())
    }

    pub(super) fn get_raw(&mut self, step: &GetRaw) -> Answer {
        let socket = self.owner(&step.socket)?.visible()?;
        if step.option == RawOption::SO_ERROR {
            let error = pending_error(socket)?;
            return Ok(Observed::Word(error.unwrap_or_else(|| "none".to_owned())));
        }
        let option = known(step.option, id(step.option))?;
        let value =
            socket_option::get(socket, option).map_err(|error| Stop::of_option(step.option, error))?;
        Ok(match step.compare {
            Some(set) if set as i32 == value => Observed::Word("as set".to_owned()),
            _ => Observed::Number(value.into()),
        })
    }
}
