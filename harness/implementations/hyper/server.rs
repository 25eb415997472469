//! The parts that hyper leaves to its user: accepting connections, and switching the keep-alives of all of them.
//!
//! hyper serves single connections. `Connection::graceful_shutdown` switches keep-alives off on an existing connection,
//! `Builder::keep_alive(false)` on a new one. The server-wide switch here calls these two and does nothing else.

use std::collections::HashMap;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::handlers::handle;

/// The state of the keep-alive switch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Persist,
    Close,
    Stop,
}

/// State that all connections share.
pub(crate) struct Shared {
    mode: watch::Sender<Mode>,
    counters: Mutex<HashMap<String, u64>>,
}

impl Shared {
    pub(crate) fn switch(&self, enabled: bool) {
        self.mode
            .send_replace(if enabled { Mode::Persist } else { Mode::Close });
    }

    pub(crate) fn shut_down(&self) {
        self.mode.send_replace(Mode::Stop);
    }

    /// Adds one to a counter and returns its new value.
    pub(crate) fn count(&self, key: &str) -> u64 {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = counters.entry(key.to_owned()).or_default();
        *counter += 1;
        *counter
    }

    pub(crate) fn counted(&self, key: &str) -> u64 {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.get(key).copied().unwrap_or(0)
    }
}

pub(crate) struct Server {
    pub(crate) shared: Arc<Shared>,
}

impl Server {
    /// Listens, and serves on a thread of its own until the process exits.
    pub(crate) fn start(at: &str) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(at)?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let shared = Arc::new(Shared {
            mode: watch::Sender::new(Mode::Persist),
            counters: Mutex::default(),
        });
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            runtime.block_on(async {
                accept(listener, accepting).await;
                std::future::pending::<()>().await;
            });
        });
        Ok(Self { shared })
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    while *mode.borrow_and_update() != Mode::Stop {
        tokio::select! {
            changed = mode.changed() => changed.expect("shared outlives its watchers"),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(tokio::spawn(serve(stream, Arc::clone(&shared)))),
                Err(error) => eprintln!("accepting failed: {error}"),
            },
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    let persists = *mode.borrow_and_update() == Mode::Persist;
    let service = service_fn(|request| handle(request, Arc::clone(&shared)));
    let connection = Builder::new()
        .keep_alive(persists)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            // The switch is polled first, so that it takes effect before the reply of the handler that set it begins.
            biased;
            changed = mode.changed() => {
                changed.expect("shared outlives its watchers");
                if *mode.borrow_and_update() != Mode::Persist {
                    connection.as_mut().graceful_shutdown();
                }
            }
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    eprintln!("a connection ended: {error}");
                }
                return;
            }
        }
    }
}
