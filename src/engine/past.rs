//! Questions about candles that are on their way to exchanges.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::feed::{Provider, ProviderError, Replay, Span, TradeMark};
use crate::model::{Instrument, Interval, Market, Timestamp};

use super::candles::Rows;

/// Candles of one answer at most; about 1 MB.
const MOST: usize = 5_000;

/// What an exchange has, and which question that answers.
pub(super) struct Told {
    pub market: Market,
    pub ticket: u64,
    pub found: Found,
}

/// What was asked for.
pub(super) enum Found {
    Rows(Result<Rows, ProviderError>),
    Trades(Result<Replay, ProviderError>),
}

/// Which candles are asked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub interval: Interval,
    pub span: Span,
    pub closed_before: Timestamp,
}

/// Those that are on their way. [`super::candles`] bounds how many there are. Dropped, they are given up.
#[derive(Default)]
pub(super) struct Past(JoinSet<Told>);

impl Past {
    /// Asks for closed candles; what has not come when the budget is used up is not waited for.
    pub fn ask_rows(
        &mut self,
        provider: Arc<dyn Provider>,
        of: Arc<Instrument>,
        ticket: u64,
        wanted: Wanted,
        budget: Duration,
    ) {
        let deadline = Instant::now() + budget;
        self.0.spawn(async move {
            let market = of.market;
            let found = Found::Rows(rows(&*provider, of, wanted, deadline).await);
            Told {
                market,
                ticket,
                found,
            }
        });
    }

    /// Asks for the trades after a mark.
    pub fn ask_trades(
        &mut self,
        provider: Arc<dyn Provider>,
        of: Arc<Instrument>,
        ticket: u64,
        after: TradeMark,
        budget: Duration,
    ) {
        let deadline = Instant::now() + budget;
        self.0.spawn(async move {
            let trades = timeout_at(deadline, provider.trades_since(&of, after, deadline)).await;
            let found = Found::Trades(trades.unwrap_or_else(|_| Err(late())));
            Told {
                market: of.market,
                ticket,
                found,
            }
        });
    }

    /// The next answer; waits for ever where none is to come. Cancel safe.
    pub async fn next(&mut self) -> Told {
        loop {
            match self.0.join_next().await {
                Some(Ok(told)) => return told,
                // Its lane goes on when its time is up.
                Some(Err(error)) => tracing::error!(%error, "a question about candles broke"),
                None => std::future::pending().await,
            }
        }
    }
}

fn late() -> ProviderError {
    ProviderError::Unreachable("no answer in time".into())
}

/// Errors: the first page did not come.
async fn rows(
    provider: &dyn Provider,
    of: Arc<Instrument>,
    wanted: Wanted,
    deadline: Instant,
) -> Result<Rows, ProviderError> {
    let Wanted {
        interval,
        span,
        closed_before,
    } = wanted;
    let mut pages = provider.candle_history(of, interval, span, closed_before);
    let mut rows = Rows::default();
    while rows.items.len() < MOST {
        let page = match timeout_at(deadline, pages.next()).await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(rows),
            Err(_) => Err(late()),
        };
        match page {
            Ok(page) => {
                rows.covers.push(page.covers);
                rows.items.extend(page.items);
            }
            Err(error) if rows.covers.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(rows)
}
