//! `alert` without `--once`, and the rules of a server: watches until it is told to stop.

mod acting;
mod again;
mod candles;
mod feeds;
mod standing;

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::model::{Event, Market, StatusState};

use super::super::error::{CliError, clipped};
use super::super::exit::Exit;
use super::super::monitor::progress::{Progress, at, every};
use super::super::monitor::{Clocks, tell};
use super::super::output::reader_is_gone;
use super::super::signals::Signals;
use super::super::stand_ins::StandIns;
use super::desk::{Desk, Repaired};
use super::fetch::now;
use super::liveness::{Liveness, Question};
use super::markets::{Markets, Ready};
use super::once::{Run, Tally};
use super::settings::Spec;
use acting::{ALL_ACTIONS, LAST_ACTIONS};
pub use again::Lane;
use candles::Chore;
use feeds::{Fed, Feed, Feeds};
pub use standing::{Standing, State};

/// How often ages are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often a reader that has left is looked for.
const READER_CHECK: Duration = Duration::from_millis(250);
/// How often memories are written while nothing fires.
const SAVE: Duration = Duration::from_secs(60);

/// What is still to be done may take so long where a server stops.
const LAST_OF_SERVER: Duration = Duration::from_secs(3);

/// When to stop.
#[derive(Default)]
pub struct Bounds {
    pub count: Option<u64>,
    pub timeout: Option<Duration>,
}

/// Why it stopped.
enum End {
    Count,
    TimeIsUp,
    Signal(Exit),
    /// Nobody reads the lines any more.
    ReaderLeft,
    Error(CliError),
}

/// What there is to do.
enum News {
    Events(Vec<Event>),
    Tick,
    Answer(Question),
    Repaired(Repaired),
    Acted(Tally),
    Save,
}

/// Actions on their way.
type Acting<'a> = FuturesUnordered<BoxFuture<'a, Tally>>;

/// Watches until the bounds, a signal or an error.
pub async fn run(
    specs: &[Spec],
    ready: Vec<Ready>,
    markets: &Markets,
    bounds: Bounds,
    run: &Run<'_>,
    mut signals: Signals,
) -> Result<Exit, CliError> {
    let mut watch = Watch::new(specs, ready, markets, run, None)?;
    watch.announce();
    let feeds = watch.subscribe().await?;
    let end = watch
        .follow(feeds, &bounds, &mut async || signals.next().await)
        .await;
    signals.exit_on_next();
    let patience = match end {
        End::Signal(_) => LAST_ACTIONS,
        _ => ALL_ACTIONS,
    };
    watch.wind_up(patience).await;
    let _ = tokio::time::timeout(Duration::from_millis(250), run.ctx.engine.shutdown()).await;
    watch.finish(end, &bounds)
}

/// The same for one rule of a server, until `stop`. The engine goes on.
///
/// Errors: it could not begin, or not go on.
pub async fn serve(
    spec: &Spec,
    ready: Ready,
    markets: &Markets,
    run: &Run<'_>,
    standing: &Standing,
    stop: &CancellationToken,
) -> Result<(), CliError> {
    let specs = std::slice::from_ref(spec);
    let mut watch = Watch::new(specs, vec![ready], markets, run, Some(standing))?;
    let feeds = watch.subscribe().await?;
    let mut stopped = async || {
        stop.cancelled().await;
        Exit::Done
    };
    let end = watch.follow(feeds, &Bounds::default(), &mut stopped).await;
    watch.wind_up(LAST_OF_SERVER).await;
    match end {
        End::Error(error) => Err(error),
        _ => Ok(()),
    }
}

struct Watch<'a> {
    run: &'a Run<'a>,
    specs: &'a [Spec],
    /// Where it is noted how the rules stand.
    standing: Option<&'a Standing>,
    desk: Desk<'a>,
    liveness: Liveness<'a>,
    progress: Progress,
    clocks: Clocks,
    acting: Acting<'a>,
    fired: u64,
    failed: bool,
    last_failure: Option<String>,
    /// Whether any value was learnt.
    data: bool,
    /// What could not be known at the start.
    unknown: Vec<CliError>,
    /// The symbols, and how each was written.
    written: Vec<(Market, String)>,
    /// What is to be done about candles.
    chores: Vec<Chore>,
}

