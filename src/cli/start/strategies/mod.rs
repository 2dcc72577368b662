//! The strategies of a server: all of the configuration, over the symbols that it was started with.
//!
//! Each decides by itself, by the same code as `monitor --strategy`: one that fails is told and tried again, and
//! concerns no other. They decide over what is live; the past is for warming up.

#[cfg(all(test, feature = "sim"))]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{FutureExt, LocalBoxFuture};
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::model::{Event, Instrument, Interval, Timestamp};
use crate::server::ApiError;
use crate::server::requests::{StrategyRequest, StrategyView};
use crate::server::state::Ref;
use crate::strategy::{Definition, Strategy};

use super::super::Ctx;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::monitor;
use super::super::pauses::Pauses;
use super::super::strategy;

/// Of strategies that name none.
const INTERVAL: Interval = Interval::M1;
/// Their programs may take so long for their last signals when the server stops.
const LAST: Duration = Duration::from_secs(4);

/// Lets the strategies decide over these until `cancel`. `config` brings every configuration that is loaded, the first
/// one included.
pub async fn run(
    ctx: &Ctx,
    shared: Ref,
    instruments: Vec<Arc<Instrument>>,
    requests: mpsc::Receiver<StrategyRequest>,
    config: watch::Receiver<Arc<Config>>,
    cancel: CancellationToken,
) {
    let publish = |signals: &[Event]| shared.hub.publish_events(signals);
    keep(ctx, &publish, &instruments, requests, config, cancel).await;
}

/// The same without the rest of the server.
async fn keep(
    ctx: &Ctx,
    publish: &dyn Fn(&[Event]),
    instruments: &[Arc<Instrument>],
    mut requests: mpsc::Receiver<StrategyRequest>,
    mut config: watch::Receiver<Arc<Config>>,
    cancel: CancellationToken,
) {
    let mut strategies = Strategies {
        ctx,
        publish,
        instruments,
        all: Vec::new(),
        runs: FuturesUnordered::new(),
    };
    let first = config.borrow_and_update().clone();
    strategies.reload(&first);
    loop {
        tokio::select! {
            Some(request) = requests.recv() => strategies.on_request(request),
            Ok(()) = config.changed() => {
                let new = config.borrow_and_update().clone();
                strategies.reload(&new);
            }
            Some(()) = strategies.runs.next(), if !strategies.runs.is_empty() => {}
            () = cancel.cancelled() => break,
        }
    }
    strategies.end().await;
}

/// How a strategy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Stopped,
    Failed,
}

/// What is seen of a strategy; kept over its starts and stops.
struct Seen {
    state: State,
    signals: u64,
    last_signal: Option<Timestamp>,
    error: Option<String>,
}

/// One strategy, at work or not.
struct Kept {
    name: String,
    definition: Definition,
    /// Or why it is none.
    strategy: Result<Strategy, CliError>,
    seen: Rc<RefCell<Seen>>,
    /// Of its last start.
    stop: CancellationToken,
}

/// All of them.
struct Strategies<'a> {
    ctx: &'a Ctx,
    publish: &'a dyn Fn(&[Event]),
    instruments: &'a [Arc<Instrument>],
    /// In the order of their names.
    all: Vec<Kept>,
    runs: FuturesUnordered<LocalBoxFuture<'a, ()>>,
}

impl Strategies<'_> {
    /// Takes a configuration over. Strategies that are the same as before go on as they are, also where they were
    /// stopped; only those that have failed get another try.
    fn reload(&mut self, config: &Config) {
        let mut before = std::mem::take(&mut self.all);
        for (name, definition) in &config.strategies {
            let known = before.iter().position(|kept| kept.name == *name);
            let known = known.map(|place| before.remove(place));
            let is_same = |kept: &Kept| kept.definition == *definition && !kept.has_failed();
            match known {
                Some(kept) if is_same(&kept) => self.all.push(kept),
                known => {
                    let seen = known.map(|kept| {
                        kept.stop.cancel();
                        kept.seen
                    });
                    let strategy = strategy::find(name, INTERVAL, config);
                    self.all.push(Kept::new(name, definition, strategy, seen));
                    self.start(self.all.len() - 1);
                }
            }
        }
        before.iter().for_each(|kept| kept.stop.cancel());
    }

    fn on_request(&mut self, request: StrategyRequest) {
        // Where nobody waits for the answer any more it is nobody's loss.
        match request {
            StrategyRequest::List(reply) => {
                let views = self.all.iter().map(|kept| kept.view(self.instruments));
                let _ = reply.send(Ok(views.collect()));
            }
            StrategyRequest::Start(name, reply) => {
                let started = self.place(&name).map(|place| {
                    if self.all[place].seen.borrow().state != State::Running {
                        self.start(place);
                    }
                    self.all[place].view(self.instruments)
                });
                let _ = reply.send(started);
            }
            StrategyRequest::Stop(name, reply) => {
                let stopped = self.place(&name).map(|place| {
                    self.all[place].halt();
                    self.all[place].view(self.instruments)
                });
                let _ = reply.send(stopped);
            }
        }
    }

    fn place(&self, name: &str) -> Result<usize, ApiError> {
        let place = self.all.iter().position(|kept| kept.name == name);
        place.ok_or_else(|| ApiError::not_found("the configuration has no strategy of that name"))
    }

    /// Begins to let one decide.
    fn start(&mut self, place: usize) {
        let kept = &mut self.all[place];
        kept.stop.cancel();
        kept.stop = CancellationToken::new();
        let strategy = match (&kept.strategy, self.instruments) {
            (Err(error), _) => return kept.fails(error, self.ctx),
            (Ok(_), []) => {
                let message = format!("strategy `{}`: the server has no symbols", kept.name);
                let error = CliError::usage("strategy", message);
                return kept.fails(&error.hint("tickwire start -s BTC,ETH"), self.ctx);
            }
            (Ok(strategy), _) => strategy.clone(),
        };
        kept.seen.borrow_mut().begins();
        let run = Run {
            ctx: self.ctx,
            publish: self.publish,
            instruments: self.instruments,
            is_program: matches!(kept.definition, Definition::Program(_)),
            strategy,
            seen: kept.seen.clone(),
            stop: kept.stop.clone(),
        };
        self.runs.push(run.keep_on().boxed_local());
    }

    /// Stops all of them; their last signals are waited for, within reason.
    async fn end(&mut self) {
        self.all.iter().for_each(|kept| kept.stop.cancel());
        let all = async { while self.runs.next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST, all).await;
    }
}

