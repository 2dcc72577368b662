//! Candles of a span of the past, page by page, each asked for when it is wanted.
//!
//! A length that the exchange has is taken as it is told. Any other is put together from the longest one that it is
//! made of, and one that is shorter than all of them from trades.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream::{StreamExt, TryStreamExt, try_unfold};

use crate::candles::Building;
use crate::feed::{Page, Pages, ProviderError, REST_LAG_NANOS, Span};
use crate::model::{Candle, Instrument, Interval, Timestamp, Trade};

use super::folding::Folding;
use super::protocol::CandleRows;
use super::rest::Rest;

/// After so many pages without a candle it is looked by days when there is the next one: before a listing there may
/// be thousands of them.
const EMPTY_PAGES: usize = 10;

/// What is left of a question about candles of a length that the exchange has.
struct Question {
    of: Arc<Instrument>,
    interval: Interval,
    /// From an open time until the first one that is not wanted.
    rest: Span,
    closed_before: Timestamp,
    /// The candles that one answer has at most, or all, where every answer has the newest.
    window: Option<usize>,
    /// How many of the newest there are.
    reach: Option<usize>,
    /// Pages of the last answer that were not told yet.
    ready: VecDeque<Page<Candle>>,
    /// So many answers before had nothing.
    empty: usize,
    /// There are no further answers.
    is_over: bool,
}

impl Rest {
    /// See [`crate::feed::Provider::candle_history`].
    pub(super) fn candle_history(
        &self,
        of: Arc<Instrument>,
        interval: Interval,
        span: Span,
        closed_before: Timestamp,
    ) -> Pages<'_, Candle> {
        let lengths = self.adapter.profile().candles.history;
        let part = interval.longest_part(lengths);
        if part == Some(interval) {
            return self.native_candles(of, interval, span, closed_before);
        }
        let folding = Folding::new(of.market, interval);
        let span = Span {
            from: interval.first_from(span.from),
            until: interval.first_from(span.until),
        };
        match part {
            Some(part) => {
                let parts = self.native_candles(of, part, span, closed_before);
                folded(parts, folding, fold_candles)
            }
            None => {
                let trades = self.trade_history(of, span);
                folded(trades, folding, move |folding, page| {
                    fold_trades(folding, page, closed_before)
                })
            }
        }
    }

    fn native_candles(
        &self,
        of: Arc<Instrument>,
        interval: Interval,
        span: Span,
        closed_before: Timestamp,
    ) -> Pages<'_, Candle> {
        let candles = self.adapter.profile().candles;
        let question = Question {
            of,
            interval,
            rest: Span {
                from: interval.first_from(span.from),
                until: interval.first_from(span.until),
            },
            closed_before,
            window: candles.reach.is_none().then_some(candles.page.max(1)),
            reach: candles.reach,
            ready: VecDeque::new(),
            empty: 0,
            is_over: false,
        };
        let pages = try_unfold(question, move |mut question| async move {
            while question.ready.is_empty() && !question.is_over {
                self.ask_page(&mut question).await?;
            }
            let page = question.ready.pop_front();
            Ok(page.map(|page| (page, question)))
        });
        pages.boxed()
    }

    async fn ask_page(&self, question: &mut Question) -> Result<(), ProviderError> {
        let asked = question.next();
        if asked.from >= asked.until {
            question.is_over = true;
            return Ok(());
        }
        let has_days = self
            .adapter
            .profile()
            .candles
            .history
            .contains(&Interval::D1);
        let is_lost = question.empty >= EMPTY_PAGES && question.interval < Interval::D1;
        if let Some(days) = question.days().filter(|_| is_lost && has_days) {
            let rows = self.candles(&question.of, Interval::D1, days).await?;
            question.skip(days, &rows);
            return Ok(());
        }
        let request = question.request(asked);
        let rows = self
            .candles(&question.of, question.interval, request)
            .await?;
        question.take(asked, rows);
        Ok(())
    }

    /// The candles that begin within a span that one answer has room for, as they are told.
    pub(super) async fn candles(
        &self,
        of: &Instrument,
        interval: Interval,
        span: Span,
    ) -> Result<CandleRows, ProviderError> {
        let ask = self.adapter.ask_candles(of, interval, span);
        let ask = ask.ok_or_else(|| {
            let why = format!("{} has no candles of {interval}", of.market.exchange());
            ProviderError::Refused(why)
        })?;
        let body = self.get_alone(&ask).await?;
        let adapter = &self.adapter;
        let rows = adapter.read_candles(&body.text, of, interval, body.received_at);
        self.heed(&body, rows).await
    }
}

