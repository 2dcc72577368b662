//! What the task watches besides the order of trades: whether prices can be believed, streams are alive, and
//! who speaks for whom.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::failover::Change;
use crate::engine::freshness::Action;
use crate::engine::hub::SubscriberId;
use crate::engine::probe::{Fact, Told};
use crate::feed::{Command, Sign, Topic};
use crate::model::{Event, Exchange, GapReason, Instrument, Market, Status, StatusState, Stream};

use super::Task;

/// Between two cuts of all lines of an exchange.
const CUT_PAUSE: Duration = Duration::from_secs(60);

impl Task {
    /// When something is to be done by the clock.
    pub(super) fn deadline(&self) -> Option<u64> {
        let now = self.now();
        let awake = (!self.feeds.is_empty())
            .then(|| (self.awake.due()).saturating_sub(self.blocked.as_nanos() as u64));
        let deadlines = [
            self.core.deadline(),
            self.freshness.deadline(),
            self.failover.deadline(now),
            self.candles.deadline(),
            awake,
        ];
        deadlines.into_iter().flatten().min()
    }

    pub(super) fn on_timer(&mut self, out: &mut Vec<Event>) {
        let now = self.now();
        self.core.on_timer(now, out);
        if self.monotonic() >= self.awake.due()
            && let Some(slept) = self.awake.look(self.clock.now(), self.monotonic())
        {
            tracing::info!(?slept, "this machine slept: every line is looked at");
            self.freshness.doubt_all(now);
            let exchanges: Vec<_> = self.feeds.keys().copied().collect();
            for exchange in exchanges {
                self.command(exchange, Command::Check);
            }
        }
        let mut actions = Vec::new();
        self.freshness.on_timer(now, &mut actions);
        self.act_on(actions, out);
        self.fail_over();
        self.deliver();
    }

    /// What a feed says of its lines and of what it should have told.
    pub(super) fn watch_sign(&mut self, sign: &Sign, now: u64) {
        let (topics, is_up) = match sign {
            Sign::Subscribed(topics) => (topics, true),
            Sign::Lost(topics) => (topics, false),
            Sign::Newest { market, id, .. } => {
                self.freshness.on_newest(*market, *id, now);
                // However it came, it is the newest.
                if self.core.last_id(*market) == Some(*id) {
                    let at = self.clock.now();
                    for stream in Stream::all() {
                        self.confirmed.set(*market, stream, at);
                    }
                }
                return;
            }
        };
        let at = self.clock.now();
        for &topic in topics {
            self.freshness.on_line(topic, is_up, now, at);
        }
    }

    /// Everything passes here just before it is published: prices are judged, streams are seen to live.
    pub(super) fn look_over(&mut self, out: &mut Vec<Event>) {
        let now = self.now();
        let mut actions = Vec::new();
        for event in out.iter_mut() {
            self.judge(event);
            if let Event::Status(status) = event {
                self.failover.on_status(status, now);
            }
            // What the feed brought of candles was seen when they were made.
            if !matches!(event, Event::Candle(_)) {
                self.freshness.on_event(event, now, &mut actions);
            }
        }
        self.act_on(actions, out);
    }

    pub(super) fn act_on(&mut self, actions: Vec<Action>, out: &mut Vec<Event>) {
        for action in actions {
            match action {
                Action::Ask(market, stream, question) => {
                    let topic = self.topics.get(&(market, stream));
                    let provider = self.providers.get(&market.exchange());
                    if let (Some(topic), Some(provider)) = (topic, provider) {
                        self.probes.ask(provider.clone(), topic, question);
                    }
                }
                // Of several streams of a market the first says it for all.
                Action::Quiet(market) if !self.quiet.insert(market) => {}
                Action::Quiet(market) => {
                    let reason = "the exchange has nothing newer".to_owned();
                    out.push(self.status(market, StatusState::Quiet, 0, Some(reason)));
                }
                Action::Stale(market, stream, why) => {
                    self.candles.on_lost(market, stream, GapReason::Stall);
                    let reason = format!("{}: {why}", stream.name());
                    let status = self.status(market, StatusState::Stale, 1, Some(reason));
                    if let Event::Status(status) = &status {
                        self.failover.on_status(status, self.now());
                    }
                    out.push(status);
                }
                Action::Cured(market, _, 0) if !self.quiet.remove(&market) => {}
                Action::Cured(market, _, attempts) => {
                    self.quiet.remove(&market);
                    let status = self.status(market, StatusState::Connected, attempts, None);
                    if let Event::Status(status) = &status {
                        self.failover.on_status(status, self.now());
                    }
                    out.push(status);
                }
                Action::Resubscribe(market, stream) => {
                    self.command_about(market, stream, Command::Resubscribe);
                }
                Action::Move(market, stream) => {
                    let exchange = market.exchange();
                    match self.freshness.stale_of(exchange) {
                        // It is the line, not the topic.
                        (stale, all) if stale > 1 && stale * 2 >= all => self.cut(exchange),
                        _ => self.command_about(market, stream, Command::Move),
                    }
                }
                Action::Missed(market) => {
                    let now = self.now();
                    self.core.suspect(market, GapReason::Stall, now);
                    self.core.on_timer(now, out);
                }
            }
        }
    }

