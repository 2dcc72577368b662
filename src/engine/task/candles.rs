//! Candles: between what the feeds bring and what is published.

use crate::engine::candles::Ask;
use crate::engine::past::{Found, Told, Wanted};
use crate::feed::Sign;
use crate::model::{Event, Market, Stream};

use super::Task;

impl Task {
    /// Puts candles in the place of what they are made of, as far as that is no trade, and does what is due.
    pub(super) fn make_candles(&mut self, out: &mut Vec<Event>) {
        let now = self.now();
        self.absorb(out, now);
        self.candles.take_ready(now, out);
        self.candles.on_timer(now);
        self.candles.take_ready(now, out);
    }

    fn absorb(&mut self, out: &mut Vec<Event>, now: u64) {
        let mut actions = Vec::new();
        let from_feed = out.iter().filter(|event| matches!(event, Event::Candle(_)));
        for event in from_feed {
            self.freshness.on_event(event, now, &mut actions);
        }
        self.candles.absorb(out, now);
        self.act_on(actions, out);
    }

    /// Signs come after the events of their batch.
    pub(super) fn sign_to_candles(&mut self, sign: &Sign, out: &mut Vec<Event>, now: u64) {
        if self.candles.is_idle() {
            return;
        }
        self.absorb(out, now);
        let last_id = match sign {
            Sign::Newest { market, .. } => self.core.last_id(*market),
            Sign::Lost(_) | Sign::Subscribed(_) => None,
        };
        self.candles.on_sign(sign, last_id, now);
    }

    /// Asks what candles want to know.
    pub(super) fn ask_for_candles(&mut self) {
        for ask in self.candles.take_asks() {
            let (Ask::Rows { market, .. } | Ask::Trades { market, .. }) = ask;
            let mut topics = self.topics.values();
            let topic = topics.find(|topic| topic.instrument.market == market);
            let provider = self.providers.get(&market.exchange());
            // Else nobody wants them any more.
            let (Some(topic), Some(provider)) = (topic, provider) else {
                continue;
            };
            let (provider, of) = (provider.clone(), topic.instrument.clone());
            match ask {
                Ask::Rows {
                    ticket,
                    interval,
                    span,
                    closed_before,
                    budget,
                    ..
                } => {
                    let wanted = Wanted {
                        interval,
                        span,
                        closed_before,
                    };
                    self.past.ask_rows(provider, of, ticket, wanted, budget);
                }
                Ask::Trades {
                    ticket,
                    after,
                    budget,
                    ..
                } => self.past.ask_trades(provider, of, ticket, after, budget),
            }
        }
    }

    /// An answer to that.
    pub(super) fn on_past(&mut self, told: Told) {
        let Told {
            market,
            ticket,
            found,
        } = told;
        let now = self.now();
        match found {
            Found::Rows(rows) => self.candles.on_rows(market, ticket, &rows, now),
            Found::Trades(trades) => self.candles.on_trades(market, ticket, trades, now),
        }
    }

    /// Whether a stream of the feed is read by a subscriber, or candles are made of it.
    pub(super) fn is_wanted(&self, market: Market, stream: Stream) -> bool {
        let is_read = stream.interval().is_none() && self.hub.is_read(market, stream);
        is_read || self.candles.is_fed_by(market, stream)
    }
}