impl Kept {
    fn new(
        name: &str,
        definition: &Definition,
        strategy: Result<Strategy, CliError>,
        seen: Option<Rc<RefCell<Seen>>>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            definition: definition.clone(),
            strategy,
            seen: seen.unwrap_or_default(),
            stop: CancellationToken::new(),
        }
    }

    fn has_failed(&self) -> bool {
        self.seen.borrow().state == State::Failed
    }

    fn fails(&self, error: &CliError, ctx: &Ctx) {
        self.seen.borrow_mut().fails(error.message.clone());
        ctx.notices.error(error);
    }

    fn halt(&self) {
        self.stop.cancel();
        let mut seen = self.seen.borrow_mut();
        (seen.state, seen.error) = (State::Stopped, None);
    }

    fn view(&self, instruments: &[Arc<Instrument>]) -> StrategyView {
        let seen = self.seen.borrow();
        let interval = match &self.strategy {
            Ok(strategy) => strategy.interval(),
            Err(_) => INTERVAL,
        };
        StrategyView {
            name: self.name.clone(),
            state: match seen.state {
                State::Running => "running",
                State::Stopped => "stopped",
                State::Failed => "failed",
            },
            symbols: instruments.iter().map(|i| i.market.to_string()).collect(),
            interval: interval.name().to_owned(),
            signals: seen.signals,
            last_signal: seen.last_signal.map(|at| at.to_string()),
            error: seen.error.clone(),
        }
    }
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            state: State::Stopped,
            signals: 0,
            last_signal: None,
            error: None,
        }
    }
}

impl Seen {
    fn begins(&mut self) {
        (self.state, self.error) = (State::Running, None);
    }

    fn fails(&mut self, why: String) {
        (self.state, self.error) = (State::Failed, Some(why));
    }
}

/// A strategy from its start to its stop.
struct Run<'a> {
    ctx: &'a Ctx,
    publish: &'a dyn Fn(&[Event]),
    instruments: &'a [Arc<Instrument>],
    is_program: bool,
    strategy: Strategy,
    seen: Rc<RefCell<Seen>>,
    stop: CancellationToken,
}

impl Run<'_> {
    /// Lets it decide, again after a pause where that fails and may go well another time.
    async fn keep_on(self) {
        let (mut pauses, mut told) = (Pauses::default(), None);
        loop {
            pauses.begin();
            let take = |signals: &[Event]| self.take(signals);
            let (strategy, stop) = (&self.strategy, &self.stop);
            let ended = monitor::decide(strategy, self.instruments, self.ctx, take, stop).await;
            let Some(error) = ended.err().filter(|_| !stop.is_cancelled()) else {
                return;
            };
            self.seen.borrow_mut().fails(self.for_clients(&error));
            let is_wrong = error.exit == Exit::Usage;
            if told.as_ref() != Some(&error.message) {
                told = Some(error.message.clone());
                self.ctx.notices.error(&self.named(error));
            }
            if is_wrong {
                return;
            }
            tokio::select! {
                () = sleep(pauses.end()) => self.seen.borrow_mut().begins(),
                () = stop.cancelled() => return,
            }
        }
    }

    fn take(&self, signals: &[Event]) {
        let mut seen = self.seen.borrow_mut();
        for signal in signals {
            if let Event::Signal(signal) = signal {
                seen.signals += 1;
                seen.last_signal = seen.last_signal.max(Some(signal.timestamp));
            }
        }
        drop(seen);
        (self.publish)(signals);
    }

    /// Nothing of this machine: a program's name and what it said are for the log.
    fn for_clients(&self, error: &CliError) -> String {
        match self.is_program && error.code == "strategy" || error.code == "internal" {
            true => "it cannot be run: the server's log says more".into(),
            false => error.message.clone(),
        }
    }

    fn named(&self, error: CliError) -> CliError {
        let name = format!("strategy `{}`", self.strategy.name());
        match error.message.starts_with(&name) {
            true => error,
            false => CliError {
                message: format!("{name}: {}", error.message),
                ..error
            },
        }
    }
}
