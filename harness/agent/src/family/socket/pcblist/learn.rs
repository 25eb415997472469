//! Learns the layout of the kernel's table from a connection of the agent's own in two of its states.

use std::cell::OnceCell;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use reusespec_core::step::socket::TcpState;
use socket2::SockRef;

use super::{Known, Layout, in_table, learned};

/// Timeout for a FIN on loopback.
const ARRIVES_WITHIN: Duration = Duration::from_secs(2);

thread_local! {
    /// One thread of a case reads the table.
    static LAYOUT: OnceCell<Layout> = const { OnceCell::new() };
}

/// The states of all TCP sockets with this local address.
///
/// # Errors
/// If the kernel refuses the table, or no field in it follows the states of the connection.
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
    // A reset leaves no TIME_WAIT.
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
            // The kernel has no event for a change of the table.
            Err(_) => sleep(Duration::from_millis(1)),
        }
    }
}

fn table() -> io::Result<Vec<u8>> {
    let name = c"net.inet.tcp.pcblist";
    let mut length = 0;
    // SAFETY: the pointer for the value is null, so the kernel writes only the length.
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
    // SAFETY: the kernel writes at most `length` bytes, the size of the buffer. The announced length is an upper bound.
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
