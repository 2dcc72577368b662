//! What waits for one client: bounded, by class, numbered. Pure.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::rooms::Room;
use super::message::{Message, StateOf};
use super::spec::Spec;

/// A message of a flow that waited for longer is of no use any more.
const MAX_AGE: Duration = Duration::from_secs(5);
/// How long a client may be behind.
const MAX_BEHIND: Duration = Duration::from_secs(30);
/// How often a client is told that it missed something before it is told to come again.
const MAX_NOTICES: u32 = 3;
/// Without a loss for so long, earlier ones are forgotten.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// Answers that wait for a client that asks without reading.
const MAX_REPLIES: usize = 256;

/// Bounds on what waits.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Messages that each count.
    pub messages: usize,
    /// Their bytes, and those of answers.
    pub bytes: usize,
}

/// One message in the queue.
#[derive(Debug)]
pub struct Entry {
    /// Counts what was put into this queue, from 1: the order, whatever class it is of.
    pub number: u64,
    /// What is sent.
    pub message: Arc<Message>,
    /// What of it this client wants.
    pub spec: Option<Arc<Spec>>,
}

/// What was lost since the last time that it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Messages that each count.
    pub count: u64,
    /// Where they were told.
    pub rooms: Vec<Room>,
}

/// Messages in the order in which they were put in. States are conflated: the newest replaces the one that waits.
/// Messages that each count are dropped, the oldest first, when there are too many or when they are too old, and
/// counted.
#[derive(Debug)]
pub struct Queue {
    bounds: Bounds,
    next: u64,
    /// Answers to this client: never dropped, but bounded.
    replies: Lane,
    /// Messages that each count.
    flow: Lane,
    /// Newest states; a replaced one leaves a `None`.
    states: VecDeque<(u64, Option<Entry>)>,
    waiting: HashMap<StateOf, u64>,
    loss: Loss,
    behind_since: Option<Instant>,
    last_loss: Option<Instant>,
    notices: u32,
    overrun: bool,
    totals: Totals,
}

/// Counts since the beginning.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Taken out to be sent.
    pub sent: u64,
    /// Lost.
    pub dropped: u64,
    /// Replaced by a newer state.
    pub conflated: u64,
}

#[derive(Debug, Default)]
struct Lane {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Lane {
    fn push(&mut self, entry: Entry) {
        self.bytes += entry.message.bytes();
        self.entries.push_back(entry);
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.message.bytes();
        Some(entry)
    }

