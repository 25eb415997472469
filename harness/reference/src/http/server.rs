//! Accepts connections and tells them what the server has been told.
//!
//! Nothing is lost at a shutdown that a client could not know to be late: connections in the listener's
//! queue are taken before it is closed, since the kernel has completed their handshake and would reset them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::connection;
use super::fault::HttpFault;
use super::settings::Settings;
use super::shared::{Mode, Shared};

/// The pause after a failed `accept`, usually for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How a shutdown came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Every connection was answered and closed in order.
    Drained,
    /// The deadline passed; connections that were left were dropped.
    DeadlinePassed,
}

/// A running server; dropping it drops its connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves the listener's connections on the current tokio runtime.
    ///
    /// # Errors
    /// The listener cannot be put under the runtime.
    pub fn start(
        listener: std::net::TcpListener,
        settings: Settings,
        fault: Option<HttpFault>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(settings, fault));
        let accepting = tokio::spawn(run(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Turns persistence off or on for all connections, also those that exist.
    ///
    /// Off: every reply from now on says `close` and is followed by FIN, idle connections get FIN and no
    /// bytes, requests of which a byte has arrived are served, a connection never used is served once
    /// within a grace. After [`Self::shutdown`] there is no way back on.
    pub fn set_keep_alives_enabled(&self, enabled: bool) {
        self.shared.set_keep_alives_enabled(enabled);
    }

    /// Begins what [`Self::shutdown`] waits for: nothing is accepted any more, connections end behind what
    /// they owe.
    pub fn begin_shutdown(&self) {
        self.shared.stop();
    }

    /// The value of a counter that handlers have raised.
    pub fn counted(&self, key: &str) -> u64 {
        self.shared.counted(key)
    }

    /// Stops accepting, turns persistence off and waits until every connection has ended.
    pub async fn shutdown(mut self, deadline: Duration) -> Shutdown {
        self.begin_shutdown();
        match timeout(deadline, &mut self.accepting).await {
            Ok(_) => Shutdown::Drained,
            Err(_) => Shutdown::DeadlinePassed,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    accept(&listener, &shared, &mut connections).await;
    if shared.has(HttpFault::StopDropsInFlight) {
        return;
    }
    if let Ok(listener) = listener.into_std() {
        while let Ok((stream, _)) = listener.accept() {
            if let Ok(stream) = stream
                .set_nonblocking(true)
                .and_then(|()| TcpStream::from_std(stream))
            {
                admit(stream, &shared, &mut connections);
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn accept(listener: &TcpListener, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    let mut mode = shared.watch_mode();
    while *mode.borrow_and_update() != Mode::ReadError || shared.has(HttpFault::StopKeepsListening) {
        let room = connections.len() < shared.settings.connections_max;
        tokio::select! {
            changed = mode.changed() => changed.expect("shared outlives its watchers"),
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, _)) => admit(stream, shared, connections),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn admit(stream: TcpStream, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    let refused = shared.has(HttpFault::DisableRefusesNew) && *shared.watch_mode().borrow() != Mode::Persist;
    // A small reply must not wait for the acknowledgement of the one before.
    if !refused && stream.set_nodelay(true).is_ok() {
        connections.spawn(connection::serve(stream, Arc::clone(shared)));
    }
}
