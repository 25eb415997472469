//! Accepts connections, switches keep-alives and shuts the server down.
//!
//! A shutdown first accepts the connections in the listener's queue and closes the listener after that. The kernel has
//! completed their handshakes, so their clients cannot know that they are late; closing the listener would reset them.

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

/// The pause after a failed `accept`, which usually means that the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How a shutdown ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Every request was answered and every connection closed.
    Drained,
    /// The deadline passed; the server dropped the remaining connections.
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
    /// The listener cannot be registered with the runtime, or has no local address.
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

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Switches keep-alives off or on for all connections, including existing ones.
    ///
    /// While they are off, every reply says `close` and is followed by FIN. Idle connections get FIN and no bytes. A
    /// request of which a byte has arrived is served. A connection without any request is served once, if the request
    /// comes within `unused_grace`. After [`Self::shutdown`] keep-alives stay off.
    pub fn set_keep_alives_enabled(&self, enabled: bool) {
        self.shared.set_keep_alives_enabled(enabled);
    }

    /// Stops accepting and switches keep-alives off, without waiting for the connections to end.
    pub fn begin_shutdown(&self) {
        self.shared.stop();
    }

    /// The value of a counter that handlers increment.
    pub fn counted(&self, key: &str) -> u64 {
        self.shared.counted(key)
    }

    /// Stops accepting, switches keep-alives off and waits until every connection has ended.
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
    if !shared.hooks.drains() {
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
    while shared.hooks.accepts(*mode.borrow_and_update() != Mode::Stopped) {
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
    let is_served = shared.hooks.serves_new(*shared.watch_mode().borrow());
    // Without TCP_NODELAY a small reply waits for the acknowledgement of the previous one.
    if is_served && stream.set_nodelay(true).is_ok() {
        connections.spawn(connection::serve(stream, Arc::clone(shared)));
    }
}
