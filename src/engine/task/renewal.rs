//! Providers that come, are replaced and go while everything runs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::feed::{Batch, Command, Provider, Sign, Topic, Traits};
use crate::model::{Event, Exchange, Instrument, Market, Status, StatusState, Stream};

use super::Task;

/// Why nothing comes of a provider that was taken away.
pub(super) const GONE: &str = "this provider is not there any more";
const RENEWED: &str = "this provider was set up anew";

impl Task {
    /// Takes a provider. Its topics are fed by it from now on.
    pub(super) fn register(&mut self, provider: Arc<dyn Provider>) {
        let (exchange, traits) = (provider.exchange(), provider.traits());
        self.providers.insert(exchange, provider);
        let Some(feed_in) = self.feed_in.clone() else {
            // It is the end: nothing more is begun.
            return;
        };
        let lost = self.forget(exchange);
        let topics = self.renew_topics(exchange, &traits);
        let before = self.end_feed(exchange);
        if topics.is_empty() {
            // Started when somebody asks for something.
            self.ending.extend(before.map(|before| (exchange, before)));
            return;
        }
        self.announce(&topics, &traits);
        let status = self.of_exchange(exchange, StatusState::Reconnecting, 1, RENEWED);
        let first = Batch {
            events: vec![status],
            signs: vec![Sign::Lost(lost)],
        };
        let feed = self.start_feed(exchange, &feed_in, before, first);
        // Nothing waits in it yet.
        let _ = feed.commands.try_send(Command::Subscribe(topics));
        self.feeds.insert(exchange, feed);
        self.renewing.insert(exchange, false);
    }

    /// Takes a provider away, and tells so when its last events have come.
    pub(super) fn withdraw(&mut self, exchange: Exchange) {
        self.providers.remove(&exchange);
        let lost = self.forget(exchange);
        let ended = self.end_feed(exchange);
        let Some(feed_in) = self.feed_in.clone() else {
            return;
        };
        let last = Batch {
            events: vec![self.of_exchange(exchange, StatusState::Stopped, 0, GONE)],
            signs: vec![Sign::Lost(lost)],
        };
        let told = tokio_util::sync::CancellationToken::new();
        self.ending.insert(exchange, told.clone());
        self.tracker.spawn(async move {
            if let Some(ended) = ended {
                ended.cancelled().await;
            }
            let _ = feed_in.send(last).await;
            told.cancel();
        });
    }

    /// Ends the feed of an exchange. Returns what says when it, or the one before it, has ended.
    fn end_feed(&mut self, exchange: Exchange) -> Option<tokio_util::sync::CancellationToken> {
        let earlier = self.ending.remove(&exchange);
        let feed = self.feeds.remove(&exchange);
        // One that runs began after the end of the one before it.
        feed.map(|feed| {
            feed.cancel.cancel();
            feed.ended
        })
        .or(earlier)
    }

    /// Forgets what is known of the lines of an exchange. Returns what they brought.
    fn forget(&mut self, exchange: Exchange) -> Vec<(Market, Stream)> {
        self.renewing.remove(&exchange);
        self.failed.retain(|status| status.exchange != exchange);
        self.quiet.retain(|market| market.exchange() != exchange);
        let topics = self.topics.keys().copied();
        let lost: Vec<_> = topics
            .filter(|(market, _)| market.exchange() == exchange)
            .collect();
        for &(market, stream) in &lost {
            self.freshness.remove(market, stream);
        }
        lost
    }

    /// What a provider with these traits has to bring for what is read of it.
    fn renew_topics(&mut self, exchange: Exchange, traits: &Traits) -> Vec<Topic> {
        let old = self
            .topics
            .extract_if(|(market, _), _| market.exchange() == exchange);
        let instruments: HashMap<Market, Arc<Instrument>> = old
            .map(|((market, _), topic)| (market, topic.instrument))
            .collect();
        let mut renewed = Vec::new();
        for (market, read) in self.hub.read_of(exchange) {
            let Some(instrument) = instruments.get(&market) else {
                continue;
            };
            let plain = read.iter().filter(|stream| stream.interval().is_none());
            let mut streams: Vec<Stream> = plain.copied().collect();
            let intervals: Vec<_> = read.iter().filter_map(|stream| stream.interval()).collect();
            let now = self.now();
            for stream in self.candles.renew(market, &intervals, traits, now) {
                if !streams.contains(&stream) {
                    streams.push(stream);
                }
            }
            for stream in streams {
                let topic = Topic {
                    instrument: instrument.clone(),
                    stream,
                };
                self.topics.insert((market, stream), topic.clone());
                renewed.push(topic);
            }
        }
        renewed
    }

    /// Tells everybody who keeps something of a topic what it is to be.
    pub(super) fn announce(&mut self, topics: &[Topic], traits: &Traits) {
        let now = self.now();
        for topic in topics {
            let market = topic.instrument.market;
            self.core.add(market, topic.stream, traits.contiguous_ids);
            self.sanity.add(market);
            if let Some(silence) = traits.silence {
                self.freshness.add(market, topic.stream, silence, now);
            }
        }
    }

    /// Whether a feed that was started anew is heard in this batch. What it says of itself is taken for the end of
    /// the trouble; where it says nothing, since to it this was a clean start, data or a subscription is.
    pub(super) fn look_for_renewed(&mut self, batch: &Batch, out: &mut Vec<Event>) {
        for sign in &batch.signs {
            if let Sign::Lost(topics) = sign {
                let exchanges = topics.iter().map(|(market, _)| market.exchange());
                for exchange in exchanges {
                    if let Some(has_ended) = self.renewing.get_mut(&exchange) {
                        *has_ended = true;
                    }
                }
                // The line between the two.
                return;
            }
        }
        let subscribed = batch.signs.iter().filter_map(|sign| match sign {
            Sign::Subscribed(topics) => Some(topics.first()?.0.exchange()),
            Sign::Lost(_) | Sign::Newest { .. } => None,
        });
        let heard = batch.events.iter().map(Event::exchange);
        for exchange in heard.chain(subscribed) {
            if self.renewing.get(&exchange) != Some(&true) {
                continue;
            }
            self.renewing.remove(&exchange);
            let is_told = |event: &Event| matches!(event, Event::Status(_));
            if !batch.events.iter().any(is_told) {
                out.push(self.of_exchange(exchange, StatusState::Connected, 1, RENEWED));
            }
        }
    }

    /// A state of a whole exchange.
    pub(super) fn of_exchange(
        &self,
        exchange: Exchange,
        state: StatusState,
        attempt: u32,
        reason: &str,
    ) -> Event {
        Event::Status(Arc::new(Status {
            exchange,
            market: None,
            state,
            attempt,
            reason: Some(reason.to_owned()),
            stand_in: None,
            timestamp: self.clock.now(),
        }))
    }
}
