//! The steps `connect-many` and `send-to-group`: which sockets receive connections or datagrams.
//!
//! The result is a class, such as `spread`, and no count, because counts differ between runs. With 64 sources and three
//! sockets the probability that a fair hash leaves one socket out is below one in 10¹¹.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use reusespec_core::Observed;
use reusespec_core::step::socket::{ConnectMany, Kind, Options, SendToGroup, Sources};
use socket2::{SockAddr, Socket};

use super::stream::{connect_within, readable_within};
use super::{Answer, Sockets, Stop, open};
use crate::program::Received;
use crate::socket_owner::Owner;

/// Timeout for the arrival of one connection or datagram.
const ARRIVES_WITHIN: Duration = Duration::from_millis(500);
/// Timeout for a further copy of a datagram, after one copy has arrived.
const COPY_WITHIN: Duration = Duration::from_millis(50);

/// The timeout of each request to accept or receive, when several sockets of an adapter are asked in turn.
const ASKED_WITHIN: Duration = Duration::from_millis(1);

/// What is sent to the receivers.
#[derive(Clone, Copy)]
enum Transport {
    Connections,
    Datagrams,
}

/// The fate of one connection or datagram.
#[derive(Clone, PartialEq, Eq)]
enum Fate {
    Received(usize),
    Refused(String),
    Lost,
}

impl Sockets<'_, '_> {
    pub(super) fn connect_many(&mut self, step: &ConnectMany) -> Answer {
        let to = step.to.resolve(&self.run.sandbox.ports);
        let mut transport = Transport::Datagrams;
        for name in &step.receivers {
            if self.named(name)?.kind.is_tcp() {
                transport = Transport::Connections;
            }
        }
        let mut fates = Vec::new();
        let mut one_source = None;
        for index in 0..step.count {
            let from = source(step.sources, to, index)?;
            let fate = match (transport, step.sources) {
                (Transport::Connections, _) => self.connection(to, from, &step.receivers)?,
                (Transport::Datagrams, Sources::One) => {
                    let sender = match one_source.take() {
                        Some(sender) => sender,
                        None => datagram_socket(to, from)?,
                    };
                    let fate = self.datagram(&sender, to, &step.receivers)?;
                    one_source = Some(sender);
                    fate
                }
                (Transport::Datagrams, Sources::Ports | Sources::Addresses) => {
                    self.datagram(&datagram_socket(to, from)?, to, &step.receivers)?
                }
            };
            fates.push(fate);
        }
        Ok(Observed::Word(classify(
            &fates,
            step.receivers.len(),
            step.sources,
        )))
    }

    fn connection(
        &mut self,
        to: SocketAddr,
        from: Option<SocketAddr>,
        listeners: &[String],
    ) -> Result<Fate, Stop> {
        let client = client(to, from, true)?;
        if let Err(error) = connect_within(&client, &to.into(), ARRIVES_WITHIN) {
            return Ok(Fate::Refused(crate::errno::name(&error)));
        }
        let fate = self.take(listeners, Transport::Connections)?;
        // An adapter keeps its end open. A reset leaves no TIME_WAIT.
        client.set_linger(Some(Duration::ZERO))?;
        Ok(fate.map_or(Fate::Lost, Fate::Received))
    }

    fn datagram(&mut self, sender: &Socket, to: SocketAddr, receivers: &[String]) -> Result<Fate, Stop> {
        if let Err(error) = sender.send_to(b"x", &to.into()) {
            return Ok(Fate::Refused(crate::errno::name(&error)));
        }
        let fate = self.take(receivers, Transport::Datagrams)?;
        Ok(fate.map_or(Fate::Lost, Fate::Received))
    }

