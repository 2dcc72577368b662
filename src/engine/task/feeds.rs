//! Who wants what of which feed: feeds are started, told and left alone.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::engine::hub::SubscriberId;
use crate::feed::{Batch, Command, FeedIo, Topic};
use crate::model::{Event, Exchange, Market, Status, Stream};

use super::{Busy, FEED_COMMANDS, Task};

impl Task {
    pub(super) fn subscribe(&mut self, id: SubscriberId, topics: Vec<Topic>) -> Result<(), Busy> {
        let Some(feed_in) = self.feed_in.clone() else {
            // It is the end: nothing more is begun.
            return Ok(());
        };
        let feed_in = &feed_in;
        let keys: Vec<_> = topics
            .iter()
            .map(|t| (t.instrument.market, t.stream))
            .collect();
        let fresh = self.hub.add(id, &keys);
        let mut by_exchange: HashMap<Exchange, Vec<Topic>> = HashMap::new();
        for topic in topics {
            let key = (topic.instrument.market, topic.stream);
            let wanted = match fresh.contains(&key) {
                true => self.feed_topic(topic),
                false => None,
            };
            if let Some(topic) = wanted {
                by_exchange.entry(key.0.exchange()).or_default().push(topic);
                continue;
            }
            let concerns = |s: &&Arc<Status>| {
                s.exchange == key.0.exchange() && s.market.is_none_or(|m| m == key.0)
            };
            for status in self.failed.iter().filter(concerns) {
                self.hub.tell(id, Event::Status(status.clone()));
            }
        }
        for (exchange, topics) in by_exchange {
            let Some(provider) = self.providers.get(&exchange) else {
                continue;
            };
            let traits = provider.traits();
            let now = self.now();
            for topic in &topics {
                let market = topic.instrument.market;
                self.core.add(market, topic.stream, traits.contiguous_ids);
                self.sanity.add(market);
                if let Some(silence) = traits.silence {
                    self.freshness.add(market, topic.stream, silence, now);
                }
            }
            let mut sent = self
                .feed(exchange, feed_in)
                .try_send(Command::Subscribe(topics));
            if let Err(TrySendError::Closed(command)) = sent {
                // It came to its end by itself: a new one.
                self.feeds.remove(&exchange);
                sent = self.feed(exchange, feed_in).try_send(command);
            }
            sent.map_err(|_| Busy(exchange))?;
        }
        Ok(())
    }

    /// What the feed has to bring for a topic that nobody read before; `None`: it brings it already.
    fn feed_topic(&mut self, topic: Topic) -> Option<Topic> {
        let market = topic.instrument.market;
        let stream = match topic.stream {
            Stream::Candles(interval) => {
                let traits = self.providers.get(&market.exchange())?.traits();
                self.candles.add(market, interval, &traits)
            }
            stream => stream,
        };
        let topic = Topic { stream, ..topic };
        let known = self.topics.insert((market, stream), topic.clone());
        known.is_none().then_some(topic)
    }

    pub(super) fn unsubscribe(&mut self, orphans: Vec<(Market, Stream)>) {
        let mut by_exchange: HashMap<Exchange, Vec<Topic>> = HashMap::new();
        for (market, stream) in orphans {
            let fed_by = match stream {
                Stream::Candles(interval) => self.candles.remove(market, interval),
                Stream::Ticker | Stream::Trades => Some(stream),
            };
            let Some(stream) = fed_by.filter(|stream| !self.is_wanted(market, *stream)) else {
                continue;
            };
            if stream == Stream::Trades {
                self.core.forget_trades(market);
                self.candles.forget_trades(market);
            }
            self.freshness.remove(market, stream);
            self.failed.retain(|status| status.market != Some(market));
            if let Some(topic) = self.topics.remove(&(market, stream)) {
                by_exchange
                    .entry(market.exchange())
                    .or_default()
                    .push(topic);
            }
        }
        for (exchange, topics) in by_exchange {
            if let Some(feed) = self.feeds.get(&exchange) {
                // A feed that is too busy to hear it goes on feeding what nobody reads: harmless.
                let _ = feed.try_send(Command::Unsubscribe(topics));
            }
        }
    }

    /// The command channel of a running feed, which is started where it does not run yet.
    fn feed(
        &mut self,
        exchange: Exchange,
        feed_in: &mpsc::Sender<Batch>,
    ) -> &mpsc::Sender<Command> {
        self.feeds.entry(exchange).or_insert_with(|| {
            let (sender, commands) = mpsc::channel(FEED_COMMANDS);
            let mut stats = self
                .feed_stats
                .lock()
                .expect("no holder of this lock panics");
            let stats = stats.entry(exchange).or_default().clone();
            let io = FeedIo {
                commands,
                events: feed_in.clone(),
                cancel: self.cancel.clone(),
                stats,
            };
            let (feed, cancel) = (
                self.providers[&exchange].clone().run(io),
                self.cancel.clone(),
            );
            let running = self.tracker.spawn(feed);
            self.tracker.spawn(async move {
                // A feed that broke must not pass for a quiet market: everything stops.
                if running.await.is_err_and(|error| error.is_panic()) {
                    cancel.cancel();
                }
            });
            sender
        })
    }

    /// Asks something of the feed of an exchange; one that is too busy to hear it is not waited for.
    pub(super) fn command(&self, exchange: Exchange, command: Command) {
        if let Some(feed) = self.feeds.get(&exchange) {
            let _ = feed.try_send(command);
        }
    }
}
