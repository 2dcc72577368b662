//! Data by other means while there is no WebSocket.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Fuse};
use tokio::sync::watch;

use crate::feed::Topic;

/// What feeds topics while they have no WebSocket.
pub trait Fallback: Send + Sync {
    /// Feeds these until dropped. Says in `working` whether it does: `None` until that is known, then
    /// whether the last round brought something, or why it did not.
    fn run(
        self: Arc<Self>,
        topics: Vec<Topic>,
        working: watch::Sender<Option<Working>>,
    ) -> BoxFuture<'static, ()>;
}

/// Whether a [`Fallback`] brings data, or what is in its way.
pub type Working = Result<(), Obstacle>;

/// Why a [`Fallback`] brings no data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// In words.
    pub why: String,
    /// It does not go away by itself.
    pub is_final: bool,
}

/// A fallback at work.
pub(super) struct Polling {
    running: Fuse<BoxFuture<'static, ()>>,
    working: watch::Receiver<Option<Working>>,
}

impl Polling {
    pub fn start(fallback: Arc<dyn Fallback>, topics: Vec<Topic>) -> Self {
        let (sender, working) = watch::channel(None);
        Self {
            running: fallback.run(topics, sender).fuse(),
            working,
        }
    }

    /// Whether it last said that it does not work.
    pub fn has_failed(&self) -> bool {
        matches!(*self.working.borrow(), Some(Err(_)))
    }

    /// Polls on until it says something else. Cancel safe.
    pub async fn verdict(&mut self) -> Working {
        loop {
            tokio::select! {
                biased;
                said = self.working.changed() => {
                    let verdict = self.working.borrow_and_update().clone();
                    match (said, verdict) {
                        (Ok(()), Some(verdict)) => return verdict,
                        (Ok(()), None) => {}
                        // Its sender went away with it: no more is to be expected of it.
                        (Err(_), _) => std::future::pending().await,
                    }
                }
                () = &mut self.running => {}
            }
        }
    }
}

/// What the fallback says; never, where there is none at work.
pub(super) async fn verdict(polling: Option<&mut Polling>) -> Working {
    match polling {
        Some(polling) => polling.verdict().await,
        None => std::future::pending().await,
    }
}
