//! Trades since a mark, put together from pages.
//!
//! The newest page comes first: mostly it reaches back to the mark, and everybody who asks about a market
//! at one moment asks for the same one. What lies between is then fetched from whichever end the exchange
//! lets one turn pages from, or from aggregates where such pages cannot be had. Nothing is taken for
//! granted: a part counts as covered only where the pages have been seen to touch.

mod past;

use std::future::Future;

use tokio::time::{Instant, timeout_at};

use crate::feed::{ProviderError, Replay, TradeMark};
use crate::model::Instrument;

use super::rest::Rest;
use past::Past;

/// Requests for one replay.
const PAGES_MAX: usize = 40;
/// Trades asked for at once: the most that every exchange gives.
const PAGE: usize = 1_000;

impl Rest {
    /// See [`crate::feed::Provider::trades_since`].
    pub(super) async fn trades_since(
        &self,
        of: &Instrument,
        after: TradeMark,
        deadline: Instant,
    ) -> Result<Replay, ProviderError> {
        let newest = async {
            let body = self.get(&self.adapter.ask_trades(of, PAGE)).await?;
            let lost = self.adapter.read_lost_trades(&body.text);
            let trades = self.read_trades(&body, of).await?;
            Ok((trades, lost, body.received_at))
        };
        let (newest, lost, asked_at) = self.within(deadline, newest).await?;
        let mut past = Past::new(after, newest, asked_at);
        past.lose(lost);
        let mut by_aggregates = false;
        for _ in 1..PAGES_MAX {
            let turned = match by_aggregates {
                false => self.turn_page(of, &mut past, deadline).await,
                true => self.turn_aggregates(of, &mut past, deadline).await,
            };
            match turned {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(market = %of.market, %error, "a page of old trades is missing");
                    // A limit asks for fewer requests, not for others.
                    if by_aggregates || matches!(error, ProviderError::RateLimited { .. }) {
                        break;
                    }
                    by_aggregates = true;
                }
            }
        }
        Ok(past.replay())
    }

    /// Asks for the next page. False: there is none, or it brought nothing.
    async fn turn_page(
        &self,
        of: &Instrument,
        past: &mut Past,
        deadline: Instant,
    ) -> Result<bool, ProviderError> {
        let ask = |page| Some((page, self.adapter.ask_trades_page(of, page)?));
        let Some((page, ask)) = past.missing().into_iter().flatten().find_map(ask) else {
            return Ok(false);
        };
        let answer = async {
            let body = self.get_history(&ask).await?;
            let lost = self.adapter.read_lost_trades(&body.text);
            Ok((self.read_trades(&body, of).await?, lost))
        };
        // A host that is silent must leave time for what stands in for it.
        let stand_in = past.missing_aggregates();
        let stand_in = stand_in.and_then(|page| self.adapter.ask_aggregates(of, page));
        let until = match stand_in {
            Some(_) => Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2,
            None => deadline,
        };
        let (trades, lost) = self.within(until, answer).await?;
        past.lose(lost);
        Ok(past.add(page, trades))
    }

    /// Asks for the next page of aggregates. False: there is none, or it brought nothing.
    async fn turn_aggregates(
        &self,
        of: &Instrument,
        past: &mut Past,
        deadline: Instant,
    ) -> Result<bool, ProviderError> {
        let page = past.missing_aggregates();
        let Some(ask) = page.and_then(|page| self.adapter.ask_aggregates(of, page)) else {
            return Ok(false);
        };
        let answer = async {
            let body = self.get_alone(&ask).await?;
            let read = self
                .adapter
                .read_aggregates(&body.text, of, body.received_at);
            self.heed(&body, read).await
        };
        Ok(past.add_aggregates(self.within(deadline, answer).await?))
    }

    async fn within<T>(
        &self,
        deadline: Instant,
        answer: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        timeout_at(deadline, answer).await.unwrap_or_else(|_| {
            let exchange = self.adapter.exchange();
            let why = format!(
                "no answer in time, be it of {exchange} or for want of room in its budget of requests"
            );
            Err(ProviderError::Unreachable(why))
        })
    }
}
