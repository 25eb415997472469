//! A stream from the connection to a handler: [`Input`] reads, `Feed` writes.
//!
//! Writing never waits. Each unread piece holds permits of the connection's memory budget, which are released when the
//! piece is read or the [`Input`] is dropped. After that, further pieces are discarded, so that a handler that does not
//! read its body costs no memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, OwnedSemaphorePermit};

/// The reading end of STDIN or DATA.
#[derive(Debug)]
pub struct Input(Arc<Pipe>);

/// The writing end, held by the connection; dropping it ends the stream.
#[derive(Debug)]
pub(super) struct Feed(Arc<Pipe>);

#[derive(Debug, Default)]
struct Pipe {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<(Vec<u8>, OwnedSemaphorePermit)>,
    ended: bool,
    unread: bool,
}

impl Pipe {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics while it holds this lock")
    }
}

/// Both ends of a stream.
pub(super) fn stream() -> (Feed, Input) {
    let pipe = Arc::new(Pipe::default());
    (Feed(Arc::clone(&pipe)), Input(pipe))
}

impl Input {
    /// Waits for the content of the next record; `None` at the end of the stream.
    pub async fn piece(&mut self) -> Option<Vec<u8>> {
        loop {
            {
                let mut state = self.0.state();
                if let Some((piece, _permit)) = state.pieces.pop_front() {
                    return Some(piece);
                }
                if state.ended {
                    return None;
                }
            }
            self.0.changed.notified().await;
        }
    }

    /// Reads to the end of the stream. The length has no limit; the handler decides to hold it in memory.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(piece) = self.piece().await {
            all.extend_from_slice(&piece);
        }
        all
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.unread = true;
        state.pieces.clear();
    }
}

impl Feed {
    /// Whether the reading end has been dropped.
    pub(super) fn is_unread(&self) -> bool {
        self.0.state().unread
    }

    /// Appends a piece, with the permits for its bytes.
    pub(super) fn push(&self, piece: Vec<u8>, permit: OwnedSemaphorePermit) {
        let mut state = self.0.state();
        if !state.unread {
            state.pieces.push_back((piece, permit));
            drop(state);
            self.0.changed.notify_one();
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.state().ended = true;
        self.0.changed.notify_one();
    }
}
