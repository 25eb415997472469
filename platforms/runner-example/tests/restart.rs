//! Tests of the kernel's behaviour: this machine's kernel with `cargo test`, the guest's with `--target`.

use std::io::Read;
use std::net::TcpStream;

use runner_example::{kernel_release, listen};

#[test]
fn a_listener_starts_again_over_connections_in_time_wait() {
    let first = listen(([127, 0, 0, 1], 0).into()).unwrap();
    let address = first.local_addr().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    // The side that closes first enters TIME_WAIT.
    drop(first.accept().unwrap());
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop((client, first));
    listen(address).unwrap();
}

#[test]
fn a_second_listener_is_refused() {
    let first = listen(([127, 0, 0, 1], 0).into()).unwrap();
    let error = listen(first.local_addr().unwrap()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[cfg(target_arch = "aarch64")]
#[test]
fn this_is_the_guest() {
    assert!(kernel_release().unwrap().starts_with("6.1."));
}

#[cfg(not(target_arch = "aarch64"))]
#[test]
fn this_machine_has_a_kernel_of_its_own() {
    assert!(!kernel_release().unwrap().is_empty());
}
