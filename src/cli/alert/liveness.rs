//! Whether a market of which nothing was heard for a while is just quiet: asked over REST.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, OptionFuture};
use tokio::time::Instant;

use crate::alert::Views;
use crate::model::{Instrument, Market, Stream, Ticker};

use super::super::Ctx;
use super::fetch::{now, rest_tickers};
use super::markets::Markets;
use super::state::MAX_AGE;

/// Between two rounds of questions.
const PAUSE: Duration = Duration::from_secs(5);

/// For the answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// The answers of one round.
pub type Question = Vec<Arc<Ticker>>;

/// Asks for the markets whose values grow old.
pub struct Liveness<'a> {
    ctx: &'a Ctx,
    markets: HashMap<Market, (Arc<Instrument>, Vec<Stream>)>,
    asking: Option<BoxFuture<'a, Question>>,
    asked_at: Option<Instant>,
    max_age: Duration,
}

impl<'a> Liveness<'a> {
    /// `checked`: what is read of each market.
    pub fn new(ctx: &'a Ctx, markets: &Markets, checked: HashMap<Market, Vec<Stream>>) -> Self {
        let with_instrument =
            |(market, streams)| (market, (markets.instrument(market).clone(), streams));
        Self {
            ctx,
            markets: checked.into_iter().map(with_instrument).collect(),
            asking: None,
            asked_at: None,
            max_age: ctx.max_age.unwrap_or(MAX_AGE),
        }
    }

    /// Asks if something is old enough, or for everything where something is in doubt, and not too often.
    pub fn look(&mut self, views: &Views, doubt: bool) {
        let too_soon = self.asked_at.is_some_and(|at| at.elapsed() < PAUSE);
        if self.asking.is_some() || too_soon {
            return;
        }
        let now = now();
        let old = |market: &Market, stream: &Stream| {
            let confirmed = views.confirmed(*market, *stream);
            confirmed.is_none_or(|at| now.seconds_since(at) > self.max_age.as_secs_f64() / 2.0)
        };
        let asked = self.markets.iter().filter(|(market, (_, streams))| {
            doubt || streams.iter().any(|stream| old(market, stream))
        });
        let of: Vec<_> = asked
            .map(|(_, (instrument, _))| instrument.clone())
            .collect();
        if of.is_empty() {
            return;
        }
        self.asked_at = Some(Instant::now());
        let ctx = self.ctx;
        self.asking = Some(Box::pin(async move {
            let answers = rest_tickers(of, ctx, Instant::now() + PATIENCE).await;
            let answers = answers.into_iter().filter_map(|(_, answer)| answer.ok());
            answers.collect()
        }));
    }

    /// The next look asks at once: something has changed.
    pub fn hurry(&mut self) {
        self.asked_at = None;
    }

    /// Waits for the answers; for ever where nothing was asked. Cancel safe.
    pub async fn next(&mut self) -> Question {
        let asking: OptionFuture<_> = self.asking.as_mut().into();
        match asking.await {
            Some(answers) => {
                self.asking = None;
                answers
            }
            None => std::future::pending().await,
        }
    }
}
