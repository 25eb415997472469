//! Limits and timeouts of a server. Each bounds the memory or the time that a peer can make the server spend.
//!
//! Limits belong to a server or a connection and are not global, so that tests with small limits run in parallel.

use std::net::Ipv4Addr;
use std::time::Duration;

use reusespec_wire::fastcgi::Role;

use super::FastCgiFault;
use super::hooks::Hooks;

/// How a [`super::Server`] behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Roles served; others get UNKNOWN_ROLE (§5.5).
    pub roles: Vec<Role>,
    /// Whether one connection carries concurrent requests: FCGI_MPXS_CONNS (§4.1), CANT_MPX_CONN if not
    /// (§5.5).
    pub multiplex: bool,
    /// Connections served at once: FCGI_MAX_CONNS. Further ones wait in the listener's queue.
    pub connections_max: usize,
    /// Requests active at once on all connections: FCGI_MAX_REQS. Further ones get OVERLOADED.
    pub requests_max: usize,
    /// Ids active at once on one connection. Further ones get OVERLOADED, so that a connection which begins
    /// ids and never finishes them cannot use up memory (golang/go#81548) or all of `requests_max`.
    pub requests_per_connection_max: usize,
    /// Bytes in the PARAMS stream of one request. A longer one gets OVERLOADED.
    pub params_len_max: usize,
    /// Bytes of PARAMS held for all requests of one connection. The request that exceeds it gets OVERLOADED.
    pub params_held_max: usize,
    /// Bytes of STDIN and DATA held for the handlers of one connection; at least 65535. At the limit the connection is
    /// not read until a handler reads: FastCGI has no flow control per request, and the alternatives are to lose bytes
    /// or to hold any number of them.
    pub input_held_max: usize,
    /// Bytes of output held for one connection before handlers have to wait.
    pub output_held_max: usize,
    /// The connection is dropped when its peer has not read any output for this long.
    pub stall_timeout: Duration,
    /// How long input is read and dropped after the last byte was sent, so that the close is a FIN and not an RST,
    /// which could destroy the response in flight (golang/go#4183).
    pub linger_timeout: Duration,
    /// FCGI_WEB_SERVER_ADDRS (§3.2). If set, connections of other peers are closed at once, including all Unix-domain
    /// ones.
    pub web_server_addrs: Option<Vec<Ipv4Addr>>,
    /// A known bug to switch on.
    pub fault: Option<FastCgiFault>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            roles: vec![Role::Responder, Role::Authorizer, Role::Filter],
            multiplex: true,
            connections_max: 256,
            requests_max: 1024,
            requests_per_connection_max: 128,
            params_len_max: 1 << 20,
            params_held_max: 4 << 20,
            input_held_max: 4 << 20,
            output_held_max: 256 << 10,
            stall_timeout: Duration::from_secs(30),
            linger_timeout: Duration::from_secs(2),
            web_server_addrs: None,
            fault: None,
        }
    }
}

impl Settings {
    pub(super) fn hooks(&self) -> Hooks {
        Hooks(self.fault)
    }
}
