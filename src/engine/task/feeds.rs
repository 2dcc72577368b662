//! Who wants what of which feed: feeds are started, told and left alone.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

use crate::engine::hub::SubscriberId;
use crate::feed::{Batch, Command, FeedIo, Topic};
use crate::model::{Event, Exchange, Market, Status, StatusState, Stream};

use super::renewal::GONE;
use super::{Busy, FEED_COMMANDS, Feed, Task};

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
                // It was taken away; it may come back.
                let status = self.of_exchange(exchange, StatusState::Stopped, 0, GONE);
                self.hub.tell(id, status);
                continue;
            };
            let traits = provider.traits();
            self.announce(&topics, &traits);
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
            Stream::Candles(interval) => match self.providers.get(&market.exchange()) {
                Some(provider) => self.candles.add(market, interval, &provider.traits()),
                None => topic.stream,
            },
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
            if let Some(Feed { commands: feed, .. }) = self.feeds.get(&exchange) {
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
        if !self.feeds.contains_key(&exchange) {
            let before = self.ending.remove(&exchange);
            let feed = self.start_feed(exchange, feed_in, before, Batch::default());
            self.feeds.insert(exchange, feed);
        }
        &self.feeds[&exchange].commands
    }

    /// Starts the feed of a registered provider, once the one before it has ended; `first`: told before anything else.
    pub(super) fn start_feed(
        &self,
        exchange: Exchange,
        feed_in: &mpsc::Sender<Batch>,
        before: Option<CancellationToken>,
        first: Batch,
    ) -> Feed {
        let (sender, commands) = mpsc::channel(FEED_COMMANDS);
        let mut stats = self
            .feed_stats
            .lock()
            .expect("no holder of this lock panics");
        let stats = stats.entry(exchange).or_default().clone();
        let io = FeedIo {
            commands,
            events: feed_in.clone(),
            cancel: self.cancel.child_token(),
            stats,
        };
        let feed = Feed {
            commands: sender,
            cancel: io.cancel.clone(),
            ended: CancellationToken::new(),
        };
        let provider = self.providers[&exchange].clone();
        let running = self.tracker.spawn(async move {
            if let Some(before) = before {
                // Its last events come before the first of this one.
                before.cancelled().await;
            }
            let is_empty = first.events.is_empty() && first.signs.is_empty();
            if is_empty || io.events.send(first).await.is_ok() {
                provider.run(io).await;
            }
        });
        let (all, ended) = (self.cancel.clone(), feed.ended.clone());
        self.tracker.spawn(async move {
            // A feed that broke must not pass for a quiet market: everything stops.
            if running.await.is_err_and(|error| error.is_panic()) {
                all.cancel();
            }
            ended.cancel();
        });
        feed
    }

    /// Asks something of the feed of an exchange; one that is too busy to hear it is not waited for.
    pub(super) fn command(&self, exchange: Exchange, command: Command) {
        if let Some(feed) = self.feeds.get(&exchange) {
            let _ = feed.commands.try_send(command);
        }
    }
}
