//! The rules of a server: each set up and watched by itself, and set up again when that fails.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::action::Runner;
use crate::model::{Instrument, Market};
use crate::store::AlertStore;

use super::super::args::SinceLast;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::monitor::{announce_halted, announce_invented};
use super::super::pauses::Pauses;
use super::super::{ANSWER_TIMEOUT, Ctx};
use super::deliver::Deliverer;
use super::line::Lines;
use super::markets::Markets;
use super::once::Run;
use super::settings::Spec;
use super::state::unwritten;
use super::watch::{self, Standing};
use super::{no_place, of_rule};

/// Names that are looked up at once.
const LOOK_UPS: usize = 4;

/// What all rules of a server share.
pub struct Server<'a> {
    ctx: &'a Ctx,
    /// `None`: there is no place for memories.
    store: Option<AlertStore>,
    deliverer: Deliverer<'a>,
    known: Known,
    /// For names that clients give.
    turns: Semaphore,
}

/// The markets of all rules, by their names: firings of an earlier run name theirs only.
type Known = Arc<Mutex<HashMap<String, Market>>>;

impl<'a> Server<'a> {
    /// Memories are kept below `directory`. `tell` gets each firing, as one JSON object, and where it was.
    pub fn new(
        ctx: &'a Ctx,
        directory: Option<PathBuf>,
        tell: impl Fn(Option<Market>, String) + Send + Sync + 'static,
    ) -> Self {
        let known = Known::default();
        let markets = known.clone();
        let lines = Lines::Told(Box::new(move |event| {
            let markets = markets.lock().expect("no holder of this lock panics");
            let market = market_of(event).and_then(|name| markets.get(&name).copied());
            tell(market, event.to_owned());
        }));
        let runner = Runner::new(ctx.proxies.clone(), ctx.tls.clone());
        Self {
            ctx,
            store: directory.map(|directory| AlertStore::new(directory.join("alerts"))),
            deliverer: Deliverer::new(ctx, runner, lines, false),
            known,
            turns: Semaphore::new(LOOK_UPS),
        }
    }

    /// Looks up what a rule names.
    ///
    /// Errors: a symbol that does not exist, or of which nothing can be known now.
    pub async fn look_up(&self, spec: &Spec) -> Result<Vec<Market>, CliError> {
        let timeout = tokio::time::timeout(self.timeout(), self.exists(spec)).await;
        timeout.map_err(|_| CliError::unknown("timeout", "no list of symbols in time"))??;
        let markets = self.find(spec).await?;
        let ready = markets.ready(0, spec);
        match ready.unknown.into_iter().next() {
            Some(error) => Err(nameless(error, spec)),
            None => Ok(ready.trackers.iter().map(|t| t.market).collect()),
        }
    }

    /// Beside this thread and a few at a time: what a name is like that does not exist takes long to find out, and
    /// prices must not wait for it.
    async fn exists(&self, spec: &Spec) -> Result<(), CliError> {
        let _turn = self.turns.acquire().await;
        for text in spec.lookups() {
            let (engine, handle) = (self.ctx.engine.clone(), Handle::current());
            let asked = spawn_blocking(move || handle.block_on(engine.resolve(&text)));
            let asked = asked.await;
            let asked = asked.map_err(|_| CliError::failed("internal", "a look-up ended early"))?;
            asked?;
        }
        Ok(())
    }

    /// Watches a rule until `stop`. Ends before that where it is wrong for good.
    pub async fn watch(&self, spec: &Spec, standing: &Standing, stop: &CancellationToken) {
        let (mut pauses, mut told) = (Pauses::default(), None);
        loop {
            let pause = pauses.begin();
            let watched = self.watch_once(spec, standing, pause, stop).await;
            if stop.is_cancelled() {
                return;
            }
            if let Err(error) = watched {
                standing.failed(&error);
                let is_wrong = error.exit == Exit::Usage;
                if told.as_ref() != Some(&error.message) {
                    told = Some(error.message.clone());
                    self.ctx.notices.error(&of_rule(error, spec));
                }
                if is_wrong {
                    return;
                }
                tokio::select! {
                    () = sleep(pauses.end()) => {}
                    () = stop.cancelled() => return,
                }
            } else {
                pauses.end();
            }
        }
    }

