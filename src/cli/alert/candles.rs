//! The candles that rules are computed from: asked for once, or followed.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use crate::alert::{Bars, Tracker};
use crate::model::{Interval, Market};

use super::super::Ctx;
use super::super::candles::{self, Known};
use super::markets::Markets;

/// The candles that these rules are computed from, and how many of each.
pub fn wanted<'a>(
    trackers: impl IntoIterator<Item = &'a Tracker>,
) -> HashMap<(Market, Interval), usize> {
    let mut wanted = HashMap::new();
    for (market, interval, n) in trackers.into_iter().flat_map(Tracker::candles) {
        let known = wanted.entry((*market, *interval)).or_insert(0);
        *known = (*known).max(*n);
    }
    wanted
}

/// Asks for the newest of each; what has not come by the deadline is an error.
pub async fn fetch(
    wanted: HashMap<(Market, Interval), usize>,
    markets: &Markets,
    ctx: &Ctx,
    deadline: Instant,
) -> Known {
    let wanted = wanted.into_iter();
    let wanted =
        wanted.map(|((market, interval), n)| (markets.instrument(market).clone(), interval, n));
    candles::newest(wanted.collect(), &ctx.engine, deadline).await
}

/// What a rule is computed from, as far as it is known.
pub fn bars(tracker: &Tracker, known: &Known) -> Vec<Arc<Bars>> {
    let wanted = tracker.candles().iter();
    let answers = wanted.filter_map(|(market, interval, _)| known.get(&(*market, *interval)));
    answers
        .filter_map(|answer| answer.as_ref().ok().cloned())
        .collect()
}
