//! Questions about missed trades that are on their way to exchanges.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::feed::{Provider, ProviderError, Replay, TradeMark};
use crate::model::{Instrument, Market};

/// For a provider that puts together what it has when its deadline has come.
const GRACE: Duration = Duration::from_millis(250);

/// What an exchange has of a market's trades, and which question that answers.
pub(super) struct Answer {
    pub market: Market,
    pub ticket: u64,
    pub trades: Result<Replay, ProviderError>,
}

/// Those that are on their way. [`super::core`] bounds how many there are. Dropped, they are given up.
#[derive(Default)]
pub(super) struct Repairs(JoinSet<Answer>);

impl Repairs {
    /// Asks what was traded after a mark, until the deadline.
    pub fn ask(
        &mut self,
        provider: Arc<dyn Provider>,
        of: Arc<Instrument>,
        ticket: u64,
        after: TradeMark,
        deadline: Instant,
    ) {
        self.0.spawn(async move {
            let trades = provider.trades_since(&of, after, deadline);
            let late = || ProviderError::Unreachable("no answer in time".into());
            let trades = timeout_at(deadline + GRACE, trades).await;
            Answer {
                market: of.market,
                ticket,
                trades: trades.unwrap_or_else(|_| Err(late())),
            }
        });
    }

    /// The next answer; waits for ever where none is to come. Cancel safe.
    pub async fn next(&mut self) -> Answer {
        loop {
            match self.0.join_next().await {
                Some(Ok(answer)) => return answer,
                // The core ends its repair when its time is up.
                Some(Err(error)) => tracing::error!(%error, "a question about missed trades broke"),
                None => std::future::pending().await,
            }
        }
    }
}