impl Question {
    /// What the next page is to be about.
    fn next(&self) -> Span {
        let length = |candles: usize| {
            let candles = i64::try_from(candles).unwrap_or(i64::MAX);
            self.interval.nanos().saturating_mul(candles)
        };
        let most = |candles| self.rest.from.plus_nanos(length(candles));
        let until = self.window.map_or(self.rest.until, most);
        Span {
            from: self.rest.from,
            until: until.min(self.rest.until),
        }
    }

    /// One candle more than is wanted at the end, where an answer has room for it: it shows that those before it are
    /// over.
    fn request(&self, asked: Span) -> Span {
        let count = self.interval.count(asked.from, asked.until);
        let is_last = asked.until >= self.rest.until;
        let has_room = self.window.is_none_or(|window| count < window as u64);
        let more = if is_last && has_room { 1 } else { 0 };
        Span {
            until: asked.until.plus_nanos(self.interval.nanos() * more),
            ..asked
        }
    }

    /// Takes what an answer says of the span that was asked for.
    fn take(&mut self, asked: Span, rows: CandleRows) {
        let is_last = asked.until >= self.rest.until;
        let covers = self.covers(asked, &rows);
        self.empty = match rows.items.iter().any(|row| row.open_time >= asked.from) {
            true => 0,
            false => self.empty + 1,
        };
        let reached = covers.map_or(asked.from, |covers| covers.until);
        self.is_over = is_last || covers.is_none_or(|covers| covers.from == covers.until);
        self.rest.from = reached;
        let Some(covers) = covers else { return };
        let CandleRows { items, unread } = rows;
        let mut forming = items.iter().find(|row| row.open_time >= covers.until);
        forming = forming.filter(|row| is_last && row.open_time < asked.until);
        let forming = forming.map(|row| Candle {
            closed: false,
            ..row.clone()
        });
        for covers in without(covers, unread) {
            let within = covers.from..covers.until;
            let items = items.iter().filter(|row| within.contains(&row.open_time));
            let items = items.map(|row| Candle {
                closed: true,
                ..row.clone()
            });
            self.ready.push_back(Page {
                covers,
                items: items.collect(),
                forming: None,
            });
        }
        if forming.is_some() {
            match self.ready.back_mut() {
                Some(last) if last.covers.until == covers.until => last.forming = forming,
                _ => self.ready.push_back(Page {
                    covers: Span {
                        from: covers.until,
                        until: covers.until,
                    },
                    items: Vec::new(),
                    forming,
                }),
            }
        }
    }

    /// From when until when all is known, but for rows that could not be read. `None`: all of what was asked for is
    /// beyond what can be had.
    fn covers(&self, asked: Span, rows: &CandleRows) -> Option<Span> {
        let count = rows.items.len() + rows.unread.len();
        let is_full = self.reach.is_some_and(|reach| count >= reach);
        let oldest = rows.items.first().map(|row| row.open_time);
        let from = oldest
            .filter(|_| is_full)
            .map_or(asked.from, |oldest| oldest.max(asked.from));
        if from >= asked.until {
            return None;
        }
        // All before the last row is over, whatever the clocks say.
        let shown = rows.items.last().map(|last| match last.closed {
            true => last.close_time(),
            false => last.open_time,
        });
        let over = self.closed_before.plus_nanos(-REST_LAG_NANOS);
        let over = self.interval.open_of(over);
        // Where every answer goes up to the running candle, one that is not there has not come yet: only what is there
        // can be over by the clock.
        let over = match (self.reach, rows.items.last()) {
            (Some(_), last) => last.map_or(asked.from, |last| over.min(last.close_time())),
            (None, _) => over,
        };
        let over = shown.map_or(over, |shown| shown.max(over));
        // An answer may go on beyond what was asked for.
        let reached = rows.items.last().map(Candle::close_time);
        let until = reached.map_or(asked.until, |reached| reached.max(asked.until));
        Some(Span {
            from,
            until: over.clamp(from, until.min(self.rest.until)),
        })
    }

