//! Names of errors. The number of `EADDRINUSE` differs between systems (98 on Linux, 48 on the BSDs), its name does
//! not.

use std::io;

use nix::errno::Errno;

/// The name of a system call's error in the manual, such as `EADDRINUSE`. An error without a number has the name of its
/// [`io::ErrorKind`].
pub(crate) fn name(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => canonical(format!("{:?}", Errno::from_raw(number))),
        None => format!("{:?}", error.kind()),
    }
}

/// One name for a number with two. ENOTSUP and EOPNOTSUPP are the same number on all our systems, but `Errno` has the
/// one name on Linux and the other on the BSDs.
fn canonical(name: String) -> String {
    if name == "ENOTSUP" {
        "EOPNOTSUPP".to_owned()
    } else {
        name
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

    #[test]
    fn a_number_with_two_names_has_one() {
        for number in [libc::EOPNOTSUPP, libc::ENOTSUP] {
            assert_eq!(name(&io::Error::from_raw_os_error(number)), "EOPNOTSUPP");
        }
        assert_eq!(canonical("ENOTSUP".to_owned()), "EOPNOTSUPP");
    }
}