    /// Ends where some of its symbols could not be looked up and another try is due.
    async fn watch_once(
        &self,
        spec: &Spec,
        standing: &Standing,
        pause: Duration,
        stop: &CancellationToken,
    ) -> Result<(), CliError> {
        let nowhere = AlertStore::new(PathBuf::new());
        let store = match spec.memory() {
            Some(name) => {
                let store = self.store.as_ref().ok_or_else(no_place)?;
                // Before anything is asked: a firing that cannot be remembered must not happen.
                store.check(name).map_err(unwritten)?;
                store
            }
            None => &nowhere,
        };
        let markets = tokio::select! {
            markets = self.find(spec) => markets?,
            () = stop.cancelled() => return Ok(()),
        };
        let mut ready = markets.ready(0, spec);
        let missing = std::mem::take(&mut ready.unknown).into_iter();
        let missing: Vec<_> = missing.map(|error| nameless(error, spec)).collect();
        if let (true, Some(error)) = (ready.trackers.is_empty(), missing.first()) {
            return Err(error.clone());
        }
        for error in &missing {
            let error = of_rule(error.clone(), spec);
            self.ctx.notices.error(&error);
        }
        standing.means(ready.trackers.iter().map(|t| t.market).collect());
        self.introduce(&markets)?;
        let run = Run {
            ctx: self.ctx,
            store,
            since_last: SinceLast::On,
            dry_run: false,
            deadline: Instant::now() + self.timeout(),
            deliverer: &self.deliverer,
        };
        // Those that are missing may be known by then.
        let until = stop.child_token();
        let served = watch::serve(spec, ready, &markets, &run, standing, &until);
        tokio::pin!(served);
        tokio::select! {
            ended = &mut served => return ended,
            () = sleep(pause), if !missing.is_empty() => until.cancel(),
        }
        served.await
    }

    async fn find(&self, spec: &Spec) -> Result<Markets, CliError> {
        let (began, specs) = (std::time::Instant::now(), std::slice::from_ref(spec));
        let found = Markets::find(specs, began, self.timeout(), self.ctx).await;
        found.map_err(|mut wrong| nameless(wrong.swap_remove(0), spec))
    }

    fn timeout(&self) -> Duration {
        self.ctx.timeout.unwrap_or(ANSWER_TIMEOUT)
    }

    /// Says once of each market what must be known of it.
    fn introduce(&self, markets: &Markets) -> Result<(), CliError> {
        let mut known = self.known.lock().expect("no holder of this lock panics");
        let is_new = |market: &Market| !known.contains_key(&market.to_string());
        let mut new = markets.all();
        new.retain(|instrument| is_new(&instrument.market));
        // The server has said it of its own provider.
        let is_told = |i: &Arc<Instrument>| {
            let exchange = i.market.exchange();
            exchange.name() == self.ctx.provider || known.values().any(|m| m.exchange() == exchange)
        };
        let others: Vec<_> = new.iter().filter(|i| !is_told(i)).cloned().collect();
        known.extend(new.iter().map(|i| (i.market.to_string(), i.market)));
        drop(known);
        announce_invented(&others, self.ctx)?;
        announce_halted(&new, self.ctx);
        Ok(())
    }
}

/// Without the name of the rule in front: whoever looks at the rule knows it.
fn nameless(error: CliError, spec: &Spec) -> CliError {
    let prefix = format!("{}: ", spec.rule.title());
    match error.message.strip_prefix(&prefix).map(str::to_owned) {
        Some(message) => CliError { message, ..error },
        None => error,
    }
}

/// `kraken:BTC/USD`, out of the event of a firing.
fn market_of(event: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Where {
        exchange: String,
        symbol: String,
    }
    let Where { exchange, symbol } = serde_json::from_str(event).ok()?;
    Some(format!("{exchange}:{symbol}"))
}
