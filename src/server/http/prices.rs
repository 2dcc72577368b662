//! `GET /api/v1/prices`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::model::{Event, Instrument, JsonWriter, Market, Stream, Ticker};

use super::super::error::ApiError;
use super::super::health::Freshness;
use super::super::state::{Ref, Shared};
use super::parameters::Parameters;
use super::{answer, lookup};

/// A ticker, and whether the exchange has just answered with it: else it is what is kept.
type Found = (Arc<Ticker>, bool);

/// The last ticker of each symbol; of all that are served where none is named. One that is not served is asked for
/// once, and served for a while; one that nobody vouches for any more is asked for, too.
pub async fn get(State(shared): State<Ref>, uri: Uri) -> Result<Response, ApiError> {
    let parameters = Parameters::read(&uri, &["symbol", "provider"], "symbol")?;
    let provider = parameters.text("provider");
    let symbols = parameters.list("symbol");
    let most = shared.limits.symbols_per_client;
    if symbols.len() > most {
        return Err(ApiError::bad_request(format!(
            "{} symbols are asked for, {most} may be",
            symbols.len()
        )));
    }
    let tickers = match symbols.is_empty() {
        true => served(&shared, provider)?,
        false => {
            let wanted = lookup::instruments(&shared, provider, symbols).await?;
            asked(&shared, wanted).await?
        }
    };
    Ok(answer::json(StatusCode::OK, render(&shared, tickers)))
}

fn served(shared: &Shared, provider: Option<&str>) -> Result<Vec<Found>, ApiError> {
    let mut tickers = shared.markets.tickers();
    if let Some(name) = provider {
        let known = shared.engine.provider(&name.to_lowercase());
        let exchange = known
            .map_err(|error| lookup::engine_error(shared, error))?
            .exchange();
        tickers.retain(|ticker| ticker.market.exchange() == exchange);
    }
    Ok(tickers.into_iter().map(|ticker| (ticker, false)).collect())
}

async fn asked(shared: &Shared, wanted: Vec<Arc<Instrument>>) -> Result<Vec<Found>, ApiError> {
    let known = |instrument: &Arc<Instrument>| {
        let market = instrument.market;
        let speaker = shared.markets.speaker(market);
        let ticker = shared.markets.ticker(speaker);
        ticker.or_else(|| shared.markets.ticker(market))
    };
    let is_vouched = |ticker: Arc<Ticker>| !freshness(shared, &ticker, false).stale;
    let missing: Vec<_> = wanted
        .iter()
        .filter(|instrument| !known(instrument).is_some_and(is_vouched))
        .cloned()
        .collect();
    let all_known = missing.iter().all(|instrument| known(instrument).is_some());
    let fresh = match missing.is_empty() {
        true => HashMap::new(),
        false => match ask(shared, missing).await {
            // What is kept is told, and that it is stale.
            Err(_) if all_known => HashMap::new(),
            fresh => fresh?,
        },
    };
    let found = wanted.iter().map(|instrument| {
        let fresh = fresh.get(&instrument.market).cloned();
        let fresh = fresh.map(|ticker| (ticker, true));
        let name = instrument.market.exchange().name();
        fresh
            .or_else(|| Some((known(instrument)?, false)))
            .ok_or_else(|| lookup::timeout(name))
    });
    found.collect()
}

/// Asks each provider once.
async fn ask(
    shared: &Shared,
    of: Vec<Arc<Instrument>>,
) -> Result<HashMap<Market, Arc<Ticker>>, ApiError> {
    let deadline = Instant::now() + lookup::PATIENCE;
    // Held to the end of the question and for the linger after it. Where there are too many streams this is a
    // question like any other.
    let _lease = shared
        .streams
        .acquire(lookup::topics(&of, &[Stream::Ticker]))
        .await
        .ok();
    let mut by_provider: HashMap<&'static str, Vec<Arc<Instrument>>> = HashMap::new();
    for instrument in of {
        let name = instrument.market.exchange().name();
        by_provider.entry(name).or_default().push(instrument);
    }
    let mut found = HashMap::new();
    for (name, of) in by_provider {
        let provider = shared.engine.provider(name);
        let provider = provider.map_err(|error| lookup::engine_error(shared, error))?;
        let answers = async {
            let _turn = shared.streams.question().await;
            let mut answers = provider.tickers(of);
            while let Some((instrument, ticker)) = answers.next().await {
                let ticker = ticker.map_err(|error| lookup::provider_error(name, &error))?;
                let ticker = Arc::new(ticker);
                shared.markets.offer_ticker(&ticker);
                found.insert(instrument.market, ticker);
            }
            Ok(())
        };
        let answers = tokio::time::timeout_at(deadline, answers).await;
        answers.map_err(|_| lookup::timeout(name))??;
    }
    Ok(found)
}

fn render(shared: &Shared, tickers: Vec<Found>) -> Vec<u8> {
    let mut body = b"{".to_vec();
    let mut writer = JsonWriter::default();
    answer::list("prices", tickers, &mut body, |(ticker, is_answer), body| {
        let Freshness { age, stale } = freshness(shared, &ticker, is_answer);
        writer.write(&Event::Ticker(ticker), body);
        let closing = body.pop();
        debug_assert_eq!(closing, Some(b'}'));
        let age = age.map_or_else(|| "null".to_owned(), |age| format!("{age:.3}"));
        body.extend_from_slice(format!(",\"age\":{age},\"stale\":{stale}}}").as_bytes());
    });
    answer::timestamp(shared.engine.clock().now(), &mut body);
    body.push(b'}');
    body
}

/// One that came over REST was confirmed when it came.
fn freshness(shared: &Shared, ticker: &Ticker, is_answer: bool) -> Freshness {
    let of_stream = shared
        .health
        .freshness(&shared.engine, ticker.market, Stream::Ticker);
    if of_stream.age.is_some() && !is_answer {
        return of_stream;
    }
    let provider = shared.engine.provider(ticker.market.exchange().name());
    let has_own_clock = provider.is_ok_and(|provider| provider.traits().own_clock);
    let now = shared.engine.clock().now();
    let age = (!has_own_clock).then(|| now.seconds_since(ticker.received_at).max(0.0));
    let is_old = age.is_some_and(|age| age > super::super::health::MAX_AGE.as_secs_f64());
    Freshness {
        age,
        stale: of_stream.stale && !is_answer || is_old,
    }
}