    fn command_about(
        &mut self,
        market: Market,
        stream: Stream,
        command: impl FnOnce(Vec<Topic>) -> Command,
    ) {
        if let Some(topic) = self.topics.get(&(market, stream)).cloned() {
            self.command(market.exchange(), command(vec![topic]));
        }
    }

    /// The answer to a question about a silent stream.
    pub(super) fn on_told(&mut self, told: Told, out: &mut Vec<Event>) {
        let (now, topic) = (self.now(), told.topic);
        let mut actions = Vec::new();
        let answer = told.answer.as_answer();
        let is_same = self.freshness.on_answer(topic, answer, now, &mut actions);
        if is_same {
            self.confirmed.set(topic.0, topic.1, self.clock.now());
        }
        let is_dead = self.freshness.is_stale(topic.0, topic.1);
        self.act_on(actions, out);
        if let (Fact::Ticker(ticker), true) = (told.answer, is_dead) {
            // Better than none; whether the stream lives it does not show, so it does not pass there.
            let mut polled = Vec::new();
            self.core.apply(Event::Ticker(ticker), now, &mut polled);
            for event in &mut polled {
                self.judge(event);
            }
            self.polled.append(&mut polled);
        }
    }

    /// Marks a price that cannot be believed.
    fn judge(&mut self, event: &mut Event) {
        match event {
            Event::Trade(trade) => trade.suspect = self.sanity.judge_trade(trade),
            Event::Ticker(ticker) => {
                if self.sanity.judge_ticker(ticker) {
                    Arc::make_mut(ticker).suspect = true;
                }
            }
            Event::Candle(_) | Event::Gap(_) | Event::Status(_) | Event::Signal(_) => {}
        }
    }

    /// Every line of an exchange is made anew, and not again at once.
    fn cut(&mut self, exchange: Exchange) {
        let now = self.monotonic();
        let again_at = self.cuts.entry(exchange).or_default();
        if now >= *again_at {
            *again_at = now + CUT_PAUSE.as_nanos() as u64;
            self.command(exchange, Command::Cut);
        }
    }

    fn status(
        &self,
        market: Market,
        state: StatusState,
        attempt: u32,
        reason: Option<String>,
    ) -> Event {
        Event::Status(Arc::new(Status {
            exchange: market.exchange(),
            market: Some(market),
            state,
            attempt,
            reason,
            stand_in: None,
            timestamp: self.clock.now(),
        }))
    }

    /// Others may speak for this symbol of a subscriber. What was said of it before is over.
    pub(super) fn stand_in(
        &mut self,
        id: SubscriberId,
        primary: Market,
        others: Vec<Arc<Instrument>>,
    ) {
        let before = self.failover.forget(id, primary);
        let orphans = self.hub.remove(id, &before);
        self.unsubscribe(orphans);
        self.hub.hush(id, primary, false);
        let streams: Vec<Stream> = self.hub.streams(id, primary);
        let of = |instrument: &Arc<Instrument>| {
            // What is read of it anyway is neither begun nor ended.
            let own = self.hub.streams(id, instrument.market);
            let topic = |stream: &Stream| Topic {
                instrument: instrument.clone(),
                stream: *stream,
            };
            let wanted = streams.iter().filter(|stream| !own.contains(stream));
            (instrument.market, wanted.map(topic).collect())
        };
        let mut members = vec![(primary, Vec::new())];
        members.extend(others.iter().map(of));
        if !streams.is_empty() {
            self.failover.add(id, members);
        }
        self.fail_over();
    }

    /// Hands symbols over to those who stand in, and back.
    pub(super) fn fail_over(&mut self) {
        if self.failover.is_idle() {
            return;
        }
        for change in self.failover.on_timer(self.now()) {
            let Change {
                subscriber,
                primary,
                now,
                start,
                stop,
                reason,
            } = change;
            let orphans = self.hub.remove(subscriber, &stop);
            self.unsubscribe(orphans);
            let is_back = now == primary;
            let status = Status {
                exchange: primary.exchange(),
                market: Some(primary),
                state: match is_back {
                    true => StatusState::Connected,
                    false => StatusState::Fallback,
                },
                attempt: u32::from(!is_back),
                reason: Some(match is_back {
                    true => reason,
                    false => format!("{now} stands in: {reason}"),
                }),
                stand_in: Some(now),
                timestamp: self.clock.now(),
            };
            self.hub.tell(subscriber, Event::Status(Arc::new(status)));
            self.hub.hush(subscriber, primary, !is_back);
            if let Err(busy) = self.subscribe(subscriber, start) {
                tracing::warn!(exchange = %busy.0, "too busy to stand in");
            }
        }
    }
}
