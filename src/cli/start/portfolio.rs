//! Keeps the portfolio of a server: values it, tells clients when that changes, and takes what they hold instead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::cli::holdings::{Holdings, Source};
use crate::config::PortfolioSettings;
use crate::engine::{Engine, EngineError};
use crate::model::{Decimal, Market, parse_decimal};
use crate::portfolio::{Holding, Valuation};
use crate::server::ApiError;
use crate::server::requests::{NewPortfolio, PortfolioRequest, Reply};
use crate::symbols::{Catalogue, ListError};

/// How often clients are told of a new value at most.
pub const REFRESH: Duration = Duration::from_secs(1);
/// Holdings that a client can have valued.
const MOST_HOLDINGS: usize = 200;
/// Markets that are subscribed for holdings of now and of a short while ago, before no others are taken.
const MOST_MARKETS: usize = 600;
/// An asset's name.
const MOST_LETTERS: usize = 20;
/// A new portfolio waits so long for its prices before it is told with what is known.
const PATIENCE: Duration = Duration::from_secs(3);
/// The list of symbols is asked for again after this time.
const LIST_AGAIN: Duration = Duration::from_secs(15);
/// What is not held any more is read for so much longer: those who change their minds must not reach the exchange.
const LINGER: Duration = Duration::from_secs(30);

/// What is asked for and has not come yet.
type Listing = BoxFuture<'static, Result<Arc<Catalogue>, ListError>>;

/// Keeps it until `cancel`; then requests are answered no more.
///
/// `settings`: what the configuration holds; a new value replaces what clients have put, where it is another than
/// before. `publish` gets the data of each `portfolio_update`, once every `refresh` at most and only where something
/// has changed.
///
/// Errors: the engine has stopped.
pub async fn run(
    source: Source,
    mut settings: watch::Receiver<PortfolioSettings>,
    mut requests: mpsc::Receiver<PortfolioRequest>,
    refresh: Duration,
    publish: impl Fn(String),
    cancel: CancellationToken,
) -> Result<(), EngineError> {
    let config = settings.borrow_and_update().clone();
    let mut keeper = Keeper::new(source, config).await?;
    let mut refresh = tokio::time::interval(refresh);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Whoever could change the configuration may be gone.
    let mut is_reloaded = true;
    loop {
        let deadline = keeper.deadline();
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            told = keeper.holdings.next() => told.map_err(|_| EngineError::Stopped)?,
            Some(request) = requests.recv() => keeper.answer(request).await?,
            changed = settings.changed(), if is_reloaded => match changed {
                Ok(()) => {
                    let config = settings.borrow_and_update().clone();
                    keeper.reload(config).await?;
                }
                Err(_) => is_reloaded = false,
            },
            list = next_list(&mut keeper.listing) => keeper.on_list(list).await?,
            () = at(deadline) => keeper.on_deadline().await?,
            _ = refresh.tick() => {
                if let Some(valuation) = keeper.update() {
                    publish(json(valuation));
                }
            }
        }
        keeper.reply();
    }
}

/// Waits for the moment; for ever where there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn next_list(listing: &mut Option<Listing>) -> Result<Arc<Catalogue>, ListError> {
    let Some(asked) = listing else {
        return std::future::pending().await;
    };
    let list = asked.await;
    *listing = None;
    list
}

struct Keeper {
    engine: Engine,
    provider: String,
    holdings: Holdings,
    /// What the configuration holds, and what is held.
    config: PortfolioSettings,
    held: PortfolioSettings,
    /// The list of symbols, while it is asked for, and when it is asked for again.
    listing: Option<Listing>,
    list_again: Option<Instant>,
    /// Until when prices are waited for, and who waits for them.
    settle_by: Option<Instant>,
    replies: Vec<Reply<Box<RawValue>>>,
    /// What was told last.
    last: Option<Valuation>,
    /// Markets of what was held before, and until when they are read.
    lingering: Vec<(Instant, Vec<Market>)>,
}

