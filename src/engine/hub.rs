//! Hands events to the subscribers that want them.

use std::sync::Arc;

use crate::model::{Event, Exchange, Market, Stream};

use super::mailbox::{End, Full, Mailbox};

/// Decides which events a subscriber sees, beside its topics. Must be cheap: it runs on the engine's task.
pub type Filter = Arc<dyn Fn(&Event) -> bool + Send + Sync>;

pub(crate) type SubscriberId = u64;

struct Subscriber {
    id: SubscriberId,
    mailbox: Arc<Mailbox>,
    filter: Option<Filter>,
    topics: Vec<(Market, Stream)>,
    /// Markets whose tickers another one's stand in for.
    hushed: Vec<Market>,
    staged: Vec<Event>,
}

/// All subscribers, found by market.
#[derive(Default)]
pub(crate) struct Hub {
    subscribers: Vec<Subscriber>,
    /// What subscribers that are gone had missed.
    dropped: u64,
    /// By market index and stream: places in `subscribers`.
    interest: Vec<[Vec<usize>; Stream::COUNT]>,
}

impl Hub {
    pub fn open(&mut self, id: SubscriberId, mailbox: Arc<Mailbox>, filter: Option<Filter>) {
        self.subscribers.push(Subscriber {
            id,
            mailbox,
            filter,
            topics: Vec::new(),
            hushed: Vec::new(),
            staged: Vec::new(),
        });
    }

    /// Adds topics to a subscriber; returns those that nobody had before.
    pub fn add(&mut self, id: SubscriberId, topics: &[(Market, Stream)]) -> Vec<(Market, Stream)> {
        let Some(place) = self.subscribers.iter().position(|s| s.id == id) else {
            return Vec::new();
        };
        let mut fresh = Vec::new();
        for &(market, stream) in topics {
            if self.interest.len() <= market.index() {
                self.interest
                    .resize_with(market.index() + 1, Default::default);
            }
            let interested = &mut self.interest[market.index()][stream.index()];
            if interested.is_empty() {
                fresh.push((market, stream));
            }
            if !interested.contains(&place) {
                interested.push(place);
                self.subscribers[place].topics.push((market, stream));
            }
        }
        fresh
    }

    /// Takes topics from a subscriber; returns those that nobody has any more.
    pub fn remove(
        &mut self,
        id: SubscriberId,
        topics: &[(Market, Stream)],
    ) -> Vec<(Market, Stream)> {
        let Some(place) = self.subscribers.iter().position(|s| s.id == id) else {
            return Vec::new();
        };
        let mut orphans = Vec::new();
        for topic in topics {
            let held = &mut self.subscribers[place].topics;
            let Some(at) = held.iter().position(|t| t == topic) else {
                continue;
            };
            held.swap_remove(at);
            let interested = &mut self.interest[topic.0.index()][topic.1.index()];
            interested.retain(|&p| p != place);
            if interested.is_empty() {
                orphans.push(*topic);
            }
        }
        orphans
    }

    /// Removes a subscriber; returns the topics that nobody has any more.
    pub fn close(&mut self, id: SubscriberId) -> Vec<(Market, Stream)> {
        let Some(place) = self.subscribers.iter().position(|s| s.id == id) else {
            return Vec::new();
        };
        let orphans = self.remove(id, &self.subscribers[place].topics.clone());
        let last = self.subscribers.len() - 1;
        self.dropped += self.subscribers[place].mailbox.load().1;
        self.subscribers.swap_remove(place);
        for interested in self.interest.iter_mut().flatten().flatten() {
            if *interested == last {
                *interested = place;
            }
        }
        orphans
    }

    /// From now on a subscriber gets no tickers of this market, or gets them again. States of one symbol from
    /// two sources at once would make its price flap; trades are no states, and none is kept back.
    pub fn hush(&mut self, id: SubscriberId, market: Market, is_hushed: bool) {
        if let Some(subscriber) = self.subscribers.iter_mut().find(|s| s.id == id) {
            subscriber.hushed.retain(|known| *known != market);
            if is_hushed {
                subscriber.hushed.push(market);
            }
        }
    }

    /// Whether anybody reads this.
    pub fn is_read(&self, market: Market, stream: Stream) -> bool {
        let interest = self.interest.get(market.index());
        interest.is_some_and(|interest| !interest[stream.index()].is_empty())
    }

