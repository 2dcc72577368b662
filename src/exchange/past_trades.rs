//! Trades of a span of the past, page by page, each asked for when it is wanted.
//!
//! Where pages can begin at a moment they do. Else the first trade is looked for, and pages begin at ids; where such
//! pages cannot be had, aggregates stand in for them.

mod first;
mod pages;

use std::sync::Arc;

use futures_util::stream::{StreamExt, try_unfold};

use crate::feed::{Pages, ProviderError, Span};
use crate::model::{Instrument, Trade};

use super::protocol::{AggregatePage, Ask, TradePage};
use super::rest::{Body, Rest};
use pages::{PAGE, TradePages, Way};

impl Rest {
    /// See [`crate::feed::Provider::trade_history`].
    pub(super) fn trade_history(&self, of: Arc<Instrument>, span: Span) -> Pages<'_, Trade> {
        let state = (of, TradePages::new(span), None);
        let pages = try_unfold(state, move |(of, mut pages, mut way)| async move {
            loop {
                if let Some(page) = pages.next() {
                    return Ok(Some((page, (of, pages, way))));
                }
                if pages.is_done() {
                    return Ok(None);
                }
                way = match way {
                    None => self.way_to_first(&of, &mut pages).await?,
                    Some(way) => Some(self.turn(&of, &mut pages, way).await?),
                };
            }
        });
        pages.boxed()
    }

    /// How the first page is asked for. `None`: there is nothing in the span.
    async fn way_to_first(
        &self,
        of: &Instrument,
        pages: &mut TradePages,
    ) -> Result<Option<Way>, ProviderError> {
        let from = pages.span().from;
        let (adapter, way) = (&self.adapter, Way::from_moment(from));
        if adapter.ask_trades_page(of, way.page()).is_some() {
            return Ok(Some(way));
        }
        let aggregates = AggregatePage::Since(from);
        let first = if let Some(ask) = adapter.ask_aggregates(of, aggregates) {
            let body = self.get_alone(&ask).await?;
            let rows = self.read_aggregates(&body, of).await?;
            let at_or_after = rows.iter().filter(|row| row.timestamp >= from);
            let first = at_or_after.min_by_key(|row| row.first);
            let first = first.map(|row| (row.first, row.timestamp));
            // The moment may lie within that of all these.
            let next = rows.iter().map(|row| row.last).max();
            let next = next.map(|last| (last.saturating_add(1), from));
            (first.or(next), body.sent_at)
        } else if adapter
            .ask_trades_page(of, TradePage::Before(PAGE))
            .is_some()
        {
            self.first_trade(of, from).await?
        } else {
            let why = format!("{} has no history of trades", of.market);
            return Err(ProviderError::Refused(why));
        };
        Ok(match first {
            (Some((id, time)), _) if time < pages.span().until => {
                pages.expect(id);
                if !adapter.keeps_all_trades() && !self.has_before(of, id).await? {
                    pages.begin_at(time);
                }
                Some(Way::Ids(id))
            }
            (Some(_), _) => {
                pages.finish(pages.span().until);
                None
            }
            (None, asked_at) => {
                pages.finish(asked_at);
                None
            }
        })
    }

    /// Whether there is a trade before this one.
    async fn has_before(&self, of: &Instrument, id: u64) -> Result<bool, ProviderError> {
        let ask = asked(of, self.adapter.ask_trades_page(of, TradePage::Before(id)))?;
        let body = self.get_history(&ask).await?;
        let trades = self.read_trades(&body, of).await?;
        Ok(trades.iter().any(|trade| trade.id < id))
    }

    /// Asks for the next page.
    async fn turn(
        &self,
        of: &Instrument,
        pages: &mut TradePages,
        way: Way,
    ) -> Result<Way, ProviderError> {
        if let Way::Aggregates(page) = way {
            let ask = self.adapter.ask_aggregates(of, page);
            let body = self.get_alone(&asked(of, ask)?).await?;
            let rows = self.read_aggregates(&body, of).await?;
            return Ok(pages.add_aggregates(page, rows, body.sent_at));
        }
        let page = way.page();
        let ask = asked(of, self.adapter.ask_trades_page(of, page))?;
        let answer = async {
            let body = self.get_history(&ask).await?;
            let lost = self.adapter.read_lost_trades(&body.text);
            Ok((self.read_trades(&body, of).await?, lost, body.sent_at))
        };
        match answer.await {
            Ok((trades, lost, asked_at)) => {
                pages.lose(lost);
                Ok(pages.add(way, trades, asked_at))
            }
            // A limit asks for fewer requests, not for others.
            Err(error @ ProviderError::RateLimited { .. }) => Err(error),
            Err(error) => {
                let page = pages.next_aggregates();
                match self.adapter.ask_aggregates(of, page) {
                    Some(_) => {
                        tracing::debug!(market = %of.market, %error, "aggregates stand in for old trades");
                        Ok(Way::Aggregates(page))
                    }
                    None => Err(error),
                }
            }
        }
    }

    async fn read_aggregates(
        &self,
        body: &Body,
        of: &Instrument,
    ) -> Result<Vec<super::AggregateTrade>, ProviderError> {
        let adapter = &self.adapter;
        let rows = adapter.read_aggregates(&body.text, of, body.received_at);
        self.heed(body, rows).await
    }
}

/// An adapter that has a way of turning pages has it for all of them.
fn asked(of: &Instrument, ask: Option<Ask>) -> Result<Ask, ProviderError> {
    ask.ok_or_else(|| {
        let why = format!("{}: a page of trades cannot be asked for", of.market);
        ProviderError::Refused(why)
    })
}

#[cfg(test)]
mod tests;
