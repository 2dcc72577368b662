//! Tickers over REST, by as few requests as can be: those of one caller together, and where the exchange
//! takes several names, those of other processes along with them.

use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::stream::{self, BoxStream, FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};

use crate::feed::{Answer, ProviderError};
use crate::model::{Exchange, Instrument, Ticker, Timestamp};
use crate::store::shared::Wanted;

use super::protocol::Ask;
use super::rest::{Patience, Rest, Sharing};

/// What the shared question is called; no path has this form.
const QUESTION: &str = "tickers";
/// Names of other processes that are looked at; the adapter decides how many fit into a request.
const OTHERS_MAX: usize = 500;

/// Tickers, or why there are none, and what was asked for to get them.
type Covered = (Vec<Arc<Instrument>>, Result<Vec<Ticker>, ProviderError>);

impl Rest {
    /// The tickers of these, each as soon as it is there.
    pub(super) fn tickers(&self, of: Vec<Arc<Instrument>>) -> BoxStream<'_, Answer<Ticker>> {
        let asks = self.adapter.ask_tickers(&of);
        if let (Some(sharing), [_]) = (&self.sharing, &asks[..])
            && self.merges(&of[0])
        {
            let answers = stream::once(self.merged(sharing, of));
            return answers.flat_map(stream::iter).boxed();
        }
        let answers: FuturesUnordered<_> = asks
            .into_iter()
            .map(|(ask, covered)| self.tickers_of(ask, covered))
            .collect();
        answers.flat_map(stream::iter).boxed()
    }

    /// Whether the exchange takes several names at once.
    fn merges(&self, one: &Arc<Instrument>) -> bool {
        let twice = [one.clone(), one.clone()];
        self.adapter.ask_tickers(&twice).len() == 1
    }

    /// The answers to one request for tickers.
    async fn tickers_of(&self, ask: Ask, covered: Vec<Arc<Instrument>>) -> Vec<Answer<Ticker>> {
        let tickers = self.ticker_answer(&ask, &covered).await;
        match tickers {
            Err(error) if concerns_one(&error) && covered.len() > 1 => self.each(&covered).await,
            tickers => by_instrument(covered, tickers),
        }
    }

    /// A request for each: one bad symbol or row fails a request for several, and the others must not
    /// suffer for it.
    async fn each(&self, of: &[Arc<Instrument>]) -> Vec<Answer<Ticker>> {
        let asks = of.chunks(1).flat_map(|one| self.adapter.ask_tickers(one));
        let answers = asks.map(|(ask, one)| async move {
            let tickers = self.ticker_answer(&ask, &one).await;
            by_instrument(one, tickers)
        });
        join_all(answers).await.concat()
    }

    async fn ticker_answer(
        &self,
        ask: &Ask,
        of: &[Arc<Instrument>],
    ) -> Result<Vec<Ticker>, ProviderError> {
        let body = self.get(ask).await?;
        let tickers = self.adapter.read_tickers(&body.text, of, body.received_at);
        self.heed(&body, tickers).await
    }

    /// The tickers of these, which fit into one request, with those that other processes want.
    async fn merged(&self, sharing: &Sharing, own: Vec<Arc<Instrument>>) -> Vec<Answer<Ticker>> {
        let wanted_at = self.clock.now();
        let mut patience = Patience::default();
        loop {
            match self.merged_once(sharing, &own, wanted_at).await {
                Ok((covered, Err(error))) if concerns_one(&error) => {
                    return match (covered.len(), own.len()) {
                        (1, 1) => by_instrument(own, Err(error)),
                        (all, mine) if all == mine => self.each(&own).await,
                        // It may be somebody else's.
                        _ => self.alone(own).await,
                    };
                }
                Ok((_, tickers)) => return by_instrument(own, tickers),
                Err(error) => {
                    if let Err(error) = patience.wait_after(error).await {
                        return by_instrument(own, Err(error));
                    }
                }
            }
        }
    }

    /// Without those of anybody else.
    async fn alone(&self, own: Vec<Arc<Instrument>>) -> Vec<Answer<Ticker>> {
        let asks = self.adapter.ask_tickers(&own).into_iter();
        join_all(asks.map(|(ask, of)| self.tickers_of(ask, of)))
            .await
            .concat()
    }

    /// Errors: the question was not answered.
    async fn merged_once(
        &self,
        sharing: &Sharing,
        own: &[Arc<Instrument>],
        wanted_at: Timestamp,
    ) -> Result<Covered, ProviderError> {
        let key = sharing.key(QUESTION);
        let note = note(own);
        let mine = Wanted {
            at: wanted_at,
            note: note.clone(),
        };
        sharing.shared.want(key, &mine).await;
        let mut question = sharing.question(QUESTION).await;
        let answer = question.as_mut().and_then(|q| q.answer(wanted_at));
        if let Some(answer) = answer {
            let covered = instruments(self.adapter.exchange(), &answer.note);
            if is_among(own, &covered) {
                // Only an answer that could be read is kept.
                let (text, at) = (&answer.body, answer.received_at);
                let tickers = self.adapter.read_tickers(text, &covered, at);
                return Ok((covered, tickers));
            }
        }
        let (ask, _) = self.ask_first(own)?;
        self.pace(ask.weight).await?;
        // Only now: while this process waited for its turn, others have told what they want.
        let (wanted, recent) = match &mut question {
            Some(question) => (question.wanted().await, question.recent_note()),
            None => (Vec::new(), None),
        };
        // Whoever the last answer was for may not have come to it yet, and this one takes its place.
        let notes = wanted.iter().map(|wanted| wanted.note.as_str());
        let others = notes.chain(recent.as_deref());
        let (ask, covered) = self.ask_first(&union(own, others))?;
        let body = match self.send_now(&ask).await {
            Ok(body) => body,
            // What concerns the request itself has nothing to do with the others, who may try it, too.
            Err(error) if concerns_one(&error) => return Ok((covered, Err(error))),
            Err(error) => {
                for other in wanted.iter().filter(|other| other.note != note) {
                    sharing.shared.want(key, other).await;
                }
                return Err(error);
            }
        };
        let tickers = self
            .adapter
            .read_tickers(&body.text, &covered, body.received_at);
        if let (Ok(_), Some(question)) = (&tickers, &mut question) {
            question.keep(
                body.sent_at,
                body.received_at,
                &self::note(&covered),
                &body.text,
            );
        }
        // An answer that says to stay away is not let go before that is known to all.
        let tickers = self.heed(&body, tickers).await;
        Ok((covered, tickers))
    }

    /// The first request for these: it covers as many of them as fit, in their order.
    fn ask_first(
        &self,
        of: &[Arc<Instrument>],
    ) -> Result<(Ask, Vec<Arc<Instrument>>), ProviderError> {
        let asks = self.adapter.ask_tickers(of).into_iter();
        asks.take(1).next().ok_or_else(|| {
            let exchange = self.adapter.exchange();
            ProviderError::Refused(format!("{exchange} has no tickers"))
        })
    }
}

