//! Error numbers as the manual names them: 98 here is 48 there, `EADDRINUSE` is the same everywhere.

use std::fmt::Debug;
use std::io;

use nix::errno::Errno;

/// `EADDRINUSE` for the error a system call returned.
pub(crate) fn name(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{:?}", Errno::from_raw(number)),
        None => format!("{:?}", error.kind()),
    }
}

/// What is lacking where an error says that there is no such option, of those this system has: an older kernel says so,
/// or an emulator of its CPU that does not pass the option on (qemu-user, for one, knows no IP_BIND_ADDRESS_NO_PORT).
pub(crate) fn lacks_option(option: &impl Debug, error: &io::Error) -> Option<String> {
    (error.raw_os_error() == Some(libc::ENOPROTOOPT))
        .then(|| format!("{option:?} is not known to this kernel, or to what emulates its CPU"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_manual_s_name() {
        assert_eq!(
            name(&io::Error::from_raw_os_error(libc::EADDRINUSE)),
            "EADDRINUSE"
        );
        assert_eq!(name(&io::Error::from_raw_os_error(libc::EAGAIN)), "EAGAIN");
    }
}
