//! Names of errors. The number of `EADDRINUSE` differs between systems (98 on Linux, 48 on the BSDs), its name does
//! not.

use std::io;

use nix::errno::Errno;

/// The name of a system call's error in the manual, such as `EADDRINUSE`. An error without a number has the name of its
/// [`io::ErrorKind`].
pub(crate) fn name(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{:?}", Errno::from_raw(number)),
        None => format!("{:?}", error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_name_in_the_manual() {
        assert_eq!(
            name(&io::Error::from_raw_os_error(libc::EADDRINUSE)),
            "EADDRINUSE"
        );
        assert_eq!(name(&io::Error::from_raw_os_error(libc::EAGAIN)), "EAGAIN");
    }
}