    /// The markets of an exchange that are read, with what of each.
    pub fn read_of(&self, exchange: Exchange) -> Vec<(Market, Vec<Stream>)> {
        let mut read: Vec<(Market, Vec<Stream>)> = Vec::new();
        let topics = self.subscribers.iter().flat_map(|s| &s.topics);
        for &(market, stream) in topics.filter(|(market, _)| market.exchange() == exchange) {
            let place = read.iter().position(|(known, _)| *known == market);
            let place = place.unwrap_or_else(|| {
                read.push((market, Vec::new()));
                read.len() - 1
            });
            if !read[place].1.contains(&stream) {
                read[place].1.push(stream);
            }
        }
        read
    }

    /// What a subscriber reads of a market.
    pub fn streams(&self, id: SubscriberId, market: Market) -> Vec<Stream> {
        let subscriber = self.subscribers.iter().find(|s| s.id == id);
        let topics = subscriber.map(|s| s.topics.as_slice()).unwrap_or_default();
        let of = topics.iter().filter(|topic| topic.0 == market);
        of.map(|topic| topic.1).collect()
    }

    /// An event for one subscriber alone.
    pub fn tell(&mut self, id: SubscriberId, event: Event) {
        if let Some(subscriber) = self.subscribers.iter_mut().find(|s| s.id == id) {
            subscriber.staged.push(event);
        }
    }

    /// Subscribers whose reader is gone.
    pub fn ended(&self) -> Vec<SubscriberId> {
        self.subscribers
            .iter()
            .filter(|s| s.mailbox.is_ended())
            .map(|s| s.id)
            .collect()
    }

    /// Takes all of `events` for delivery; see [`Hub::deliver`].
    pub fn stage_all(&mut self, events: &mut Vec<Event>) {
        for event in events.drain(..) {
            self.stage(event);
        }
    }

    /// Hands out what is staged. Where a subscriber has no room and wants to be waited for, its mailbox is
    /// returned (the most impatient one), and what is left over stays staged.
    pub fn deliver(&mut self) -> Option<(Arc<Mailbox>, Full)> {
        let mut stuck: Option<(Arc<Mailbox>, Full)> = None;
        for subscriber in self.subscribers.iter_mut().filter(|s| !s.staged.is_empty()) {
            let Some(full) = subscriber.mailbox.offer(&mut subscriber.staged) else {
                continue;
            };
            let sooner = |(_, other): &(_, Full)| match (full.until, other.until) {
                (Some(until), Some(other)) => until < other,
                (until, None) => until.is_some(),
                (None, Some(_)) => false,
            };
            if stuck.as_ref().is_none_or(sooner) {
                stuck = Some((subscriber.mailbox.clone(), full));
            }
        }
        stuck
    }

    fn stage(&mut self, event: Event) {
        let stream = match &event {
            Event::Gap(gap) => Some(gap.stream),
            other => other.stream(),
        };
        if let (Some(market), Some(stream)) = (event.market(), stream) {
            let Some(interest) = self.interest.get(market.index()) else {
                return;
            };
            // The last one gets the event itself: with a single subscriber nothing is cloned.
            if let Some((&last, others)) = interest[stream.index()].split_last() {
                for &place in others {
                    self.subscribers[place].offer(event.clone());
                }
                self.subscribers[last].offer(event);
            }
            return;
        }
        let (exchange, market) = (event.exchange(), event.market());
        for subscriber in self
            .subscribers
            .iter_mut()
            .filter(|s| s.follows(exchange, market))
        {
            subscriber.staged.push(event.clone());
        }
    }

    /// The end: nothing more will come.
    pub fn finish(&mut self) {
        for subscriber in self.subscribers.drain(..) {
            subscriber.mailbox.end(End::Stopped);
        }
        self.interest.clear();
    }

    /// Waiting and dropped events, all subscribers together, and how many subscribers there are.
    pub fn load(&self) -> (usize, u64, usize) {
        let loads = self.subscribers.iter().map(|s| s.mailbox.load());
        let (queued, dropped) = loads.fold((0, self.dropped), |(q, d), (queued, dropped)| {
            (q + queued, d + dropped)
        });
        (queued, dropped, self.subscribers.len())
    }
}

/// Also when the engine's task breaks: a subscriber must not wait for ever.
impl Drop for Hub {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Subscriber {
    fn offer(&mut self, event: Event) {
        if !self.hushed.is_empty()
            && let Event::Ticker(ticker) = &event
            && self.hushed.contains(&ticker.market)
        {
            return;
        }
        // A filter is about data; gaps are never hidden by it.
        let wanted =
            event.stream().is_none() || self.filter.as_ref().is_none_or(|filter| filter(&event));
        if wanted {
            self.staged.push(event);
        }
    }

    fn follows(&self, exchange: Exchange, market: Option<Market>) -> bool {
        self.topics
            .iter()
            .any(|(m, _)| m.exchange() == exchange && market.is_none_or(|market| market == *m))
    }
}
