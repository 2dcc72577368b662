//! What a check asks the exchanges: as little as its rules need, everything at once.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::alert::{Mark, Past, Tracker};
use crate::engine::Request;
use crate::expression::What;
use crate::feed::{Provider, ProviderError, TradeMark};
use crate::model::{
    Clock, Event, Field, Instrument, Market, Stream, SystemClock, Ticker, Timestamp, Trade,
};

use super::super::Ctx;
use super::super::candles::Known;
use super::super::error::CliError;
use super::cover;
use super::markets::Markets;

/// What an exchange says, or why it does not.
pub type Answer<T> = Result<T, ProviderError>;

/// What the exchanges said.
pub struct Facts {
    /// When all of it was there, but for the replays.
    pub asked_at: Timestamp,
    /// The state of each market that was asked for.
    pub tickers: HashMap<Market, Answer<Arc<Ticker>>>,
    /// Last trades, of rules that read their size or side.
    pub trades: HashMap<Market, Answer<Trade>>,
    /// The candles that rules are computed from.
    pub candles: Known,
    /// What happened since the oldest mark of a rule.
    pub replays: HashMap<Market, Answer<Arc<Past>>>,
}

/// What one check has to know of one market.
#[derive(Debug, Clone, Copy, Default)]
pub struct Need {
    /// A single answer over REST is enough.
    pub ticker: bool,
    /// Fields that only the live stream has.
    pub live: bool,
    /// The last trade itself.
    pub trade: bool,
}

/// The needs of these rules, by market.
pub fn needs<'a>(
    trackers: impl IntoIterator<Item = &'a Tracker>,
    ctx: &Ctx,
) -> Result<HashMap<Market, Need>, CliError> {
    let mut needs = HashMap::<Market, Need>::new();
    for slot in trackers.into_iter().flat_map(Tracker::slots) {
        let traits = ctx.engine.provider(slot.market.exchange().name())?.traits();
        let need = needs.entry(slot.market).or_default();
        let What::Field(field) = slot.what else {
            continue;
        };
        match field {
            Field::Id | Field::Size | Field::Side | Field::Origin => need.trade = true,
            _ if slot.stream.is_none() => {}
            _ if slot
                .stream
                .is_some_and(|stream| stream.interval().is_some()) => {}
            field => {
                let asked = Field::TICKER_NUMBERS.contains(&field);
                let in_rest = !asked || traits.rest_fields.contains(&field);
                need.ticker |= in_rest;
                need.live |= !in_rest;
            }
        }
    }
    Ok(needs)
}

/// Asks for all of it; what has not come by the deadline is an error.
pub async fn fetch(
    needs: &HashMap<Market, Need>,
    markets: &Markets,
    ctx: &Ctx,
    deadline: Instant,
) -> Facts {
    let of = |wanted: fn(&Need) -> bool| {
        let mut chosen: Vec<_> = needs
            .iter()
            .filter(|(_, need)| wanted(need))
            .map(|(market, _)| markets.instrument(*market).clone())
            .collect();
        chosen.sort_by_key(|instrument| instrument.market.index());
        chosen
    };
    // Where the live stream is needed, its ticker has the rest, too.
    let (rest, live) = (of(|need| need.ticker && !need.live), of(|need| need.live));
    let (tickers, live, trades) = tokio::join!(
        rest_tickers(rest, ctx, deadline),
        live_tickers(live, needs, ctx, deadline),
        last_trades(of(|need| need.trade), ctx, deadline),
    );
    Facts {
        asked_at: now(),
        tickers: tickers.into_iter().chain(live).collect(),
        trades: trades.into_iter().collect(),
        candles: Known::new(),
        replays: HashMap::new(),
    }
}

