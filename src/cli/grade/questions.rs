//! What is asked over REST while the streams run. Every question has a deadline.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use crate::feed::{Provider, ProviderError, ServerTime};
use crate::grade::{ClockOffset, clock_offset};
use crate::model::{Decimal, Instrument, Market};

/// For one question: the budget of an exchange may keep it waiting for seconds.
const DEADLINE: Duration = Duration::from_secs(5);
/// More readings of a clock tell little more.
const READINGS: usize = 6;
/// Clocks that are compared as well as this need no further reading.
const ENOUGH_NANOS: i64 = 10_000_000;
/// Pause between two readings.
const PAUSE: Duration = Duration::from_millis(250);
/// The same where the clock tells whole seconds: not a whole number of them, so that each reading falls on another
/// part of a second.
const PAUSE_OF_SECONDS: Duration = Duration::from_millis(1_170);

/// Compares the clocks, by several readings until `until`; at least one is tried.
///
/// Errors: why nothing is known.
pub async fn clock(provider: &dyn Provider, until: Instant) -> Result<ClockOffset, String> {
    let mut readings = Vec::<ServerTime>::new();
    let mut trouble = "no answer".to_string();
    for _ in 0..READINGS {
        match within(provider.server_time()).await {
            Ok(reading) => readings.push(reading),
            Err(error) => {
                trouble = error.to_string();
                break;
            }
        }
        let offset = clock_offset(&readings);
        let enough = offset.is_some_and(|offset| offset.error_nanos <= ENOUGH_NANOS);
        let whole_seconds = |r: &ServerTime| r.time.nanos() % 1_000_000_000 == 0;
        let pause = if readings.iter().all(whole_seconds) {
            PAUSE_OF_SECONDS
        } else {
            PAUSE
        };
        if enough || Instant::now() + pause >= until {
            break;
        }
        sleep(pause).await;
    }
    clock_offset(&readings).ok_or(trouble)
}

/// The id of the newest trade that REST knows, where there is one.
pub async fn newest_trade(
    provider: &dyn Provider,
    instrument: &Instrument,
) -> Result<Option<u64>, ProviderError> {
    let trades = within(provider.trades(instrument, 1)).await?;
    Ok(trades.last().map(|trade| trade.id))
}

/// REST's prices of these, each with its market; what was not answered in time is left out.
pub async fn prices(
    provider: &dyn Provider,
    of: Vec<Arc<Instrument>>,
) -> Vec<(Market, Result<Option<Decimal>, ProviderError>)> {
    let mut answers = Vec::new();
    let mut stream = provider.tickers(of);
    let until = Instant::now() + DEADLINE;
    while let Ok(Some((instrument, ticker))) = tokio::time::timeout_at(until, stream.next()).await {
        let price = ticker.map(|ticker| ticker.price.map(|price| price.decimal()));
        answers.push((instrument.market, price));
    }
    answers
}

async fn within<T>(
    question: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let late = || ProviderError::Unreachable("no answer in time".into());
    timeout(DEADLINE, question)
        .await
        .unwrap_or_else(|_| Err(late()))
}