impl Keeper {
    async fn new(source: Source, config: PortfolioSettings) -> Result<Self, EngineError> {
        let mut keeper = Self {
            engine: source.engine.clone(),
            provider: source.provider.clone(),
            holdings: Holdings::open(source).await?,
            held: PortfolioSettings::default(),
            listing: None,
            list_again: None,
            settle_by: None,
            replies: Vec::new(),
            last: None,
            lingering: Vec::new(),
            config: config.clone(),
        };
        keeper.hold(config).await?;
        Ok(keeper)
    }

    /// Holds this from now on; it is priced once there is a list of symbols to find its markets in.
    async fn hold(&mut self, held: PortfolioSettings) -> Result<(), EngineError> {
        self.held = held;
        self.holdings.hold(&self.held, None).await?;
        self.listing = None;
        if !self.held.holdings.is_empty() {
            self.settle_by = Some(Instant::now() + PATIENCE);
            self.ask_for_list();
        } else {
            self.linger();
        }
        Ok(())
    }

    /// What was subscribed for what is not held any more is read for a while.
    fn linger(&mut self) {
        let unused = self.holdings.unused();
        if !unused.is_empty() {
            self.lingering.push((Instant::now() + LINGER, unused));
        }
    }

    fn ask_for_list(&mut self) {
        let (engine, provider) = (self.engine.clone(), self.provider.clone());
        self.list_again = None;
        // A provider that does not exist was refused before anything was started.
        self.listing = engine.symbols(&provider).is_ok().then(|| {
            let list = async move {
                let manager = engine.symbols(&provider).expect("looked up just before");
                manager.catalogue().await
            };
            Box::pin(list) as Listing
        });
    }

    async fn on_list(
        &mut self,
        list: Result<Arc<Catalogue>, ListError>,
    ) -> Result<(), EngineError> {
        let list = match list {
            Ok(list) => list,
            Err(error) => {
                tracing::warn!("the portfolio cannot be priced: {error}");
                self.list_again = Some(Instant::now() + LIST_AGAIN);
                return Ok(());
            }
        };
        self.holdings.hold(&self.held, Some(&list)).await?;
        self.linger();
        Ok(())
    }

    async fn reload(&mut self, config: PortfolioSettings) -> Result<(), EngineError> {
        if self.config == config {
            return Ok(());
        }
        self.config = config.clone();
        self.hold(config).await
    }

    async fn answer(&mut self, request: PortfolioRequest) -> Result<(), EngineError> {
        match request {
            // Whoever has gone away does not want it any more.
            PortfolioRequest::Get(reply) => drop(reply.send(Ok(raw(&self.holdings.value())))),
            PortfolioRequest::Put(new, reply) => match self.accept(new) {
                Ok(held) => {
                    self.hold(held).await?;
                    self.replies.push(reply);
                }
                Err(error) => drop(reply.send(Err(error))),
            },
        }
        Ok(())
    }

    fn accept(&self, new: NewPortfolio) -> Result<PortfolioSettings, ApiError> {
        if self.holdings.subscribed() >= MOST_MARKETS {
            let message = "the portfolio changes too often, try again in half a minute";
            let status = StatusCode::TOO_MANY_REQUESTS;
            return Err(ApiError::new(status, "rate_limited", message));
        }
        let quote = new.quote.as_deref().map(asset).transpose()?;
        let holdings = holdings(&new.holdings)?;
        Ok(PortfolioSettings {
            quote: quote.or_else(|| self.held.quote.clone()),
            holdings,
        })
    }

    /// Answers those who wait for a new portfolio, once its prices are there or were waited for long enough.
    fn reply(&mut self) {
        if self.is_waiting() {
            return;
        }
        self.settle_by = None;
        if self.replies.is_empty() {
            return;
        }
        let valuation = self.holdings.value();
        for reply in self.replies.drain(..) {
            // Whoever has gone away does not want it any more.
            let _ = reply.send(Ok(raw(&valuation)));
        }
    }

