//! One client as the hub sees it.

use serde::Serialize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::model::Clock as _;
use crate::model::{SystemClock, Timestamp};

use super::super::rooms::Room;
use super::message::Message;
use super::queue::{Bounds, Entry, Loss, Queue, Totals};
use super::spec::Spec;

/// One message for one client, on its way into the queue.
pub type Delivery = (Arc<Message>, Option<Arc<Spec>>);

/// A client with its queue. The hub puts in, the client's own task takes out.
#[derive(Debug)]
pub struct Client {
    id: u64,
    since: Timestamp,
    /// Held for a few moves only: the publisher may be waiting for it.
    queue: Mutex<Queue>,
    news: Notify,
    pub(super) rooms: AtomicUsize,
}

/// A client as `/status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientView {
    /// Counts clients.
    pub id: u64,
    /// RFC 3339.
    pub since: String,
    /// Rooms that it has joined.
    pub rooms: usize,
    /// Messages that wait for it.
    pub queue: usize,
    /// Messages that it was sent.
    pub sent: u64,
    /// Messages that it was too slow for.
    pub dropped: u64,
    /// States that were replaced by newer ones while they waited for it.
    pub conflated: u64,
}

impl Client {
    pub(super) fn new(id: u64, bounds: Bounds) -> Self {
        Self {
            id,
            since: SystemClock.now(),
            queue: Mutex::new(Queue::new(bounds)),
            news: Notify::new(),
            rooms: AtomicUsize::new(0),
        }
    }

    /// Counts clients, from 1.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Answers this client alone; `data` is one JSON value.
    pub fn reply(&self, kind: &'static str, data: &str) {
        // The room does not matter: answers are never dropped.
        let message = Message::new(Room::Status, kind, data, SystemClock.now());
        self.queue().reply(Arc::new(message));
        self.news.notify_one();
    }

    /// Puts in what was published, and empties `deliveries`.
    pub(super) fn deliver(&self, deliveries: &mut Vec<Delivery>, now: Instant) {
        let mut queue = self.queue();
        for (message, spec) in deliveries.drain(..) {
            queue.push(message, spec, now);
        }
        drop(queue);
        self.news.notify_one();
    }

    /// Takes out what waits, oldest first, up to so many messages and about so many bytes, and what was lost before
    /// that.
    pub fn take(&self, messages: usize, bytes: usize, into: &mut Vec<Entry>) -> Option<Loss> {
        let now = Instant::now();
        let mut queue = self.queue();
        let loss = queue.take_loss(now);
        queue.take(messages, bytes, now, into);
        loss
    }

    /// Waits until something is put in. Returns at once where that was so since it was last waited for.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// See [`Queue::is_hopeless`].
    pub fn is_hopeless(&self) -> bool {
        self.queue().is_hopeless(Instant::now())
    }

    /// As `/status` shows it.
    pub fn view(&self) -> ClientView {
        let (totals, queue) = self.totals();
        ClientView {
            id: self.id,
            since: self.since.to_string(),
            rooms: self.rooms.load(Ordering::Relaxed),
            queue,
            sent: totals.sent,
            dropped: totals.dropped,
            conflated: totals.conflated,
        }
    }

    /// What happened so far, and how many wait.
    pub(super) fn totals(&self) -> (Totals, usize) {
        let queue = self.queue();
        (queue.totals(), queue.len())
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no holder of this lock panics")
    }
}
