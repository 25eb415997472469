//! A connection of our own, looked at in the kernel's table in two of its states.

use std::cell::OnceCell;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use reusespec_core::step::socket::TcpState;
use socket2::SockRef;

use super::{Known, Layout, in_table, learned};

/// For a FIN to arrive on loopback.
const ARRIVES_WITHIN: Duration = Duration::from_secs(2);

thread_local! {
    /// Cases have one thread that asks.
    static LAYOUT: OnceCell<Layout> = const { OnceCell::new() };
}

/// States of all TCP sockets with this local address.
///
/// # Errors
/// When the kernel refuses its table, or nothing in it follows the states of a connection of ours.
pub(in crate::family::socket) fn states(local: SocketAddr) -> io::Result<Vec<TcpState>> {
    let layout = LAYOUT.with(|known| match known.get() {
        Some(layout) => Ok(*layout),
        None => learn().map(|layout| *known.get_or_init(|| layout)),
    })?;
    Ok(in_table(&table()?, layout, local))
}

fn learn() -> io::Result<Layout> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    // What is left of it would be a TIME_WAIT.
    SockRef::from(&server).set_linger(Some(Duration::ZERO))?;
    let (here, there) = (client.local_addr()?, server.local_addr()?);
    let known = |client, server| -> Vec<Known> { vec![(here, there, client), (there, here, server)] };
    let open = (table()?, known(TcpState::Established, TcpState::Established));
    client.shutdown(Shutdown::Write)?;
    let half_closed = known(TcpState::FinWait2, TcpState::CloseWait);
    let deadline = Instant::now() + ARRIVES_WITHIN;
    loop {
        match learned(&[open.clone(), (table()?, half_closed.clone())]) {
            Ok(layout) => return Ok(layout),
            Err(error) if Instant::now() >= deadline => return Err(io::Error::other(error)),
            // The table has no event to wait for.
            Err(_) => sleep(Duration::from_millis(1)),
        }
    }
}

fn table() -> io::Result<Vec<u8>> {
    let name = c"net.inet.tcp.pcblist";
    let mut length = 0;
    // SAFETY: without a place for the value the kernel writes only its length.
    nix::Error::result(unsafe {
        libc::sysctlbyname(
            name.as_ptr(),
            std::ptr::null_mut(),
            &raw mut length,
            std::ptr::null_mut(),
            0,
        )
    })?;
    let mut table = vec![0u8; length];
    // SAFETY: the kernel writes at most `length` bytes, which is the room there is. It announces more than there are.
    nix::Error::result(unsafe {
        libc::sysctlbyname(
            name.as_ptr(),
            table.as_mut_ptr().cast(),
            &raw mut length,
            std::ptr::null_mut(),
            0,
        )
    })?;
    table.truncate(length);
    Ok(table)
}
