//! Subscriptions that wait for the exchange's answer.

use std::time::Duration;

use tokio::time::Instant;

use crate::feed::Topic;

/// How long an answer may take.
pub const ACK_DEADLINE: Duration = Duration::from_secs(5);
/// How often a subscription is asked for before it is given up.
pub const ACK_TRIES: u32 = 3;

/// Topics that were asked for and not answered yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    topic: Topic,
    tries: u32,
    deadline: Instant,
}

impl Pending {
    /// Counts a try of each of these and starts its deadline.
    pub fn sent(&mut self, topics: &[Topic], now: Instant) {
        for topic in topics {
            match self.waiting.iter_mut().find(|w| w.topic == *topic) {
                Some(waiting) => {
                    waiting.tries += 1;
                    waiting.deadline = now + ACK_DEADLINE;
                }
                None => {
                    let (topic, deadline) = (topic.clone(), now + ACK_DEADLINE);
                    self.waiting.push(Waiting {
                        topic,
                        tries: 1,
                        deadline,
                    });
                }
            }
        }
    }

    /// These are settled, one way or the other.
    pub fn settle(&mut self, topics: &[Topic]) {
        if !self.waiting.is_empty() {
            self.waiting.retain(|w| !topics.contains(&w.topic));
        }
    }

    /// Data of this market and stream came: it is subscribed, whatever became of the answer.
    pub fn settle_by_data(&mut self, event: &crate::model::Event) {
        let (market, stream) = (event.market(), event.stream());
        self.waiting.retain(|w| {
            Some(w.topic.instrument.market) != market || Some(w.topic.stream) != stream
        });
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the next one is overdue.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|w| w.deadline).min()
    }

    /// Takes out the overdue ones: those to ask again, and those whose tries are spent.
    pub fn overdue(&mut self, now: Instant) -> (Vec<Topic>, Vec<Topic>) {
        let (mut again, mut spent) = (Vec::new(), Vec::new());
        self.waiting.retain_mut(|w| {
            if w.deadline > now {
                return true;
            }
            if w.tries < ACK_TRIES {
                again.push(w.topic.clone());
                // Kept, so that the count goes on; the deadline starts anew when it is sent.
                w.deadline = now + ACK_DEADLINE;
                return true;
            }
            spent.push(w.topic.clone());
            false
        });
        (again, spent)
    }
}
