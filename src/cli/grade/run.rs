//! One run: the streams are read all the time, and beside that one thing after the other is tried.

use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::time::{Instant, timeout};

use crate::engine::{Delivery, EngineError, Overflow, Request, Stats, Subscription};
use crate::feed::{ConnectTimes, Provider, ProviderError, Traits};
use crate::grade::{Behind, Counts, Measurements, Recorder, RestPrice};
use crate::model::{Event, Exchange, Instrument, Market, Stream};

use super::super::Ctx;
use super::super::error::CliError;
use super::super::monitor::engine_stopped;
use super::cost::Spent;
use super::questions;
use super::settings::Settings;

/// More markets are not asked about one by one: Kraken allows one question a second.
const ASKED: usize = 5;
/// The part of the duration in which the clocks are compared.
const CLOCK_SHARE: f64 = 0.6;
/// How long the stream may take to tell what REST knows.
const LAG: Duration = Duration::from_secs(5);
/// The stream may be that much behind REST's price.
const PRICE_LAG: Duration = Duration::from_secs(1);

/// Why there is nothing to grade.
pub enum Stop {
    /// The exchange is not to be reached.
    Unreachable(Exchange, ProviderError),
    /// Anything else.
    Error(CliError),
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Error(error.into())
    }
}

/// A market whose newest trade REST told, or why not.
pub(super) type Known = (Arc<Instrument>, Result<u64, String>);

/// A run under way.
pub struct Run<'a> {
    pub(super) provider: &'a Arc<dyn Provider>,
    pub(super) traits: Traits,
    pub(super) instruments: &'a [Arc<Instrument>],
    pub(super) settings: &'a Settings,
    pub(super) ctx: &'a Ctx,
    pub(super) progress: &'a ProgressBar,
    connect: Option<ConnectTimes>,
    subscription: Subscription,
    batch: Vec<Event>,
    pub(super) record: Recorder,
    subscribed_at: Instant,
    stats: Stats,
    spent: Spent,
}

impl<'a> Run<'a> {
    /// Connects once to see how long that takes, and subscribes.
    ///
    /// Errors: it cannot be connected to.
    pub async fn begin(
        provider: &'a Arc<dyn Provider>,
        instruments: &'a [Arc<Instrument>],
        settings: &'a Settings,
        ctx: &'a Ctx,
        progress: &'a ProgressBar,
    ) -> Result<Self, Stop> {
        progress.set_message("connecting");
        let connect = connect(provider.as_ref(), settings.timeout).await?;
        let traits = provider.traits();
        let mut request = Request::instruments(instruments.iter().cloned()).streams(Stream::PLAIN);
        if traits.can_wait {
            request = request.delivery(patient());
        }
        let (stats, spent, subscribed_at) = (ctx.engine.stats(), Spent::now(), Instant::now());
        Ok(Self {
            provider,
            traits,
            instruments,
            settings,
            ctx,
            progress,
            connect,
            subscription: ctx.engine.subscribe(request).await?,
            batch: Vec::new(),
            record: Recorder::new(instruments.iter().map(|i| i.market)),
            subscribed_at,
            stats,
            spent,
        })
    }

    /// Measures everything.
    ///
    /// Errors: nothing is heard of the exchange.
    pub async fn finish(mut self) -> Result<Measurements, Stop> {
        let end = self.first_data().await?;
        let began = Instant::now();
        self.progress.set_message("measuring");
        let known = self.newest_trades().await?;
        self.record.watch_prices();
        let clock = if self.traits.own_clock {
            None
        } else {
            let until = began + (end - began).mul_f64(CLOCK_SHARE);
            let provider = self.provider.clone();
            Some(
                self.meanwhile(questions::clock(provider.as_ref(), until))
                    .await?,
            )
        };
        let rest_prices = self.rest_prices().await?;
        let unknown = self.unknown_symbol().await?;
        self.until(end, |_| false).await?;
        let (behind, known) = self.behind(known, LAG).await?;
        let settled = self.ctx.engine.stats().settled;
        let mut found = Measurements {
            connect: self.connect,
            settled: (!settled.is_zero()).then_some(settled),
            elapsed: self.subscribed_at.elapsed(),
            counts: self.counts(),
            clock,
            contiguous_ids: self.traits.contiguous_ids,
            own_clock: self.traits.own_clock,
            behind,
            rest_prices,
            unknown: Some(unknown),
            recovery: None,
            cost: Some(self.spent.until_now()),
            record: self.record.clone(),
        };
        if self.settings.drop {
            found.recovery = Some(self.recovery(known).await?);
        }
        Ok(found)
    }

