//! The application behind a web server. It gives the configured answer and records what it receives.
//!
//! Each connection has a thread, because a web server may open any number of connections and each thread only waits. A
//! thread ends with its connection, or with the process of the case.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use reusespec_core::step::fastcgi::Answering;
use reusespec_wire::fastcgi::Decoder;

use super::answer::{closes, is_due, response};
use super::record::{Log, Requests};

/// A listening application.
pub(super) struct Upstream {
    log: Arc<Mutex<Log>>,
}

impl Upstream {
    /// Listens, and answers until the process ends.
    pub(super) fn start(at: SocketAddr, answer: Answering) -> std::io::Result<Self> {
        let listener = TcpListener::bind(at)?;
        let log = Arc::new(Mutex::new(Log::default()));
        let upstream = Self {
            log: Arc::clone(&log),
        };
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let log = Arc::clone(&log);
                thread::spawn(move || serve(socket, answer, &log));
            }
        });
        Ok(upstream)
    }

    /// The summary so far.
    pub(super) fn record(&self) -> MutexGuard<'_, Log> {
        locked(&self.log)
    }
}

fn locked(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves one connection to its end.
fn serve(mut socket: TcpStream, answer: Answering, log: &Mutex<Log>) {
    let mut decoder = Decoder::new();
    let mut requests = Requests::new();
    let mut buffer = [0; 16 << 10];
    let mut connected = false;
    let mut closing = false;
    while let Ok(len @ 1..) = socket.read(&mut buffer) {
        if !connected {
            // A connection without any bytes, such as a health check, is not counted.
            connected = true;
            locked(log).connected();
        }
        decoder.feed(&buffer[..len]);
        while let Some(record) = decoder.next_record() {
            if closing {
                continue;
            }
            let Some(id) = locked(log).take(&record, &mut requests) else {
                continue;
            };
            let Some(open) = requests.get(&id).filter(|open| is_due(open, answer)) else {
                continue;
            };
            closing = !open.keep_conn || closes(answer);
            requests.remove(&id);
            if socket.write_all(&response(id, answer)).is_err() {
                return;
            }
        }
        if closing {
            // The rest of a request that was answered early is still read. Otherwise the kernel would send RST.
            let _ = socket.shutdown(Shutdown::Write);
        }
    }
    locked(log).closed(requests.len());
}
