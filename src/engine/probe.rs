//! Questions about silent streams that are on their way to exchanges.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::feed::{Provider, ProviderError, Topic};
use crate::model::{Market, Stream, Ticker, Trade};

use super::freshness::{Answer, Question};

/// For an answer, with the wait for room in the budget of requests.
const PATIENCE: Duration = Duration::from_secs(15);

/// What an exchange says about a topic.
pub(super) struct Told {
    pub topic: (Market, Stream),
    pub answer: Fact,
}

/// An answer, owned.
pub(super) enum Fact {
    Trade(Option<Trade>),
    Ticker(Arc<Ticker>),
    Nothing,
}

impl Fact {
    pub fn as_answer(&self) -> Answer<'_> {
        match self {
            Self::Trade(trade) => Answer::Trade(trade.as_ref()),
            Self::Ticker(ticker) => Answer::Ticker(ticker),
            Self::Nothing => Answer::Nothing,
        }
    }
}

/// Those that are on their way. [`super::freshness`] bounds how many there are. Dropped, they are given up.
#[derive(Default)]
pub(super) struct Probes(JoinSet<Told>);

impl Probes {
    /// Asks about a topic.
    pub fn ask(&mut self, provider: Arc<dyn Provider>, about: &Topic, question: Question) {
        let about = about.clone();
        self.0.spawn(async move {
            let answer = timeout(PATIENCE, fact(&*provider, &about, question)).await;
            let answer = answer.unwrap_or_else(|_| Err(ProviderError::Unreachable("late".into())));
            if let Err(error) = &answer {
                tracing::debug!(market = %about.instrument.market, %error, "no answer about a silent stream");
            }
            Told {
                topic: (about.instrument.market, about.stream),
                answer: answer.unwrap_or(Fact::Nothing),
            }
        });
    }

    /// The next answer; waits for ever where none is to come. Cancel safe.
    pub async fn next(&mut self) -> Told {
        loop {
            match self.0.join_next().await {
                Some(Ok(told)) => return told,
                // Freshness asks again when its time is up.
                Some(Err(error)) => tracing::error!(%error, "a question about a stream broke"),
                None => std::future::pending().await,
            }
        }
    }
}

async fn fact(
    provider: &dyn Provider,
    about: &Topic,
    question: Question,
) -> Result<Fact, ProviderError> {
    match question {
        Question::Trade => {
            let trades = provider.trades(&about.instrument, 1).await?;
            Ok(Fact::Trade(trades.last().copied()))
        }
        Question::Ticker => {
            let mut tickers = provider.tickers(vec![about.instrument.clone()]);
            match tickers.next().await {
                Some((_, ticker)) => Ok(Fact::Ticker(Arc::new(ticker?))),
                None => Ok(Fact::Nothing),
            }
        }
    }
}
