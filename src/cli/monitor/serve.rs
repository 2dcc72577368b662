//! A strategy of a server: what is live, after it has warmed up over the past.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::engine::Request;
use crate::model::{Event, Instrument};
use crate::strategy::Strategy;

use super::super::Ctx;
use super::super::error::CliError;
use super::engine_stopped;
use super::progress::Progress;
use super::settings::{Settings, delivery_of};
use super::source::{Source, Stop};
use super::tactics::Tactics;

/// A program may take so long for its last signals.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// Lets a strategy decide over these until `stop`; `take` gets its signals.
///
/// Errors: it could not begin, or not go on.
pub async fn decide(
    strategy: &Strategy,
    instruments: &[Arc<Instrument>],
    ctx: &Ctx,
    mut take: impl FnMut(&[Event]),
    stop: &CancellationToken,
) -> Result<(), CliError> {
    let settings = Settings::of_strategy(strategy.clone(), ctx);
    let begun = tokio::select! {
        begun = begin(&settings, instruments, ctx) => begun?,
        () = stop.cancelled() => return Ok(()),
    };
    let (mut tactics, source, progress) = begun;
    let ended = follow(&mut tactics, source, progress, &mut take, stop).await;
    let mut last = Vec::new();
    let patience = Some(LAST_ANSWERS);
    let finished = tactics.finish(patience, ctx.notices, &mut last).await;
    if !last.is_empty() {
        take(&last);
    }
    ended.and(finished.map(drop))
}

async fn begin(
    settings: &Settings,
    instruments: &[Arc<Instrument>],
    ctx: &Ctx,
) -> Result<(Tactics, Source, Progress), CliError> {
    let tactics = Tactics::new(settings, instruments, ctx).await?;
    let streams = tactics.streams(settings);
    let topics = || streams.iter().map(|(topic, _)| topic);
    let request = Request::default()
        .also(topics().cloned())
        .delivery(delivery_of(topics().map(|topic| &topic.instrument), ctx));
    let named = topics().map(|topic| (topic.instrument.market, topic.stream));
    let progress = Progress::new(named.collect());
    // Those of another provider were asked for by its name: nobody stands in for them.
    let own = instruments.iter().map(|instrument| instrument.market);
    let own = own.filter(|market| market.exchange().name() == ctx.provider);
    let written = own.map(|market| (market, market.symbol().to_owned()));
    let written = written.collect();
    let source = Source::open(settings, instruments, written, request, streams, ctx).await?;
    Ok((tactics, source, progress))
}

async fn follow(
    tactics: &mut Tactics,
    mut source: Source,
    mut progress: Progress,
    take: &mut impl FnMut(&[Event]),
    stop: &CancellationToken,
) -> Result<(), CliError> {
    let (mut waiting, mut batch, mut signals) = (VecDeque::new(), Vec::new(), Vec::new());
    loop {
        while let Some(event) = waiting.pop_front_if(|event| tactics.has_room(event)) {
            progress.see(&event);
            tactics.on_event(&event, &mut signals);
        }
        if !signals.is_empty() {
            take(&signals);
            signals.clear();
        }
        if let Some(error) = progress.all_failed() {
            return Err(error);
        }
        let next = waiting.front();
        tokio::select! {
            taken = source.next_batch(&mut batch), if next.is_none() => match taken {
                Ok(()) => waiting.extend(batch.drain(..)),
                Err(Stop::Over) => return Err(engine_stopped()),
                Err(Stop::Error(error)) => return Err(error),
            },
            // Over the past a program is waited for.
            signal = tactics.room(next) => signals.extend(signal),
            () = stop.cancelled() => return Ok(()),
        }
    }
}
