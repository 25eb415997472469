//! A server on a thread of its own, for programs that are not asynchronous themselves.
//!
//! The agent is one: it forks, so it must not have a runtime of its own. Errors of listening are returned to
//! whoever starts it; after that nobody waits for the thread, which ends with the value.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::{FastCgiFault, Handlers, ListenError, Listener, Server, Settings};

/// Where to listen.
#[derive(Debug)]
pub enum At {
    /// A TCP address.
    Tcp(SocketAddr),
    /// The path of a Unix-domain socket.
    Unix(PathBuf),
    /// A listener that somebody else has made.
    Inherited(OwnedFd),
}

/// The standard handlers, served until this is dropped.
#[derive(Debug)]
pub struct Background {
    /// Dropping it ends the thread.
    _stop: oneshot::Sender<()>,
}

impl Background {
    /// Listens and serves.
    ///
    /// # Errors
    /// When the place cannot be listened on, or there is no thread to be had.
    pub fn start(at: At, settings: Settings) -> Result<Self, ListenError> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (listening, listens) = mpsc::channel();
        let no_thread = |source| ListenError::Bind {
            on: "a thread of its own".to_owned(),
            source,
        };
        let serve = move || {
            if settings.has(FastCgiFault::TakenForCgi) && matches!(at, At::Inherited(_)) {
                drop(at);
                return drop(listening.send(Ok(())));
            }
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(listening.send(Err(no_thread(error)))),
            };
            runtime.block_on(async move {
                let listener = match at {
                    At::Tcp(address) => Listener::tcp(address).await,
                    At::Unix(path) => Listener::unix(path),
                    At::Inherited(descriptor) => Listener::inherited(descriptor),
                };
                match listener {
                    Ok(listener) => {
                        let _server = Server::start(listener, Handlers, settings);
                        // Whoever does not wait for the answer has gone, and so has the other end of `stopped`.
                        let _ = listening.send(Ok(()));
                        let _ = stopped.await;
                    }
                    Err(error) => drop(listening.send(Err(error))),
                }
            });
        };
        let thread = std::thread::Builder::new()
            .name("fastcgi reference".to_owned())
            .spawn(serve);
        thread.map_err(no_thread)?;
        let gone = |_| no_thread(io::Error::other("it ended before it listened"));
        listens.recv().map_err(gone)??;
        Ok(Self { _stop: stop })
    }
}