pub async fn rest_tickers(
    of: Vec<Arc<Instrument>>,
    ctx: &Ctx,
    deadline: Instant,
) -> Vec<(Market, Answer<Arc<Ticker>>)> {
    let mut by_provider = HashMap::<&str, Vec<Arc<Instrument>>>::new();
    for instrument in of {
        let name = instrument.market.exchange().name();
        by_provider.entry(name).or_default().push(instrument);
    }
    let asked = by_provider.into_iter().map(|(name, of)| async move {
        let mut answers: HashMap<Market, Answer<Arc<Ticker>>> =
            of.iter().map(|i| (i.market, Err(late()))).collect();
        let Ok(provider) = ctx.engine.provider(name) else {
            return answers;
        };
        let mut coming = provider.tickers(of);
        while let Ok(Some((instrument, answer))) =
            tokio::time::timeout_at(deadline, coming.next()).await
        {
            answers.insert(instrument.market, answer.map(Arc::new));
        }
        answers
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// Waits for a ticker of each that has what REST does not give.
async fn live_tickers(
    of: Vec<Arc<Instrument>>,
    needs: &HashMap<Market, Need>,
    ctx: &Ctx,
    deadline: Instant,
) -> Vec<(Market, Answer<Arc<Ticker>>)> {
    let mut answers: HashMap<Market, Answer<Arc<Ticker>>> =
        of.iter().map(|i| (i.market, Err(late()))).collect();
    if of.is_empty() {
        return Vec::new();
    }
    let mut missing = of.len();
    let subscription = ctx.engine.subscribe(Request::instruments(of)).await;
    let Ok(mut subscription) = subscription else {
        return answers.into_iter().collect();
    };
    let mut batch = Vec::new();
    while missing > 0 {
        let taken = tokio::time::timeout_at(deadline, subscription.next_batch(&mut batch)).await;
        if !matches!(taken, Ok(Ok(()))) {
            break;
        }
        for event in batch.drain(..) {
            match event {
                Event::Ticker(ticker) if needs.contains_key(&ticker.market) => {
                    let answer = answers.entry(ticker.market).or_insert_with(|| Err(late()));
                    missing -= usize::from(answer.is_err());
                    *answer = Ok(ticker);
                }
                Event::Status(status) => {
                    let why = status.reason.clone().unwrap_or_default();
                    let meant = |market: &Market| match status.market {
                        Some(one) => one == *market,
                        None => status.exchange == market.exchange(),
                    };
                    for (_, answer) in answers
                        .iter_mut()
                        .filter(|(market, answer)| meant(market) && answer.is_err())
                    {
                        *answer = Err(ProviderError::Unreachable(why.clone()));
                    }
                }
                _ => {}
            }
        }
    }
    answers.into_iter().collect()
}

pub async fn last_trades(
    of: Vec<Arc<Instrument>>,
    ctx: &Ctx,
    deadline: Instant,
) -> Vec<(Market, Answer<Trade>)> {
    let asked = of.into_iter().map(|instrument| async move {
        let market = instrument.market;
        let none = || ProviderError::Refused(format!("{market}: no trades"));
        let answer = match ctx.engine.provider(market.exchange().name()) {
            // It has no past; its next trade comes at once.
            Ok(provider) if provider.traits().can_wait => {
                let trade = tokio::time::timeout_at(deadline, next_trade(&instrument, ctx)).await;
                trade.ok().flatten().ok_or_else(none)
            }
            Ok(provider) => {
                let trades =
                    tokio::time::timeout_at(deadline, provider.trades(&instrument, 1)).await;
                let trades = trades.unwrap_or_else(|_| Err(late()));
                trades.and_then(|trades| trades.into_iter().next_back().ok_or_else(none))
            }
            Err(_) => Err(none()),
        };
        (market, answer)
    });
    join_all(asked).await
}

async fn next_trade(instrument: &Arc<Instrument>, ctx: &Ctx) -> Option<Trade> {
    let request = Request::instruments([instrument.clone()]).streams([Stream::Trades]);
    let mut subscription = ctx.engine.subscribe(request).await.ok()?;
    loop {
        if let Event::Trade(trade) = subscription.next().await? {
            return Some(trade);
        }
    }
}

/// The trades of these markets since their marks, and candles where trades are not to be had.
pub async fn replays(
    marks: HashMap<Market, Mark>,
    markets: &Markets,
    ctx: &Ctx,
    deadline: Instant,
) -> HashMap<Market, Answer<Arc<Past>>> {
    let asked = marks.into_iter().map(|(market, mark)| async move {
        let answer = match ctx.engine.provider(market.exchange().name()) {
            Ok(provider) => past(&*provider, markets.instrument(market), mark, deadline).await,
            Err(error) => Err(ProviderError::Setup(error.to_string())),
        };
        (market, answer.map(Arc::new))
    });
    join_all(asked).await.into_iter().collect()
}

async fn past(
    provider: &dyn Provider,
    of: &Arc<Instrument>,
    mark: Mark,
    deadline: Instant,
) -> Answer<Past> {
    let after = TradeMark {
        id: mark.id,
        time: mark.time,
    };
    // Many pages of trades must leave time for the candles of those that do not come.
    let begun = Instant::now();
    let by = begun + deadline.saturating_duration_since(begun) * 3 / 4;
    let replay = tokio::time::timeout_at(by, provider.trades_since(of, after, by)).await;
    let (mut past, error) = match replay.unwrap_or_else(|_| Err(late())) {
        Ok(replay) => {
            let past = Past {
                trades: replay.trades,
                uncovered: replay.uncovered,
                newest: replay.newest,
                ..Past::default()
            };
            (past, None)
        }
        // It has none that are so old, or none at all. Whatever else went wrong may be well at the next check.
        Err(error @ ProviderError::Refused(_)) => {
            let past = Past {
                uncovered: vec![(mark.time, now())],
                ..Past::default()
            };
            (past, Some(error))
        }
        Err(error) => return Err(error),
    };
    let without_candles = past.uncovered.clone();
    cover::cover(&mut past, provider, of, now(), deadline).await;
    match error.filter(|_| past.uncovered == without_candles) {
        Some(error) => Err(error),
        None => Ok(past.sane(mark.price)),
    }
}

fn late() -> ProviderError {
    ProviderError::Unreachable("no answer in time".into())
}

/// Whether a market goes on while we do not look: what is made up begins anew with each run, waits for us, and
/// has no past.
pub fn has_past(ctx: &Ctx, market: Market) -> bool {
    let provider = ctx.engine.provider(market.exchange().name());
    provider.is_ok_and(|provider| !provider.traits().can_wait)
}

/// Now, by our clock.
pub fn now() -> Timestamp {
    SystemClock.now()
}

/// What a rule reads, each once.
pub fn topics(tracker: &Tracker) -> Vec<(Market, Stream)> {
    let mut topics: Vec<_> = tracker
        .slots()
        .filter_map(|slot| Some((slot.market, slot.stream?)))
        .collect();
    topics.sort_by_key(|(market, stream)| (market.index(), *stream));
    topics.dedup();
    topics
}
