//! `GET /api/v1/candles`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;

use crate::feed::{ProviderError, Topic};
use crate::model::{Candle, Event, Gap, Instrument, Interval, JsonWriter, Stream, Timestamp};
use crate::timeline;

use super::super::error::ApiError;
use super::super::markets::CANDLES;
use super::super::state::{Ref, Shared};
use super::super::streams::{self, Past};
use super::parameters::Parameters;
use super::{answer, lookup};

/// So many unless another number is asked for.
const DEFAULT: usize = 300;
const KNOWN: [&str; 7] = [
    "symbol", "provider", "interval", "limit", "from", "until", "fresh",
];

/// Candles, oldest first, the forming one last: the newest `limit` ones, those before `until`, or of the first `limit`
/// intervals after `from`. With `fresh`: none, where the exchange may have newer ones that the stream could not tell.
pub async fn get(State(shared): State<Ref>, uri: Uri) -> Result<Response, ApiError> {
    let parameters = Parameters::read(&uri, &KNOWN, "")?;
    let interval = parameters
        .value::<Interval>("interval")?
        .unwrap_or(Interval::M1);
    let limit = parameters.limit(DEFAULT, CANDLES)?;
    let (from, until) = (parameters.time("from")?, parameters.time("until")?);
    let fresh = parameters.value::<bool>("fresh")?.unwrap_or(false);
    let symbol = parameters.symbol()?;
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        return Err(ApiError::bad_request("`from` is not before `until`"));
    }
    let instrument = lookup::instrument(&shared, parameters.text("provider"), symbol).await?;
    let (candles, gaps) = match (from, until) {
        (None, None) => {
            let candles = newest(&shared, &instrument, interval, limit).await?;
            (candles, Vec::new())
        }
        _ => between(&shared, &instrument, interval, limit, (from, until)).await?,
    };
    let is_over = until.is_some_and(|until| until < shared.engine.clock().now());
    let stream = Stream::Candles(interval);
    let of_stream = (shared.health).freshness(&shared.engine, instrument.market, stream);
    if fresh && !is_over && of_stream.stale {
        return Err(lookup::stale(instrument.market));
    }
    let mut body = b"{".to_vec();
    answer::market(instrument.market, &mut body);
    body.extend_from_slice(format!(",\"interval\":\"{interval}\",").as_bytes());
    let events = candles
        .into_iter()
        .map(|candle| Event::Candle(Arc::new(candle)));
    let mut writer = JsonWriter::default();
    answer::events("candles", events, &mut writer, &mut body);
    body.push(b',');
    let gaps = gaps.into_iter().map(Event::Gap);
    answer::events("gaps", gaps, &mut writer, &mut body);
    body.push(b'}');
    Ok(answer::json(StatusCode::OK, body))
}

/// From now on the stream is served, for a while; its past comes with it.
async fn newest(
    shared: &Shared,
    instrument: &Arc<Instrument>,
    interval: Interval,
    limit: usize,
) -> Result<Vec<Candle>, ApiError> {
    let (market, name) = (instrument.market, instrument.market.exchange().name());
    let topics = lookup::topics(
        std::slice::from_ref(instrument),
        &[Stream::Candles(interval)],
    );
    let _lease = shared.streams.acquire(topics).await?;
    let past = past(shared, instrument, interval).await;
    let mut candles = shared.markets.candles(market, interval, limit);
    if let (Err(error), true) = (past, candles.is_empty()) {
        return Err(error);
    }
    let asked = shared.markets.candles_asked(market, interval);
    if candles.len() < limit && (1..limit).contains(&asked) {
        let older = ask(shared, instrument, interval, timeline::Past::Last(CANDLES));
        match older.await {
            Ok((older, _)) => shared.markets.put_candles(market, interval, older, CANDLES),
            Err(error) => tracing::debug!(provider = name, ?error, "no older candles"),
        }
        candles = shared.markets.candles(market, interval, limit);
    }
    Ok(candles)
}