/// Whether an error may be due to one of several symbols.
fn concerns_one(error: &ProviderError) -> bool {
    matches!(
        error,
        ProviderError::Refused(_) | ProviderError::Malformed(_)
    )
}

/// The names by which an adapter asks for an instrument and finds it in the answer.
#[derive(Serialize, Deserialize)]
struct Named {
    base: String,
    quote: String,
    native: String,
    ws: String,
    aliases: Vec<String>,
}

fn note(of: &[Arc<Instrument>]) -> String {
    let named = of.iter().map(|instrument| Named {
        base: instrument.market.base().to_owned(),
        quote: instrument.market.quote().to_owned(),
        native: instrument.native.clone(),
        ws: instrument.ws.clone(),
        aliases: instrument.aliases.clone(),
    });
    serde_json::to_string(&named.collect::<Vec<_>>()).expect("strings always serialise")
}

/// Nothing where the note is not one of ours.
fn instruments(exchange: Exchange, note: &str) -> Vec<Arc<Instrument>> {
    let named: Vec<Named> = serde_json::from_str(note).unwrap_or_default();
    let instrument = |named: Named| {
        let mut instrument = Instrument::new(exchange, &named.base, &named.quote, named.native);
        (instrument.ws, instrument.aliases) = (named.ws, named.aliases);
        Arc::new(instrument)
    };
    named.into_iter().map(instrument).collect()
}

/// Our own first, then what the notes of others name and nobody has named yet.
fn union<'a>(
    own: &[Arc<Instrument>],
    notes: impl Iterator<Item = &'a str>,
) -> Vec<Arc<Instrument>> {
    let mut all = own.to_vec();
    let Some(exchange) = own.first().map(|own| own.market.exchange()) else {
        return all;
    };
    let others = notes.flat_map(|note| instruments(exchange, note));
    for other in others.take(OTHERS_MAX) {
        if !is_among(std::slice::from_ref(&other), &all) {
            all.push(other);
        }
    }
    all
}

fn is_among(these: &[Arc<Instrument>], all: &[Arc<Instrument>]) -> bool {
    these.iter().all(|one| {
        all.iter()
            .any(|other| other.native == one.native && other.market == one.market)
    })
}

fn by_instrument(
    covered: Vec<Arc<Instrument>>,
    tickers: Result<Vec<Ticker>, ProviderError>,
) -> Vec<Answer<Ticker>> {
    let answer = |instrument: Arc<Instrument>| {
        let found = match &tickers {
            Ok(tickers) => tickers
                .iter()
                .find(|t| t.market == instrument.market)
                .cloned()
                .ok_or_else(|| {
                    ProviderError::Refused(format!("{}: not in the answer", instrument.market))
                }),
            Err(error) => Err(error.clone()),
        };
        (instrument, found)
    };
    covered.into_iter().map(answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::kraken::Kraken;
    use crate::exchange::options::LiveOptions;
    use crate::exchange::protocol::Adapter;
    use crate::sim::{Sim, SimConfig, Venue};

    #[tokio::test]
    async fn an_answer_is_not_replaced_by_one_that_leaves_out_those_who_wait_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let sim = Sim::start(SimConfig::new(Venue::Kraken)).await.unwrap();
        let options = LiveOptions {
            rest_url: Some(sim.rest_url()),
            shared_directory: Some(folder.path().join("shared")),
            ..LiveOptions::default()
        };
        let process = || Rest::new(Arc::new(Kraken), &Kraken.profile(), &options).unwrap();
        let listed = process().instruments().await.unwrap();
        let listed: Vec<_> = listed.into_iter().take(3).map(Arc::new).collect();
        let (waits, asks) = (process(), [process(), process()]);
        let sharing = waits.sharing.as_ref().unwrap();
        let (key, at) = (sharing.key(QUESTION), waits.clock.now());
        let note = note(&listed[..1]);
        sharing.shared.want(key, &Wanted { at, note }).await;
        // both come before it does
        for (rest, of) in asks.iter().zip(&listed[1..]) {
            let answers: Vec<_> = rest.tickers(vec![of.clone()]).collect().await;
            assert!(answers[0].1.is_ok());
        }
        let mut question = sharing.question(QUESTION).await.unwrap();
        let answer = question.answer(at).unwrap();
        let covered = instruments(Kraken.exchange(), &answer.note);
        assert!(is_among(&listed, &covered), "{}", answer.note);
        assert_eq!(sim.counters().rest["/0/public/Ticker"], 2);
    }
}
