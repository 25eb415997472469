//! Error numbers as the manual names them: 98 here is 48 there, `EADDRINUSE` is the same everywhere.

use std::io;

use nix::errno::Errno;

/// `EADDRINUSE` for the error a system call returned.
pub(crate) fn name(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{:?}", Errno::from_raw(number)),
        None => format!("{:?}", error.kind()),
    }
}

/// Whether it says that there is no such socket option.
pub(crate) fn is_unknown_option(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOPROTOOPT)
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