    /// What is asked for in days where nothing comes.
    fn days(&self) -> Option<Span> {
        let length = Interval::D1.nanos();
        let window = i64::try_from(self.window?).unwrap_or(i64::MAX);
        let from = Interval::D1.open_of(self.rest.from);
        let most = from.plus_nanos(length.saturating_mul(window));
        let over = self.closed_before.plus_nanos(-REST_LAG_NANOS);
        let until = Interval::D1.open_of(self.rest.until.min(over)).min(most);
        (from < until).then_some(Span { from, until })
    }

    /// Passes by the days in which nothing was traded.
    fn skip(&mut self, days: Span, rows: &CandleRows) {
        let first = rows.items.iter().find(|row| row.open_time >= days.from);
        let until = first.map_or(days.until, |row| row.open_time);
        let until = until.min(self.rest.until);
        self.empty = match first {
            Some(_) => 0,
            None => EMPTY_PAGES,
        };
        let from = self.rest.from;
        if from < until && rows.unread.is_empty() {
            self.rest.from = until;
            self.ready.push_back(Page {
                covers: Span { from, until },
                items: Vec::new(),
                forming: None,
            });
        } else {
            self.empty = 0;
        }
    }
}

/// What of a span is not in any of these, in order.
fn without(span: Span, mut left_out: Vec<Span>) -> Vec<Span> {
    left_out.sort_by_key(|span| span.from);
    let (mut parts, mut from) = (Vec::new(), span.from);
    for out in left_out {
        let until = out.from.min(span.until);
        if from < until {
            parts.push(Span { from, until });
        }
        from = from.max(out.until);
    }
    if from < span.until {
        parts.push(Span { from, ..span });
    }
    parts
}

fn fold_candles(folding: &mut Folding, page: Page<Candle>) -> Page<Candle> {
    folding.begin(page.covers.from);
    for part in &page.items {
        folding.add(part.open_time, |building| building.add_part(part));
    }
    let covers = page.covers;
    if let Some(part) = &page.forming {
        folding.add(part.open_time, |building| building.add_part(part));
    }
    let mut folded = folding.end(covers.until, covers.until);
    if page.forming.is_some() {
        folded.forming = folding.take_forming();
    }
    folded
}

/// A candle is over by the exchange's clock, or when something is traded after it.
fn fold_trades(folding: &mut Folding, page: Page<Trade>, closed_before: Timestamp) -> Page<Candle> {
    folding.begin(page.covers.from);
    let mut over = page.covers.until.min(closed_before);
    for trade in &page.items {
        let add = |building: &mut Building| building.add_trade(trade);
        folding.add(trade.timestamp, add);
        over = over.max(trade.timestamp);
    }
    folding.end(page.covers.until, over)
}

/// Folds every page; what is left at the end is forming.
fn folded<'a, T: Send + 'a>(
    parts: Pages<'a, T>,
    folding: Folding,
    fold: impl Fn(&mut Folding, Page<T>) -> Page<Candle> + Copy + Send + 'a,
) -> Pages<'a, Candle> {
    let pages = try_unfold(Some((parts, folding)), move |state| async move {
        let Some((mut parts, mut folding)) = state else {
            return Ok(None);
        };
        while let Some(page) = parts.try_next().await? {
            let page = fold(&mut folding, page);
            if page.covers.from < page.covers.until || page.forming.is_some() {
                return Ok(Some((page, Some((parts, folding)))));
            }
        }
        Ok(folding.last().map(|page| (page, None)))
    });
    pages.boxed()
}

#[cfg(test)]
mod tests;