    /// Waits for data of all symbols, until the time is up; returns when the run is to end. Where nothing comes
    /// though the exchange is there, that is all there is to see.
    async fn first_data(&mut self) -> Result<Instant, Stop> {
        let deadline = self.subscribed_at + self.settings.timeout;
        let ready = |record: &Recorder| record.has_data() || record.is_given_up();
        self.until(deadline, ready).await?;
        let heard = self.ctx.engine.stats().messages > self.stats.messages;
        if !heard {
            let why = match self.record.last_trouble() {
                Some(trouble) => trouble.to_string(),
                None => {
                    let within = crate::duration::format(self.settings.timeout);
                    format!("not a word within {within}")
                }
            };
            let error = ProviderError::Unreachable(why);
            return Err(Stop::Unreachable(self.provider.exchange(), error));
        }
        let now = Instant::now();
        Ok(if self.record.has_data() {
            now + self.settings.duration
        } else {
            now
        })
    }

    /// Reads the streams until the future is done.
    pub(super) async fn meanwhile<T>(
        &mut self,
        future: impl Future<Output = T>,
    ) -> Result<T, Stop> {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                output = &mut future => return Ok(output),
                taken = self.subscription.next_batch(&mut self.batch) => {
                    taken.map_err(|_| Stop::Error(engine_stopped()))?;
                    self.see();
                }
            }
        }
    }

    /// Reads the streams until this holds, or the deadline; says whether it holds.
    pub(super) async fn until(
        &mut self,
        deadline: Instant,
        holds: impl Fn(&Recorder) -> bool,
    ) -> Result<bool, Stop> {
        while !holds(&self.record) {
            tokio::select! {
                taken = self.subscription.next_batch(&mut self.batch) => {
                    taken.map_err(|_| Stop::Error(engine_stopped()))?;
                    self.see();
                }
                () = tokio::time::sleep_until(deadline) => return Ok(false),
            }
        }
        Ok(true)
    }

    fn see(&mut self) {
        let at = self.subscribed_at.elapsed();
        for event in self.batch.drain(..) {
            self.record.see(&event, at);
        }
        self.progress.set_position(at.as_millis() as u64);
    }

    fn counts(&self) -> Counts {
        let now = self.ctx.engine.stats();
        let before = &self.stats;
        Counts {
            messages: now.messages - before.messages,
            bad_frames: now.bad_frames - before.bad_frames,
            duplicates: now.duplicates - before.duplicates,
            reordered: now.reordered - before.reordered,
            interruptions: now.disconnects - before.disconnects,
        }
    }

    /// What REST knows now: later trades the stream has to tell.
    async fn newest_trades(&mut self) -> Result<Vec<Known>, Stop> {
        let mut known = Vec::new();
        for (place, instrument) in self.instruments.iter().enumerate() {
            let newest = if place < ASKED {
                let (provider, instrument) = (self.provider.clone(), instrument.clone());
                let asked = questions::newest_trade(provider.as_ref(), &instrument);
                let answer = self.meanwhile(asked).await?;
                let id = |answer: Option<u64>| answer.ok_or("REST has no trades".to_string());
                answer.map_err(|error| error.to_string()).and_then(id)
            } else {
                Err(format!("only {ASKED} symbols are asked for"))
            };
            known.push((instrument.clone(), newest));
        }
        Ok(known)
    }

    /// How many trades REST has that the stream does not tell within `lag`, since `before`; and what it has.
    pub(super) async fn behind(
        &mut self,
        before: Vec<Known>,
        lag: Duration,
    ) -> Result<(Vec<(Market, Behind)>, Vec<Known>), Stop> {
        let now = self.newest_trades().await?;
        let told = |record: &Recorder, (instrument, before): &Known| {
            let before = *before.as_ref().ok()?;
            Some(
                record
                    .last_trade(instrument.market)
                    .map_or(before, |last| last.max(before)),
            )
        };
        let rest = |record: &Recorder, (before, now): (&Known, &Known)| {
            let newest = *now.1.as_ref().ok()?;
            Some(newest.saturating_sub(told(record, before)?))
        };
        let pairs = || before.iter().zip(&now);
        let deadline = Instant::now() + lag;
        let all_told = |record: &Recorder| pairs().all(|pair| rest(record, pair).unwrap_or(0) == 0);
        self.until(deadline, all_told).await?;
        let found = pairs().map(|(before, now)| {
            let why = || {
                [&before.1, &now.1]
                    .into_iter()
                    .find_map(|known| known.as_ref().err())
            };
            let behind = match rest(&self.record, (before, now)) {
                Some(trades) => Behind::Trades(trades),
                None => Behind::Unknown(why().cloned().unwrap_or_default()),
            };
            (now.0.market, behind)
        });
        Ok((found.collect(), now))
    }

    async fn rest_prices(&mut self) -> Result<Vec<(Market, RestPrice)>, Stop> {
        let markets = self.instruments.iter().map(|i| i.market);
        if self.traits.invented {
            let why = format!("{} has no REST", self.provider.exchange());
            return Ok(markets
                .map(|m| (m, RestPrice::Unknown(why.clone())))
                .collect());
        }
        let provider = self.provider.clone();
        let asked = questions::prices(provider.as_ref(), self.instruments.to_vec());
        let answers = self.meanwhile(asked).await?;
        self.until(Instant::now() + PRICE_LAG, |_| false).await?;
        let compare = |market: Market| {
            let answer = answers.iter().find(|(of, _)| *of == market);
            let price = match answer.map(|(_, price)| price) {
                None => return RestPrice::NoAnswer("no answer in time".into()),
                Some(Err(error @ ProviderError::RateLimited { .. })) => {
                    return RestPrice::Unknown(error.to_string());
                }
                Some(Err(error)) => return RestPrice::NoAnswer(error.to_string()),
                Some(Ok(price)) => price,
            };
            match (price, self.record.price_range(market)) {
                (Some(rest), Some((low, high))) => RestPrice::Compared {
                    rest: *rest,
                    low,
                    high,
                },
                (None, _) => RestPrice::Unknown("REST tells no price".into()),
                (_, None) => RestPrice::Unknown("the stream told no price".into()),
            }
        };
        Ok(markets.map(|market| (market, compare(market))).collect())
    }
}

/// Opens one connection. `Ok(None)`: the source has none.
async fn connect(provider: &dyn Provider, within: Duration) -> Result<Option<ConnectTimes>, Stop> {
    let late = || {
        let within = crate::duration::format(within);
        ProviderError::Unreachable(format!("no connection within {within}"))
    };
    let opened = timeout(within, provider.connect_times()).await;
    match opened.unwrap_or_else(|_| Err(late())) {
        Ok(times) => Ok(Some(times)),
        Err(ProviderError::Refused(_)) => Ok(None),
        Err(error) => Err(Stop::Unreachable(provider.exchange(), error)),
    }
}

/// A source that can be slowed down loses nothing.
fn patient() -> Delivery {
    Delivery::Every {
        capacity: crate::engine::DEFAULT_CAPACITY,
        overflow: Overflow::Wait,
    }
}
