//! Where events come from: the live stream, the past, or both in one.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::{Request, Subscription};
use crate::feed::{ProviderError, Topic};
use crate::model::{Event, Instrument, Market, Stream};
use crate::timeline::{Ended, Past, Timeline};

use super::super::Ctx;
use super::super::error::{CliError, clipped};
use super::super::notices::Notices;
use super::super::stand_ins::StandIns;
use super::computed::Computed;
use super::engine_stopped;
use super::settings::{Settings, Shape};

/// Steps of the bar.
const STEPS: u64 = 10_000;

/// Where events come from.
pub struct Source {
    feed: Feed,
    bar: ProgressBar,
    began: Instant,
    notices: Notices,
    /// The count that was told last, once the past is told.
    told: Option<u64>,
    /// Candles of which a number is shown, until it is known where they begin.
    begins: Vec<(Topic, usize)>,
}

enum Feed {
    Live(Subscription),
    Timeline(Box<Timeline>),
}

/// Why no more events come.
pub enum Stop {
    /// All that was asked for was told.
    Over,
    /// It went wrong.
    Error(CliError),
}

impl Source {
    /// Opens what the settings ask for; `beside` has a past of its own.
    ///
    /// Errors: nothing can be subscribed.
    pub async fn open(
        settings: &Settings,
        instruments: &[Arc<Instrument>],
        written: Vec<(Market, String)>,
        request: Request,
        beside: Vec<(Topic, Past)>,
        ctx: &Ctx,
    ) -> Result<Self, CliError> {
        let mut live = None;
        if !settings.is_download {
            let subscription = ctx.engine.subscribe(request).await?;
            StandIns::new(ctx).provide(&subscription, written);
            live = Some(subscription);
        }
        let mut past = beside;
        let own = settings.topics_of(instruments);
        let own = own.filter(|topic| topic.stream != Stream::Ticker);
        let mut begins = Vec::new();
        for (topic, wanted) in own.filter_map(|topic| Some((topic, settings.past?))) {
            if let (Past::Last(n), Some(_)) = (wanted, topic.stream.interval()) {
                begins.push((topic.clone(), n));
            }
            // What is computed from can reach further back.
            merge(&mut past, topic, wanted);
        }
        let feed = match live {
            Some(live) if past.is_empty() => Feed::Live(live),
            live => Feed::Timeline(Box::new(Timeline::new(&ctx.engine, past, live)?)),
        };
        let is_shown = settings.past.is_some()
            && settings.shape != Shape::Table
            && !ctx.notices.quiet
            && !ctx.notices.json;
        Ok(Self {
            feed,
            bar: bar(is_shown && std::io::stderr().is_terminal()),
            began: Instant::now(),
            notices: ctx.notices,
            told: settings.past.map(|_| 0),
            begins,
        })
    }

    /// Tells from where on candles are shown of which a number is; before any of them is looked at.
    pub fn begin(&mut self, computed: &mut Computed) {
        let Feed::Timeline(timeline) = &self.feed else {
            return;
        };
        self.begins.retain(|(topic, n)| {
            let (from, interval) = (timeline.newest_from(topic, *n), topic.stream.interval());
            if let (Some(from), Some(interval)) = (from, interval) {
                computed.show_from(topic.instrument.market, interval, from);
            }
            from.is_none()
        });
    }

    /// Waits for events and swaps them into `batch`. Cancel safe.
    pub async fn next_batch(&mut self, batch: &mut Vec<Event>) -> Result<(), Stop> {
        match &mut self.feed {
            Feed::Live(live) => {
                let taken = live.next_batch(batch).await;
                taken.map_err(|_| Stop::Error(engine_stopped()))
            }
            Feed::Timeline(timeline) => {
                let taken = timeline.next_batch(batch).await;
                self.tell();
                taken.map_err(Stop::from)
            }
        }
    }

    /// Shows how far the past is told, and once that it is.
    pub fn tell(&mut self) {
        let (Feed::Timeline(timeline), Some(told)) = (&self.feed, self.told) else {
            return;
        };
        match timeline.progress() {
            Some(progress) => {
                self.told = Some(progress.count);
                self.bar.set_position((progress.done * STEPS as f64) as u64);
                self.bar.set_message(self.pace(progress.count));
            }
            None => {
                self.bar.finish_and_clear();
                self.told = None;
                let told = timeline.count().max(told);
                self.notices
                    .say("history", &format!("history: {}", self.pace(told)));
            }
        }
    }

    /// Breaks the past off. `batch`: the last of it that is to be told, so that asking anew from the moment in the
    /// returned hint goes on without a hole or a double. `None`: it is told already.
    pub fn break_off(&mut self, batch: &mut Vec<Event>) -> Option<String> {
        let Feed::Timeline(timeline) = &mut self.feed else {
            return None;
        };
        let from = timeline.break_off(batch)?;
        self.told?;
        self.bar.finish_and_clear();
        Some(format!("--since {from} goes on from there"))
    }

    fn pace(&self, count: u64) -> String {
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let rate = count as f64 / seconds;
        format!("{count} in {seconds:.1}s, {rate:.0}/s")
    }
}

/// Adds a stream whose past is read.
pub fn merge(streams: &mut Vec<(Topic, Past)>, topic: Topic, past: Past) {
    match streams.iter_mut().find(|(known, _)| *known == topic) {
        Some((_, known)) => *known = longer(*known, past),
        None => streams.push((topic, past)),
    }
}

/// The one that reaches further back.
pub fn longer(one: Past, other: Past) -> Past {
    match (one, other) {
        (Past::Since(a, until), Past::Since(b, _)) => Past::Since(a.min(b), until),
        (Past::Last(a), Past::Last(b)) => Past::Last(a.max(b)),
        (since @ Past::Since(..), _) | (_, since) => since,
    }
}

impl From<Ended> for Stop {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Over => Self::Over,
            Ended::Live(_) => Self::Error(engine_stopped()),
            Ended::Failed {
                market,
                stream,
                from,
                error,
            } => {
                let why = clipped(&error.to_string());
                let error = match &error {
                    // It will be refused again.
                    ProviderError::Refused(_) => {
                        let message = format!("{market} {}: {why}", stream.name());
                        CliError::unknown(error.code(), message)
                    }
                    _ => {
                        let told = format!("{market} {}: told until {from}", stream.name());
                        let hint = format!("--since {from} goes on from there");
                        CliError {
                            retryable: error.is_retryable(),
                            ..CliError::unknown(error.code(), format!("{told}: {why}")).hint(hint)
                        }
                    }
                };
                Self::Error(error)
            }
        }
    }
}

fn bar(is_shown: bool) -> ProgressBar {
    if !is_shown {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{bar:30} {percent}% {msg}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