    /// Waits until one of the receivers has the connection or datagram that was just sent, and accepts or receives it there.
    /// Returns the index of that receiver, or `None` if nothing arrives in time.
    fn take(&mut self, receivers: &[String], transport: Transport) -> Result<Option<usize>, Stop> {
        let deadline = Instant::now() + ARRIVES_WITHIN;
        loop {
            let (mut own, mut others) = (Vec::new(), Vec::new());
            for (index, name) in receivers.iter().enumerate() {
                match &self.named(name)?.owner {
                    Owner::Agent(socket) => own.push((index, socket)),
                    Owner::Adapter(_) => others.push((index, name)),
                }
            }
            // An adapter has to be asked, so the agent's sockets are only looked at.
            let wait = if others.is_empty() {
                ARRIVES_WITHIN
            } else {
                Duration::ZERO
            };
            if let Some((index, socket)) = first_readable(&own, wait)? {
                take_from(socket, transport)?;
                return Ok(Some(index));
            }
            for (index, name) in others {
                if self.adapter_takes(name, transport)? {
                    return Ok(Some(index));
                }
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    /// Asks an adapter to accept or receive on one of its sockets. Returns whether it got something.
    fn adapter_takes(&mut self, name: &str, transport: Transport) -> Result<bool, Stop> {
        let adapter = self.adapter()?;
        Ok(match transport {
            Transport::Connections => adapter.takes_connection(name, ASKED_WITHIN)?,
            Transport::Datagrams => matches!(adapter.receive(name, ASKED_WITHIN)?, Received::Text(_)),
        })
    }

    pub(super) fn send_to_group(&mut self, step: &SendToGroup) -> Answer {
        self.run.sandbox.must_have_groups()?;
        let to = step.to.resolve(&self.run.sandbox.ports);
        let kind = if to.is_ipv6() { Kind::Udp6 } else { Kind::Udp4 };
        let sender = open::raw(kind, Options::default())?;
        if to.is_ipv4() {
            sender.set_multicast_if_v4(&Ipv4Addr::LOCALHOST)?;
            sender.set_multicast_loop_v4(true)?;
        } else {
            sender.set_multicast_loop_v6(true)?;
        }
        sender.send_to(b"copy", &to.into())?;
        let mut got = Vec::new();
        for name in &step.receivers {
            let timeout = if got.is_empty() {
                ARRIVES_WITHIN / 2
            } else {
                COPY_WITHIN
            };
            let has_copy = match &self.named(name)?.owner {
                Owner::Agent(socket) => readable_within(socket, timeout)?,
                Owner::Adapter(_) => matches!(self.adapter()?.receive(name, timeout)?, Received::Text(_)),
            };
            if has_copy {
                got.push(name.as_str());
            }
        }
        let word = match got.len() {
            0 => "nobody".to_owned(),
            all if all == step.receivers.len() => "everyone".to_owned(),
            _ => got.join("+"),
        };
        Ok(Observed::Word(word))
    }
}

/// The local address of a source. `None` leaves it to the kernel.
fn source(sources: Sources, to: SocketAddr, index: u32) -> Result<Option<SocketAddr>, Stop> {
    match (sources, to) {
        (Sources::Addresses, SocketAddr::V4(_)) => {
            let [_, _, high, low] = (index + 1).to_be_bytes();
            Ok(Some(SocketAddr::new(
                IpAddr::V4(Ipv4Addr::new(127, 1, high, low)),
                0,
            )))
        }
        (Sources::Addresses, SocketAddr::V6(_)) => Err(Stop::Unsupported(
            "the loopback interface has too few IPv6 addresses".to_owned(),
        )),
        (Sources::Ports | Sources::One, _) => Ok(None),
    }
}

fn client(to: SocketAddr, from: Option<SocketAddr>, tcp: bool) -> Result<Socket, Stop> {
    let kind = match (tcp, to.is_ipv6()) {
        (true, false) => Kind::Tcp4,
        (true, true) => Kind::Tcp6,
        (false, false) => Kind::Udp4,
        (false, true) => Kind::Udp6,
    };
    let socket = open::raw(kind, Options::default())?;
    if let Some(from) = from {
        socket.bind(&SockAddr::from(from))?;
    }
    Ok(socket)
}

fn datagram_socket(to: SocketAddr, from: Option<SocketAddr>) -> Result<Socket, Stop> {
    let socket = client(to, from, false)?;
    if from.is_none() {
        let any: SocketAddr = if to.is_ipv4() {
            ([0, 0, 0, 0], 0).into()
        } else {
            ([0u16; 8], 0).into()
        };
        socket.bind(&any.into())?;
    }
    Ok(socket)
}

fn take_from(socket: &Socket, transport: Transport) -> io::Result<()> {
    match transport {
        Transport::Connections => {
            let (accepted, _) = socket.accept()?;
            // A reset leaves no TIME_WAIT, which could disturb a later step.
            accepted.set_linger(Some(Duration::ZERO))
        }
        Transport::Datagrams => socket.recv(&mut [std::mem::MaybeUninit::uninit(); 16]).map(drop),
    }
}

/// The first of these sockets that is readable within the time.
fn first_readable<'s>(
    sockets: &[(usize, &'s Socket)],
    time: Duration,
) -> io::Result<Option<(usize, &'s Socket)>> {
    use std::os::fd::AsFd;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds: Vec<_> = sockets
        .iter()
        .map(|(_, socket)| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
        .collect();
    poll(&mut fds, PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX))?;
    let first = fds.iter().position(|fd| fd.any().unwrap_or(false));
    Ok(first.map(|index| sockets[index]))
}

/// Summarises fates as a class. The oldest receiver has index 0.
fn classify(fates: &[Fate], receivers: usize, sources: Sources) -> String {
    let mut received: Vec<usize> = Vec::new();
    let mut trouble: Vec<String> = Vec::new();
    for fate in fates {
        match fate {
            Fate::Received(index) => received.push(*index),
            Fate::Refused(error) => trouble.push(error.clone()),
            Fate::Lost => trouble.push("lost".to_owned()),
        }
    }
    trouble.sort();
    trouble.dedup();
    received.sort_unstable();
    received.dedup();
    let who = match (received.as_slice(), sources) {
        ([], _) => return trouble.join(" or "),
        ([_], Sources::One) if receivers > 1 => "all to one".to_owned(),
        ([only], _) if receivers == 1 || only + 1 == receivers => "all to newest".to_owned(),
        ([0], _) => "all to oldest".to_owned(),
        ([_], _) => "all to one".to_owned(),
        _ => "spread".to_owned(),
    };
    if trouble.is_empty() {
        who
    } else {
        format!("{who}, some {}", trouble.join(" or "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(fates: &[Fate], receivers: usize) -> String {
        classify(fates, receivers, Sources::Ports)
    }

    #[test]
    fn fates_are_summarised_as_a_class() {
        let to = Fate::Received;
        assert_eq!(class(&[to(2), to(2)], 3), "all to newest");
        assert_eq!(class(&[to(0), to(0)], 3), "all to oldest");
        assert_eq!(class(&[to(1), to(1)], 3), "all to one");
        assert_eq!(class(&[to(0), to(2)], 3), "spread");
    }

    #[test]
    fn the_class_of_a_single_source_names_no_receiver() {
        let fates = [Fate::Received(2), Fate::Received(2)];
        assert_eq!(classify(&fates, 3, Sources::One), "all to one");
    }

    #[test]
    fn refusals_are_part_of_the_class() {
        let refused = || Fate::Refused("ECONNREFUSED".to_owned());
        assert_eq!(class(&[refused(), refused()], 2), "ECONNREFUSED");
        assert_eq!(
            class(&[Fate::Received(0), refused()], 2),
            "all to oldest, some ECONNREFUSED"
        );
    }
}
