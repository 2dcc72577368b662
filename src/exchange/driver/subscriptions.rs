//! What is wanted of one line, what it was asked for, and what the exchange answered.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::exchange::protocol::{Message, Protocol};
use crate::feed::{Sign, Topic};
use crate::model::Event;

use super::common::keys;
use super::pending::Pending;

/// The exchange answers nothing on this line.
pub(super) struct Unanswered;

#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    wanted: Vec<Topic>,
    pending: Pending,
    acknowledged: Vec<Topic>,
    /// The exchange has fed these once, on this line or on one before it.
    known: Vec<Topic>,
    /// It has answered on this line, be it with data.
    is_answered: bool,
    /// Requests that have not left yet.
    outbox: VecDeque<Message>,
    /// Not wanted any more, since the exchange does not want it; the connection was not told yet.
    refused: Vec<Topic>,
    first_sent: Option<Instant>,
    settled_at: Option<Instant>,
}

impl Subscriptions {
    /// None yet; `known`: what earlier lines had.
    pub fn new(known: Vec<Topic>) -> Self {
        Self {
            known,
            ..Self::default()
        }
    }

    /// Wants these, too, and asks for them.
    pub fn subscribe(&mut self, topics: &[Topic], protocol: &mut dyn Protocol) {
        self.wanted.extend_from_slice(topics);
        self.ask(topics, protocol);
    }

    /// Wants these no more. What was refused is not subscribed: nothing is said about it.
    pub fn unsubscribe(&mut self, topics: &[Topic], protocol: &mut dyn Protocol) {
        let gone = self.forget(topics);
        if !gone.is_empty() {
            self.outbox.extend(protocol.unsubscribe(&gone));
        }
    }

    /// Stops and starts those of these that are subscribed; the others are being asked for anyhow. Returns
    /// what has no subscription meanwhile.
    pub fn resubscribe(&mut self, topics: &[Topic], protocol: &mut dyn Protocol) -> Option<Sign> {
        let is_idle = |topic: &&Topic| self.wanted.contains(topic) && !self.pending.contains(topic);
        let topics: Vec<Topic> = topics.iter().filter(is_idle).cloned().collect();
        if topics.is_empty() {
            return None;
        }
        self.acknowledged.retain(|topic| !topics.contains(topic));
        self.outbox.extend(protocol.unsubscribe(&topics));
        self.outbox.extend(protocol.subscribe(&topics));
        self.pending.queued_anew(&topics);
        Some(Sign::Lost(keys(&topics)))
    }

    /// Asks for these with a full number of tries: that they were not taken is an answer, too. What is not
    /// wanted any more is left alone.
    pub fn ask_anew(&mut self, topics: &[Topic], protocol: &mut dyn Protocol) {
        let wanted = |topic: &&Topic| self.wanted.contains(topic);
        let topics: Vec<Topic> = topics.iter().filter(wanted).cloned().collect();
        self.pending.settle(&topics);
        self.ask(&topics, protocol);
    }

    fn ask(&mut self, topics: &[Topic], protocol: &mut dyn Protocol) {
        if !topics.is_empty() {
            self.outbox.extend(protocol.subscribe(topics));
            self.pending.queued(topics);
        }
    }

    /// Asks again for what is overdue; returns what was asked for often enough. What the exchange has fed before
    /// is no symbol that it does not know: it is asked for until it is answered.
    ///
    /// Errors: nothing was ever answered, so that it is the line which is at fault, and no symbol.
    pub fn retry(
        &mut self,
        now: Instant,
        protocol: &mut dyn Protocol,
    ) -> Result<Vec<Topic>, Unanswered> {
        let (again, spent) = self.pending.overdue(now);
        self.ask(&again, protocol);
        if !spent.is_empty() && !self.is_answered {
            return Err(Unanswered);
        }
        let (known, spent): (Vec<_>, _) = spent
            .into_iter()
            .partition(|topic| self.known.contains(topic));
        self.ask(&known, protocol);
        Ok(spent)
    }

    /// The exchange says that these are subscribed.
    pub fn on_acknowledged(&mut self, topics: &[Topic]) -> Option<Sign> {
        let settled = self.pending.settle(topics);
        self.acknowledge(settled)
    }

    /// Data came: as good as an answer.
    pub fn on_data(&mut self, event: &Event) -> Option<Sign> {
        if self.pending.is_empty() {
            return None;
        }
        let settled = self.pending.settle_by_data(event);
        self.acknowledge(settled)
    }

    fn acknowledge(&mut self, topics: Vec<Topic>) -> Option<Sign> {
        let sign = (!topics.is_empty()).then(|| Sign::Subscribed(keys(&topics)));
        for topic in &topics {
            self.is_answered = true;
            if !self.known.contains(topic) {
                self.known.push(topic.clone());
            }
        }
        self.acknowledged.extend(topics);
        sign
    }

    /// What the exchange has fed once, on this line or on one before it.
    pub fn known(&self) -> &[Topic] {
        &self.known
    }

    /// The exchange does not want this one. `false`: nor does anybody else; it was unsubscribed while the
    /// answer was on its way.
    pub fn refuse(&mut self, topic: &Topic) -> bool {
        self.is_answered = true;
        let refused = self.forget(std::slice::from_ref(topic));
        let was_wanted = !refused.is_empty();
        self.refused.extend(refused);
        was_wanted
    }

    /// Takes these out everywhere; returns those that were wanted.
    fn forget(&mut self, topics: &[Topic]) -> Vec<Topic> {
        self.pending.settle(topics);
        self.acknowledged.retain(|topic| !topics.contains(topic));
        self.known.retain(|topic| !topics.contains(topic));
        let wanted = self.wanted.extract_if(.., |topic| topics.contains(topic));
        wanted.collect()
    }

    /// What was refused since the last call.
    pub fn take_refused(&mut self) -> Vec<Topic> {
        std::mem::take(&mut self.refused)
    }

    /// What the exchange feeds on this line.
    pub fn acknowledged(&self) -> &[Topic] {
        &self.acknowledged
    }

    /// Whether requests wait for their turn to leave.
    pub fn has_requests(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The next request, which leaves now.
    pub fn next_request(&mut self, now: Instant) -> Option<String> {
        let message = self.outbox.pop_front()?;
        self.pending.sent(&message.topics, now);
        if !message.topics.is_empty() {
            self.first_sent.get_or_insert(now);
        }
        Some(message.text)
    }

    /// When an answer is overdue.
    pub fn deadline(&self) -> Option<Instant> {
        self.pending.deadline()
    }

    /// Whether every subscription was answered for the first time on this line, and how long that took.
    pub fn check_settled(&mut self, now: Instant) -> Option<Duration> {
        if self.settled_at.is_some() || !self.pending.is_empty() {
            return None;
        }
        self.settled_at = Some(now);
        Some(now - self.first_sent.unwrap_or(now))
    }

    /// When every subscription had been answered for the first time.
    pub fn settled_at(&self) -> Option<Instant> {
        self.settled_at
    }
}
