//! The step `time-wait`: brings a TCP connection to TIME_WAIT on a chosen side, and checks the state in the kernel's
//! table.

use std::time::Duration;

use reusespec_core::step::endpoint::{Endpoint, Port};
use reusespec_core::step::socket::{Kind, Options, Side, TcpState, TimeWait};
use socket2::Socket;

use super::stream::readable_within;
use super::{Answer, Sockets, Stop, open};

const HANDSHAKE_WITHIN: Duration = Duration::from_secs(2);

impl Sockets<'_, '_> {
    /// The side that closes first ends in TIME_WAIT (RFC 9293 §3.6). Its local address is `at`.
    pub(super) fn time_wait(&mut self, step: &TimeWait) -> Answer {
        let kind = if step.at.address.is_ipv6() {
            Kind::Tcp6
        } else {
            Kind::Tcp4
        };
        let other = Endpoint {
            address: step.at.address,
            port: Port::Leased(1),
        };
        let (listen_at, connect_from) = match step.side {
            Side::Client => (&other, &step.at),
            Side::Server | Side::ServerBesideListener => (&step.at, &other),
        };
        let (listener_options, client_options) = match step.side {
            Side::Client => (Options::default(), step.options),
            Side::Server | Side::ServerBesideListener => (step.options, Options::default()),
        };
        let listener = open::raw(kind, listener_options)?;
        listener.bind(&self.address(listen_at))?;
        listener.listen(1)?;
        let client = open::raw(kind, client_options)?;
        client.bind(&self.address(connect_from))?;
        client.connect(&self.address(listen_at))?;
        if !readable_within(&listener, HANDSHAKE_WITHIN)? {
            return Err(Stop::Broken("the connection was not accepted".to_owned()));
        }
        let (server, _) = listener.accept()?;
        match step.side {
            Side::Client => close_in_order(client, &server)?,
            Side::Server | Side::ServerBesideListener => close_in_order(server, &client)?,
        }
        if step.side == Side::ServerBesideListener {
            self.kept.push(listener);
        }
        self.await_state(&step.at, TcpState::TimeWait)
    }
}

/// Closes one end, waits until the other has received its FIN, and shuts that one down too.
fn close_in_order(first: Socket, second: &Socket) -> Result<(), Stop> {
    drop(first);
    if readable_within(second, HANDSHAKE_WITHIN)? {
        // The caller closes this socket only when the step ends. Shutting it down sends its FIN now.
        second.shutdown(std::net::Shutdown::Both)?;
        Ok(())
    } else {
        Err(Stop::Broken("the FIN did not arrive".to_owned()))
    }
}