    fn is_waiting(&self) -> bool {
        let is_patient = self.settle_by.is_some_and(|by| Instant::now() < by);
        let is_known = self.listing.is_none() && self.list_again.is_none();
        is_patient && !(is_known && self.holdings.is_settled(false))
    }

    /// The value now, where it is another than what was told last.
    fn update(&mut self) -> Option<&Valuation> {
        if self.is_waiting() {
            return None;
        }
        let valuation = self.holdings.value();
        if self.last.as_ref() == Some(&valuation) {
            return None;
        }
        Some(self.last.insert(valuation))
    }

    /// When something is to be done without being asked.
    fn deadline(&self) -> Option<Instant> {
        let lingering = self.lingering.iter().map(|(until, _)| *until);
        lingering.chain(self.settle_by).chain(self.list_again).min()
    }

    async fn on_deadline(&mut self) -> Result<(), EngineError> {
        let now = Instant::now();
        if self.list_again.is_some_and(|at| at <= now) {
            self.ask_for_list();
        }
        let over: Vec<_> = self
            .lingering
            .extract_if(.., |(until, _)| *until <= now)
            .collect();
        for (_, markets) in over {
            // One that lingers anew, since it was held again in between, is read a little longer.
            let again = self.lingering.iter().flat_map(|(_, markets)| markets);
            let again: Vec<_> = again.copied().collect();
            let mut gone = markets;
            gone.retain(|market| !again.contains(market));
            self.holdings.leave(&gone).await?;
        }
        Ok(())
    }
}

fn json(valuation: &Valuation) -> String {
    let mut out = Vec::new();
    valuation.write_json(&mut out);
    String::from_utf8(out).expect("names are strings and digits are ASCII")
}

fn raw(valuation: &Valuation) -> Box<RawValue> {
    RawValue::from_string(json(valuation)).expect("an object is JSON")
}

/// What a client holds, checked. Assets that nobody trades are held, too: they have no value.
fn holdings(
    given: &[(String, String, Option<String>)],
) -> Result<BTreeMap<String, Holding>, ApiError> {
    if given.len() > MOST_HOLDINGS {
        let message = format!("{} holdings are more than {MOST_HOLDINGS}", given.len());
        return Err(ApiError::unprocessable("bad_holding", message));
    }
    let mut holdings = BTreeMap::new();
    for (name, amount, cost) in given {
        let asset = asset(name)?;
        let amount = number(&asset, "amount", amount)?;
        if amount.is_zero() {
            let message = format!("the amount of {asset} is 0: leave it out");
            return Err(ApiError::unprocessable("bad_holding", message));
        }
        let cost = cost.as_deref().map(|cost| number(&asset, "cost", cost));
        let cost = cost.transpose()?;
        let message = format!("{asset} is there twice");
        if holdings.insert(asset, Holding { amount, cost }).is_some() {
            return Err(ApiError::unprocessable("bad_holding", message));
        }
    }
    Ok(holdings)
}

fn asset(name: &str) -> Result<String, ApiError> {
    let asset = name.to_ascii_uppercase();
    let is_plain = |letter: u8| letter.is_ascii_uppercase() || letter.is_ascii_digit();
    if (1..=MOST_LETTERS).contains(&asset.len()) && asset.bytes().all(is_plain) {
        return Ok(asset);
    }
    let message = format!("`{}` is not an asset such as `BTC`", shown(name));
    Err(ApiError::unprocessable("bad_holding", message))
}

fn number(asset: &str, what: &str, text: &str) -> Result<Decimal, ApiError> {
    let number = parse_decimal(text).map_err(|error| error.to_string());
    let positive = number.and_then(|number| match number.is_sign_negative() {
        true => Err("it is negative".to_owned()),
        false => Ok(number),
    });
    positive.map_err(|why| {
        let message = format!("the {what} of {asset}, `{}`: {why}", shown(text));
        ApiError::unprocessable("bad_holding", message)
    })
}

/// A text of a client's, fit to be sent back.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests;