    fn number(&self) -> u64 {
        self.entries.front().map_or(u64::MAX, |entry| entry.number)
    }
}

impl Queue {
    /// An empty one.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            next: 1,
            replies: Lane::default(),
            flow: Lane::default(),
            states: VecDeque::new(),
            waiting: HashMap::new(),
            loss: Loss {
                count: 0,
                rooms: Vec::new(),
            },
            behind_since: None,
            last_loss: None,
            notices: 0,
            overrun: false,
            totals: Totals::default(),
        }
    }

    /// Puts in what was published.
    pub fn push(&mut self, message: Arc<Message>, spec: Option<Arc<Spec>>, now: Instant) {
        let entry = self.entry(message, spec);
        match entry.message.state_of {
            Some(of) => self.put_state(of, entry),
            None => {
                self.flow.push(entry);
                self.trim(now);
            }
        }
    }

    /// Puts in an answer to this client.
    pub fn reply(&mut self, message: Arc<Message>) {
        let entry = self.entry(message, None);
        self.replies.push(entry);
        self.overrun |=
            self.replies.entries.len() > MAX_REPLIES || self.replies.bytes > self.bounds.bytes;
    }

    /// What was lost, to be told before anything else.
    pub fn take_loss(&mut self, now: Instant) -> Option<Loss> {
        self.trim(now);
        if self.loss.count == 0 {
            return None;
        }
        self.notices += 1;
        Some(Loss {
            count: std::mem::take(&mut self.loss.count),
            rooms: std::mem::take(&mut self.loss.rooms),
        })
    }

    /// Takes the oldest ones out, up to so many messages and a little more than so many bytes.
    pub fn take(&mut self, messages: usize, bytes: usize, now: Instant, into: &mut Vec<Entry>) {
        self.trim(now);
        let mut taken = 0;
        for _ in 0..messages {
            let Some(entry) = self.pop() else {
                self.caught_up(now);
                break;
            };
            taken += entry.message.bytes();
            self.totals.sent += 1;
            into.push(entry);
            if taken >= bytes {
                break;
            }
        }
    }

    /// Whether this client has to come again later: it was too slow for too long, or does not read its answers.
    pub fn is_hopeless(&self, now: Instant) -> bool {
        let behind = self.behind_since.map(|since| now - since);
        self.overrun
            || behind.is_some_and(|behind| behind >= MAX_BEHIND)
            || self.notices >= MAX_NOTICES && self.loss.count > 0
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.replies.entries.len() + self.flow.entries.len() + self.waiting.len()
    }

    /// Whether nothing waits, not even the news of a loss.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.loss.count == 0
    }

    /// How much room states take, those included that were replaced.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.states.len()
    }

    /// What has happened so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    fn entry(&mut self, message: Arc<Message>, spec: Option<Arc<Spec>>) -> Entry {
        let number = self.next;
        self.next += 1;
        Entry {
            number,
            message,
            spec,
        }
    }

    fn put_state(&mut self, of: StateOf, entry: Entry) {
        if let Some(before) = self.waiting.insert(of, entry.number) {
            self.totals.conflated += 1;
            let place = self.states.partition_point(|(number, _)| *number < before);
            self.states[place].1 = None;
            // Places that were left must not outgrow what waits.
            if self.states.len() > 64 && self.states.len() > 2 * self.waiting.len() {
                self.states.retain(|(_, entry)| entry.is_some());
            }
        }
        self.states.push_back((entry.number, Some(entry)));
    }

    /// Drops the oldest of the flow while there is too much of it.
    fn trim(&mut self, now: Instant) {
        while let Some(oldest) = self.flow.entries.front() {
            let fits = self.flow.entries.len() <= self.bounds.messages
                && self.flow.bytes <= self.bounds.bytes;
            if fits && now.saturating_duration_since(oldest.message.at) <= MAX_AGE {
                return;
            }
            let room = oldest.message.room;
            self.flow.pop();
            self.lost(room, now);
        }
    }

    fn lost(&mut self, room: Room, now: Instant) {
        self.totals.dropped += 1;
        self.loss.count += 1;
        if !self.loss.rooms.contains(&room) {
            self.loss.rooms.push(room);
        }
        self.behind_since.get_or_insert(now);
        self.last_loss = Some(now);
    }

    fn pop(&mut self) -> Option<Entry> {
        while let Some((_, None)) = self.states.front() {
            self.states.pop_front();
        }
        let state = self.states.front().map_or(u64::MAX, |(number, _)| *number);
        let (reply, flow) = (self.replies.number(), self.flow.number());
        if state < reply.min(flow) {
            let (_, entry) = self.states.pop_front()?;
            let entry = entry?;
            self.waiting.remove(&entry.message.state_of?);
            return Some(entry);
        }
        if reply < flow {
            return self.replies.pop();
        }
        self.flow.pop()
    }

    /// Nothing waits any more.
    fn caught_up(&mut self, now: Instant) {
        self.behind_since = None;
        if self
            .last_loss
            .is_some_and(|last| now.saturating_duration_since(last) > FORGIVEN_AFTER)
        {
            self.notices = 0;
        }
        // What a flood needed is given back.
        for lane in [&mut self.replies.entries, &mut self.flow.entries] {
            if lane.capacity() > 256 {
                lane.shrink_to(32);
            }
        }
        if self.states.capacity() > 256 {
            self.states.shrink_to(32);
            self.waiting.shrink_to(32);
        }
    }
}
