//! What a feed is put to: a symbol that does not exist, and a cut line.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::engine::{Request, Subscription};
use crate::grade::{Behind, Recorder, Recovery, Unknown};
use crate::model::{Event, Instrument, Market, StatusState};

use super::run::{Known, Run, Stop};

/// The same after a cut, where a repair may be under way.
const LAG_OF_REPAIR: Duration = Duration::from_secs(15);
/// How long a symbol that does not exist is asked for, at most.
const UNKNOWN: Duration = Duration::from_secs(3);
/// Trouble that it makes shows within this.
const AFTERMATH: Duration = Duration::from_millis(500);
/// A line that was cut is known to be lost within this.
const NOTICED: Duration = Duration::from_secs(5);
/// New data that comes later than this after a cut is not waited for.
const RECOVERED: Duration = Duration::from_secs(30);
/// No exchange lists it.
const NO_SUCH_BASE: &str = "NOSUCHCOIN";

impl Run<'_> {
    /// Subscribes to what does not exist, beside the others.
    pub(super) async fn unknown_symbol(&mut self) -> Result<Unknown, Stop> {
        let instrument = Arc::new(made_up(&self.instruments[0]));
        let market = instrument.market;
        let troubles = self.record.troubles();
        let engine = self.ctx.engine.clone();
        let request = Request::instruments([instrument]);
        let mut other = match self.meanwhile(engine.subscribe(request)).await? {
            Ok(other) => other,
            Err(error) => return Ok(Unknown::NotTried(error.to_string())),
        };
        let patience = UNKNOWN.min(self.settings.duration / 4);
        let reaction = timeout(patience, reaction(&mut other, market));
        let reaction = self.meanwhile(reaction).await?;
        drop(other);
        self.until(Instant::now() + AFTERMATH, |_| false).await?;
        if self.record.troubles() > troubles {
            let why = self.record.last_trouble().unwrap_or("of an unknown kind");
            return Ok(Unknown::Disturbed(why.to_string()));
        }
        Ok(reaction.unwrap_or(Unknown::Silent))
    }

    /// Cuts the line and looks on. `known`: what REST had before.
    pub(super) async fn recovery(&mut self, known: Vec<Known>) -> Result<Recovery, Stop> {
        let exchange = self.provider.exchange();
        if self.traits.invented {
            return Ok(Recovery::NotTried(format!("{exchange} has no line to cut")));
        }
        self.progress.set_message("cutting the line");
        self.record = self.record.go_on();
        let cut_at = Instant::now();
        self.ctx.engine.cut(exchange.name()).await?;
        let noticed = |record: &Recorder| record.troubles() > 0;
        if !self.until(cut_at + NOTICED, noticed).await? {
            return Ok(Recovery::Cut {
                after: Err("the cut was not noticed".into()),
                missed: None,
            });
        }
        // What was on its way before is no sign of recovery.
        let mut missing = self.record.missing();
        self.record = self.record.go_on();
        let back = self
            .until(cut_at + RECOVERED, Recorder::has_data_of_all)
            .await?;
        let after = if back {
            Ok(cut_at.elapsed())
        } else {
            let within = crate::duration::format(RECOVERED);
            Err(format!("no data of every symbol within {within}"))
        };
        let (behind, _) = self.behind(known, LAG_OF_REPAIR).await?;
        missing += self.record.missing();
        let left = behind
            .iter()
            .try_fold(missing, |left, (_, behind)| match behind {
                Behind::Trades(trades) => Some(left + trades),
                Behind::Unknown(_) => None,
            });
        let missed = left.or((missing > 0).then_some(missing));
        Ok(Recovery::Cut { after, missed })
    }
}

/// What comes of a subscription to this market alone.
async fn reaction(subscription: &mut Subscription, market: Market) -> Unknown {
    let mut batch = Vec::new();
    while subscription.next_batch(&mut batch).await.is_ok() {
        for event in &batch {
            match event {
                Event::Ticker(_) | Event::Trade(_) | Event::Candle(_) => {
                    return Unknown::Answered;
                }
                Event::Status(status)
                    if status.market == Some(market) && status.state == StatusState::Failed =>
                {
                    let reason = status.reason.clone().unwrap_or_default();
                    let own_words = reason.split_once(": ").map(|(_, words)| words.to_string());
                    return Unknown::Refused(own_words.unwrap_or(reason));
                }
                Event::Gap(_) | Event::Status(_) | Event::Signal(_) => {}
            }
        }
    }
    Unknown::NotTried("the subscription ended".into())
}

/// An instrument that the exchange does not list, spelled as it spells this one.
fn made_up(real: &Instrument) -> Instrument {
    let base = real.market.base();
    let rename = |name: &str| {
        let other = match name.to_ascii_uppercase().find(base) {
            Some(at) => format!("{}{NO_SUCH_BASE}{}", &name[..at], &name[at + base.len()..]),
            None => format!("{NO_SUCH_BASE}{name}"),
        };
        if name == name.to_lowercase() {
            other.to_lowercase()
        } else {
            other
        }
    };
    let (exchange, quote) = (real.market.exchange(), real.market.quote());
    Instrument {
        ws: rename(&real.ws),
        ..Instrument::new(exchange, NO_SUCH_BASE, quote, rename(&real.native))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Exchange;

    #[test]
    fn a_symbol_that_does_not_exist_is_spelled_as_the_exchange_spells() {
        let exchange = Exchange::new("spelling");
        let named = |native: &str, ws: &str| {
            let real = Instrument {
                ws: ws.into(),
                ..Instrument::new(exchange, "BTC", "USD", native)
            };
            let other = made_up(&real);
            assert_eq!(other.market.symbol(), "NOSUCHCOIN/USD");
            (other.native, other.ws)
        };
        let names = |native: &str, ws: &str| (native.to_string(), ws.to_string());
        assert_eq!(
            named("BTCUSDT", "btcusdt"),
            names("NOSUCHCOINUSDT", "nosuchcoinusdt")
        );
        assert_eq!(
            named("BTC-USD", "BTC-USD"),
            names("NOSUCHCOIN-USD", "NOSUCHCOIN-USD")
        );
        assert_eq!(
            named("XXBTZUSD", "BTC/USD"),
            names("NOSUCHCOINXXBTZUSD", "NOSUCHCOIN/USD")
        );
    }
}