impl<'a> Watch<'a> {
    fn new(
        specs: &'a [Spec],
        mut ready: Vec<Ready>,
        markets: &'a Markets,
        run: &'a Run<'a>,
        standing: Option<&'a Standing>,
    ) -> Result<Self, CliError> {
        let unknown: Vec<_> = ready
            .iter_mut()
            .flat_map(|rule| std::mem::take(&mut rule.unknown))
            .collect();
        let desk = Desk::new(specs, ready, markets, run)?;
        let topics = desk.topics();
        let instruments: Vec<_> = topics
            .iter()
            .map(|(market, _)| markets.instrument(*market).clone())
            .collect();
        let clocks = Clocks::new(&instruments, run.ctx)?;
        if let (true, Some(error)) = (topics.is_empty(), unknown.first()) {
            return Err(error.clone());
        }
        for error in &unknown {
            run.ctx.notices.error(error);
        }
        Ok(Self {
            run,
            specs,
            standing,
            liveness: Liveness::new(run.ctx, markets, desk.checked_markets()),
            desk,
            progress: Progress::new(topics).patient(StandIns::new(run.ctx).patience()),
            clocks,
            acting: FuturesUnordered::new(),
            fired: 0,
            failed: false,
            last_failure: None,
            data: false,
            unknown,
            written: markets.written(specs),
            chores: Vec::new(),
        })
    }

    /// For whoever sits before a terminal.
    fn announce(&self) {
        if std::io::stdout().is_terminal() {
            let topics = self.desk.topics().into_iter();
            let markets: BTreeSet<_> = topics.map(|(market, _)| market.to_string()).collect();
            let markets: Vec<_> = markets.into_iter().collect();
            let message = format!("tickwire: watching {} (Ctrl-C ends)", markets.join(", "));
            self.run.ctx.notices.say("watching", &clipped(&message));
        }
    }

    async fn subscribe(&self) -> Result<Feeds, CliError> {
        let (mut feeds, stand_ins) = (Feeds::default(), StandIns::new(self.run.ctx));
        for request in self.desk.requests() {
            let feed = self.run.ctx.engine.subscribe(request).await?;
            stand_ins.provide(&feed, self.written.clone());
            feeds.put(Feed::Live(feed));
        }
        for lane in self.desk.lanes() {
            if let Some(candles) = self.candles(lane).await? {
                feeds.put(candles);
            }
        }
        Ok(feeds)
    }

    async fn follow(
        &mut self,
        mut feeds: Feeds,
        bounds: &Bounds,
        stopped: &mut impl AsyncFnMut() -> Exit,
    ) -> End {
        let end_at = bounds.timeout.map(|timeout| Instant::now() + timeout);
        // What happened before now: live events wait in their queues meanwhile.
        let begun = tokio::select! {
            begun = self.desk.begin() => begun,
            exit = stopped() => return End::Signal(exit),
            () = at(end_at) => return End::TimeIsUp,
        };
        let begun = match begun {
            Ok(begun) => begun,
            Err(error) => return End::Error(error),
        };
        self.data |= self.desk.knows_something();
        self.take(begun).await;
        self.leftovers();
        // The first prices: live ones may be a while in coming.
        self.look();
        self.stand();
        let reads = self.run.deliverer.prints() && !self.run.ctx.notices.quiet;
        let (mut tick, mut save, mut reader) = (every(TICK), every(SAVE), every(READER_CHECK));
        loop {
            if self.is_enough(bounds) {
                return End::Count;
            }
            if let Some(error) = self.progress.all_failed() {
                return End::Error(error);
            }
            let news = tokio::select! {
                fed = feeds.next() => match fed {
                    Ok(Fed::Events(events)) => News::Events(events),
                    Ok(Fed::Failed { lane, error, events }) => {
                        error.iter().for_each(|error| self.run.ctx.notices.error(error));
                        self.desk.begin_midway(lane);
                        News::Events(events)
                    }
                    Err(error) => return End::Error(error),
                },
                _ = tick.tick() => News::Tick,
                answer = self.liveness.next() => News::Answer(answer),
                repaired = self.desk.repaired() => News::Repaired(repaired),
                Some(done) = self.acting.next(), if !self.acting.is_empty() => News::Acted(done),
                _ = save.tick() => News::Save,
                // Also while nothing fires whose line would tell. Without lines nobody has to read.
                _ = reader.tick(), if reads => match reader_is_gone() {
                    true => return End::ReaderLeft,
                    false => continue,
                },
                exit = stopped() => return End::Signal(exit),
                () = at(end_at) => return End::TimeIsUp,
            };
            // A reader that does not read, or a lock that is held, must not keep a signal waiting: what is
            // dropped then stands in the outbox, or was never told.
            let handled = async {
                self.handle(news, bounds).await?;
                self.tend(&mut feeds).await;
                Ok(())
            };
            tokio::select! {
                handled = handled => match handled {
                    Ok(()) => {}
                    Err(error) => return End::Error(error),
                },
                exit = stopped() => return End::Signal(exit),
            }
        }
    }

