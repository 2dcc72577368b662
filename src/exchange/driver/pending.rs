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
    /// `None` while the request has not left yet: requests are spaced, and that can take longer than an
    /// answer may.
    deadline: Option<Instant>,
    /// Data that comes now can still be that of the subscription before this one, and is no answer.
    anew: bool,
}

impl Pending {
    /// These will be asked for by a request that has not left yet.
    pub fn queued(&mut self, topics: &[Topic]) {
        for topic in topics {
            match self.waiting.iter_mut().find(|w| w.topic == *topic) {
                Some(waiting) => waiting.deadline = None,
                None => self.waiting.push(Waiting {
                    topic: topic.clone(),
                    tries: 0,
                    deadline: None,
                    anew: false,
                }),
            }
        }
    }

    /// The same of topics that are subscribed and will be stopped first: only an answer settles them, as
    /// long as it is not overdue.
    pub fn queued_anew(&mut self, topics: &[Topic]) {
        self.queued(topics);
        for waiting in &mut self.waiting {
            waiting.anew |= topics.contains(&waiting.topic);
        }
    }

    /// The request for these left: counts a try and starts the deadline. One that was settled while its
    /// request was still queued stays settled.
    pub fn sent(&mut self, topics: &[Topic], now: Instant) {
        for waiting in &mut self.waiting {
            if topics.contains(&waiting.topic) {
                waiting.tries += 1;
                waiting.deadline = Some(now + ACK_DEADLINE);
            }
        }
    }

    /// These are settled, one way or the other; returns those that were waiting.
    pub fn settle(&mut self, topics: &[Topic]) -> Vec<Topic> {
        self.take(|w| topics.contains(&w.topic))
    }

    /// Data of this market and stream came: it is subscribed, whatever became of the answer.
    pub fn settle_by_data(&mut self, event: &crate::model::Event) -> Vec<Topic> {
        let (market, stream) = (event.market(), event.stream());
        self.take(|w| {
            !w.anew && Some(w.topic.instrument.market) == market && Some(w.topic.stream) == stream
        })
    }

    fn take(&mut self, is_settled: impl Fn(&Waiting) -> bool) -> Vec<Topic> {
        let settled = self.waiting.extract_if(.., |w| is_settled(w));
        settled.map(|w| w.topic).collect()
    }

    /// Whether this one waits.
    pub fn contains(&self, topic: &Topic) -> bool {
        self.waiting.iter().any(|w| w.topic == *topic)
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the next one is overdue.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().filter_map(|w| w.deadline).min()
    }

    /// The overdue ones: those to ask again, and those whose tries are spent, which are taken out.
    pub fn overdue(&mut self, now: Instant) -> (Vec<Topic>, Vec<Topic>) {
        let (mut again, mut spent) = (Vec::new(), Vec::new());
        self.waiting.retain_mut(|w| {
            if w.deadline.is_none_or(|deadline| deadline > now) {
                return true;
            }
            // Kept where it is asked for again, so that the count goes on.
            let retry = w.tries < ACK_TRIES;
            (w.deadline, w.anew) = (None, false);
            (if retry { &mut again } else { &mut spent }).push(w.topic.clone());
            retry
        });
        (again, spent)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Exchange, Instrument, Stream};

    fn topic(base: &str) -> Topic {
        let instrument = Instrument::new(Exchange::new("kraken"), base, "USD", base);
        Topic {
            instrument: Arc::new(instrument),
            stream: Stream::Trades,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_starts_when_the_request_leaves() {
        let (mut pending, now) = (Pending::default(), Instant::now());
        pending.queued(&[topic("A"), topic("B")]);
        assert_eq!(pending.deadline(), None);
        let late = now + 100 * ACK_DEADLINE;
        assert_eq!(pending.overdue(late), (vec![], vec![]));
        pending.sent(&[topic("B")], late);
        assert_eq!(pending.deadline(), Some(late + ACK_DEADLINE));
        assert_eq!(
            pending.overdue(late + ACK_DEADLINE),
            (vec![topic("B")], vec![])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_settled_in_the_queue_stays_settled_when_its_request_leaves() {
        let mut pending = Pending::default();
        pending.queued(&[topic("A")]);
        pending.settle(&[topic("A")]);
        pending.sent(&[topic("A")], Instant::now());
        assert!(pending.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_is_given_up_after_three_tries() {
        let (mut pending, mut now) = (Pending::default(), Instant::now());
        for _ in 1..ACK_TRIES {
            pending.queued(&[topic("A")]);
            pending.sent(&[topic("A")], now);
            now += ACK_DEADLINE;
            assert_eq!(pending.overdue(now), (vec![topic("A")], vec![]));
        }
        pending.queued(&[topic("A")]);
        pending.sent(&[topic("A")], now);
        assert_eq!(
            pending.overdue(now + ACK_DEADLINE),
            (vec![], vec![topic("A")])
        );
        assert!(pending.is_empty());
    }
}
