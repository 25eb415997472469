//! Steps on socket options. An option that this system does not have is `unsupported`.

use reusespec_core::Observed;
use reusespec_core::step::socket::{GetOption, OptionName, Options, SetOption};
use socket2::Socket;

use super::{Answer, Sockets, Stop};
use crate::socket_option::{OptionId, get, known, set};

/// Level and number of an option on this system.
fn id(option: OptionName) -> Option<OptionId> {
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

/// Sets the port-sharing options of a new socket.
pub(super) fn share(socket: &Socket, options: Options) -> Result<(), Stop> {
    for (wanted, option) in [
        (options.reuse_addr, OptionName::SO_REUSEADDR),
        (options.reuse_port, OptionName::SO_REUSEPORT),
        (options.reuse_port_lb, OptionName::SO_REUSEPORT_LB),
    ] {
        if wanted {
            set(socket, known(option, id(option))?, &1i32.to_ne_bytes())?;
        }
    }
    Ok(())
}

impl Sockets<'_, '_> {
    pub(super) fn set(&mut self, step: &SetOption) -> Answer {
        let option = known(step.option, id(step.option))?;
        let octets = step.value.to_ne_bytes();
        let set = self.as_owner(&step.socket, |socket| Ok(set(socket, option, &octets)))?;
        set.map_err(|error| Stop::of_option(step.option, error))?;
        Ok(Observed::ok())
    }

    pub(super) fn get(&mut self, step: &GetOption) -> Answer {
        let option = known(step.option, id(step.option))?;
        let named = self.named(&step.socket)?;
        let socket = named.owner.visible()?;
        let got = self.as_user(named.user, || get(socket, option))?;
        let value = got.map_err(|error| Stop::of_option(step.option, error))?;
        Ok(Observed::Number(value.into()))
    }
}
