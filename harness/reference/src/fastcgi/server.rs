//! Accepts connections and shuts down.
//!
//! Dropping a [`Server`] stops everything at once: the accepting task owns the connections' tasks, and these own the
//! handlers' tasks. [`Server::drain`] lets active requests finish.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::connection::Serve;
use super::{Handler, Listener, Settings};

/// The pause after a failed `accept`, which usually means that the process is out of descriptors or memory.
const ACCEPT_RETRY: Duration = Duration::from_millis(20);

/// A running application.
#[derive(Debug)]
pub struct Server {
    address: Option<SocketAddr>,
    drain: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts serving. Must be called within a tokio runtime with I/O and time enabled.
    pub fn start<H: Handler>(listener: Listener, handler: H, settings: Settings) -> Self {
        let (drain, draining) = watch::channel(false);
        let address = listener.tcp_address();
        let settings = settings.hooks().settings(settings);
        let accepting = tokio::spawn(accept(listener, Arc::new(handler), Arc::new(settings), draining));
        Self {
            address,
            drain,
            accepting,
        }
    }

    /// The TCP address it listens on.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Stops accepting, rejects new requests with OVERLOADED and closes each connection after its last request. Returns
    /// whether all connections ended within the budget; the others are dropped.
    pub async fn drain(mut self, budget: Duration) -> bool {
        self.drain.send_replace(true);
        tokio::time::timeout(budget, &mut self.accepting).await.is_ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept<H: Handler>(
    listener: Listener,
    handler: Arc<H>,
    settings: Arc<Settings>,
    draining: watch::Receiver<bool>,
) {
    let mut stop = draining.clone();
    let hooks = settings.hooks();
    let requests = Arc::new(Semaphore::new(hooks.requests_max(settings.requests_max)));
    let mut connections = JoinSet::new();
    let connections_max = hooks.connections_max(settings.connections_max);
    loop {
        tokio::select! {
            _ = stop.wait_for(|draining| *draining) => break,
            Some(_) = connections.join_next() => {}
            accepted = next(&listener, &settings), if connections.len() < connections_max => {
                let serve = Serve {
                    handler: Arc::clone(&handler),
                    settings: Arc::clone(&settings),
                    requests: Arc::clone(&requests),
                    drain: draining.clone(),
                };
                match accepted {
                    // Borrowed halves: an owned write half would send FIN when it is dropped.
                    Some(Accepted::Tcp(mut stream)) => {
                        connections.spawn(async move {
                            let (reader, writer) = stream.split();
                            serve.connection(reader, writer).await;
                        });
                    }
                    Some(Accepted::Unix(mut stream)) => {
                        connections.spawn(async move {
                            let (reader, writer) = stream.split();
                            serve.connection(reader, writer).await;
                        });
                    }
                    None => {}
                }
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

enum Accepted {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

/// The next connection; `None` if the peer is not allowed or `accept` failed.
async fn next(listener: &Listener, settings: &Settings) -> Option<Accepted> {
    let accepted = match listener {
        Listener::Tcp(listener) => listener.accept().await.map(|(stream, peer)| {
            // Responses are written whole, so Nagle's algorithm would only delay them.
            let _ = stream.set_nodelay(true);
            (Accepted::Tcp(stream), Some(peer.ip()))
        }),
        Listener::Unix(listener) => listener
            .accept()
            .await
            .map(|(stream, _)| (Accepted::Unix(stream), None)),
    };
    match accepted {
        Ok((stream, peer)) => is_web_server(peer, settings).then_some(stream),
        Err(_) => {
            tokio::time::sleep(ACCEPT_RETRY).await;
            None
        }
    }
}

/// Whether FCGI_WEB_SERVER_ADDRS allows this peer. If it is set, a peer without an IP address is refused (§3.2).
fn is_web_server(peer: Option<IpAddr>, settings: &Settings) -> bool {
    match &settings.web_server_addrs {
        Some(allowed) => {
            let peer = peer.map(|peer| peer.to_canonical());
            allowed.iter().any(|allowed| Some(IpAddr::V4(*allowed)) == peer)
        }
        None => true,
    }
}