/// Waits until the past of a stream is there. A stopped one has none.
async fn past(
    shared: &Shared,
    instrument: &Instrument,
    interval: Interval,
) -> Result<(), ApiError> {
    let name = instrument.market.exchange().name();
    let Some(mut past) = shared.streams.past(instrument.market, interval) else {
        return Ok(());
    };
    let told = past.wait_for(|past| *past != Past::Loading);
    match tokio::time::timeout(lookup::PATIENCE, told).await {
        Ok(Ok(past)) => match &*past {
            Past::Failed(error) => Err(lookup::provider_error(name, error)),
            Past::Loading | Past::Loaded => Ok(()),
        },
        Ok(Err(_)) => Ok(()),
        Err(_) => Err(lookup::timeout(name)),
    }
}

/// From what is kept where that reaches back far enough, else from the exchange, and the newest from what is kept.
async fn between(
    shared: &Shared,
    instrument: &Arc<Instrument>,
    interval: Interval,
    limit: usize,
    (from, until): (Option<Timestamp>, Option<Timestamp>),
) -> Result<Known, ApiError> {
    let market = instrument.market;
    let now = shared.engine.clock().now();
    let length = interval.nanos().saturating_mul(limit as i64);
    let begin = match until {
        Some(until) if from.is_none() => interval.first_from(until).plus_nanos(-length),
        _ => from.unwrap_or(now),
    };
    let most = interval.first_from(begin).plus_nanos(length);
    let end = until.map_or(most, |until| until.min(most));
    let kept = shared.markets.candles_between(market, interval, begin, end);
    let first = shared.markets.candles(market, interval, CANDLES);
    let reaches_back = first.first().is_some_and(|first| first.open_time <= begin);
    let (mut found, mut gaps) = (BTreeMap::<Timestamp, Candle>::new(), Vec::new());
    let provider = shared.engine.provider(market.exchange().name());
    let has_own_clock = provider.is_ok_and(|provider| provider.traits().own_clock);
    if !reaches_back && (has_own_clock || begin <= now) {
        // What has only just ended is not waited for: that is the stream's to tell.
        let is_over = end < now.plus_nanos(-interval.nanos());
        let past = timeline::Past::Since(begin, is_over.then_some(end));
        let (older, missing) = ask(shared, instrument, interval, past).await?;
        gaps = missing;
        found.extend(older.into_iter().map(|candle| (candle.open_time, candle)));
    }
    found.extend(kept.into_iter().map(|candle| (candle.open_time, candle)));
    let mut candles: Vec<Candle> = found
        .into_values()
        .filter(|candle| begin <= candle.open_time && candle.open_time < end)
        .collect();
    match from {
        Some(_) => candles.truncate(limit),
        None => drop(candles.drain(..candles.len().saturating_sub(limit))),
    }
    Ok((candles, gaps))
}

/// Candles, and the parts that cannot be had.
type Known = (Vec<Candle>, Vec<Arc<Gap>>);

/// Errors: the exchange's; there is no history.
async fn ask(
    shared: &Shared,
    instrument: &Arc<Instrument>,
    interval: Interval,
    past: timeline::Past,
) -> Result<Known, ApiError> {
    let name = instrument.market.exchange().name();
    let topic = Topic {
        instrument: instrument.clone(),
        stream: Stream::Candles(interval),
    };
    let answer = async {
        let _turn = shared.streams.question().await;
        streams::candles(&shared.engine, topic, past).await
    };
    match tokio::time::timeout(lookup::PATIENCE, answer).await {
        Ok(Ok(candles)) => Ok(candles),
        Ok(Err(ProviderError::Refused(_))) => {
            let message = format!("{name} has no past of these candles");
            Err(ApiError::unprocessable("unsupported", message))
        }
        Ok(Err(error)) => Err(lookup::provider_error(name, &error)),
        Err(_) => Err(lookup::timeout(name)),
    }
}