    async fn handle(&mut self, news: News, bounds: &Bounds) -> Result<(), CliError> {
        match news {
            News::Events(events) => {
                for event in events {
                    self.on_event(&event).await;
                    if self.is_enough(bounds) {
                        break;
                    }
                    while let Some(Some(done)) = self.acting.next().now_or_never() {
                        self.acted(done);
                    }
                }
            }
            News::Tick => {
                self.desk.confirm();
                let found = self.desk.tick(now());
                self.take(found).await;
                for (place, outcomes) in self.desk.unwritten() {
                    self.commit(place, outcomes).await;
                }
                self.look();
                self.stand();
            }
            News::Answer(answer) => self.on_answer(answer).await,
            News::Repaired(repaired) => {
                let found = self.desk.mend(repaired);
                self.take(found).await;
            }
            News::Acted(done) => self.acted(done),
            News::Save => {
                self.desk.save().await?;
                // Also what failed before.
                self.leftovers();
            }
        }
        Ok(())
    }

    fn look(&mut self) {
        let doubt = self.desk.is_troubled();
        self.liveness.look(&self.desk.board().views, doubt);
    }

    async fn on_event(&mut self, event: &Event) {
        self.progress.see(event);
        if event.stream().is_none() {
            // A server tells of its feeds by itself, once for all rules.
            if self.run.deliverer.prints() {
                tell(event, self.run.ctx.notices);
            }
        } else {
            self.data = true;
        }
        let found = self.desk_event(event);
        if let Event::Status(status) = event
            && status.state == StatusState::Connected
        {
            self.liveness.hurry();
            self.look();
        }
        self.take(found).await;
    }

    async fn on_answer(&mut self, answer: Question) {
        self.data |= !answer.is_empty();
        let found = self.desk.on_answer(answer, now());
        self.take(found).await;
    }

    fn is_enough(&self, bounds: &Bounds) -> bool {
        bounds.count.is_some_and(|count| self.fired >= count)
    }

    fn finish(self, end: End, bounds: &Bounds) -> Result<Exit, CliError> {
        // They were told when they happened.
        if self.failed {
            return Ok(Exit::Failed);
        }
        match end {
            End::Error(error) => Err(error),
            End::Count | End::ReaderLeft => Ok(Exit::Done),
            End::Signal(exit) => Ok(match bounds.count.is_some() || bounds.timeout.is_some() {
                true => exit,
                false => Exit::Done,
            }),
            End::TimeIsUp if self.fired > 0 => Ok(Exit::Done),
            // Prices over REST alone say nothing of what happened in between.
            End::TimeIsUp if !self.data || self.run.ctx.engine.stats().messages == 0 => {
                Err(self.no_data())
            }
            End::TimeIsUp if !self.unknown.is_empty() => Ok(Exit::Unknown),
            End::TimeIsUp if self.desk.is_troubled() => Err(self.lost()),
            End::TimeIsUp => Ok(Exit::No),
        }
    }

    /// There was data, and nothing is known of the last while.
    fn lost(&self) -> CliError {
        let why = self.progress.last_trouble.as_deref();
        let why = why.unwrap_or("the connection is lost");
        CliError::unknown(
            "no_data",
            format!("what has happened last is not known: {why}"),
        )
    }

    fn no_data(&self) -> CliError {
        let lost = || CliError::unknown("no_data", "no data: the connection is lost");
        self.progress.nothing_learnt(false).unwrap_or_else(lost)
    }
}
