//! A server on a thread of its own, for programs that are not asynchronous.
//!
//! The agent uses it: it forks, so it must not run a tokio runtime. `Background::start` returns errors of listening.
//! The thread stops when the [`Background`] is dropped; nothing joins it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::{Handlers, ListenError, Listener, Server, Settings};

/// Where to listen.
#[derive(Debug)]
pub enum At {
    /// A TCP address.
    Tcp(SocketAddr),
    /// The path of a Unix-domain socket.
    Unix(PathBuf),
    /// A listening socket that another program has created.
    Inherited(OwnedFd),
}

/// A running server with the standard handlers; dropping it stops the server.
#[derive(Debug)]
pub struct Background {
    /// Dropping the sender ends the thread.
    _stop: oneshot::Sender<()>,
}

impl Background {
    /// Starts the thread and waits until it listens.
    ///
    /// # Errors
    /// The address cannot be bound, or the thread or its runtime cannot be started.
    pub fn start(at: At, settings: Settings) -> Result<Self, ListenError> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (listening, listens) = mpsc::channel();
        let no_thread = |source| ListenError::Bind {
            on: "a background thread".to_owned(),
            source,
        };
        let serve = move || {
            if !settings.hooks().serves(&at) {
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
                        // If the receiver is gone, so is the sender of `stopped`, and the thread ends.
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
        let gone = |_| no_thread(io::Error::other("the thread ended before it listened"));
        listens.recv().map_err(gone)??;
        Ok(Self { _stop: stop })
    }
}
