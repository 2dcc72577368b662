//! Ended candles in which something may be missing: what the exchange's rows settle of them, and what is told where
//! nothing does.

use crate::feed::Span;
use crate::model::{Candle, GapReason, Origin, Timestamp};

use super::lane::{Ended, Lane};
use super::question::About;
use super::rows::{Rows, Verdict, compare, merge};

impl Lane {
    /// From the first ended candle that is in doubt to the last.
    pub(super) fn doubtful(&self) -> Option<Span> {
        let spans = self.ended.iter().filter_map(|ended| match ended {
            Ended::Candle {
                candle,
                doubt: Some(_),
            } => Some(Span {
                from: candle.open_time,
                until: candle.close_time(),
            }),
            Ended::Hole { span, .. } => Some(*span),
            _ => None,
        });
        spans.reduce(|whole, next| Span {
            until: next.until,
            ..whole
        })
    }

    /// Settles what these rows settle.
    pub(super) fn resolve(&mut self, rows: &Rows) {
        for ended in std::mem::take(&mut self.ended) {
            match ended {
                Ended::Candle {
                    candle,
                    doubt: Some(sure),
                } => {
                    let row = rows.of(candle.open_time);
                    let verdict = row.map_or(Verdict::Less, |row| compare(&candle, row, sure));
                    let (candle, doubt) = match row.filter(|_| verdict != Verdict::Less) {
                        Some(row) => (merge(&candle, row, verdict), None),
                        None => (candle, Some(sure)),
                    };
                    self.ended.push_back(Ended::Candle { candle, doubt });
                }
                Ended::Hole { span, reason } if rows.cover(span) => {
                    self.fill(span, rows, reason, true);
                }
                Ended::Hole { span, reason } => self.keep_hole(span, rows, reason),
                told => self.ended.push_back(told),
            }
        }
    }

    /// What was found of it is kept until more is, or nothing more can be.
    fn keep_hole(&mut self, span: Span, rows: &Rows, reason: GapReason) {
        let found = self
            .found
            .take()
            .filter(|found| found.items.len() >= rows.items.len());
        self.found = Some(found.unwrap_or_else(|| rows.clone()));
        self.ended.push_back(Ended::Hole { span, reason });
    }

    /// Tells the candles that were missed, and then that they were.
    fn fill(&mut self, span: Span, rows: &Rows, reason: GapReason, is_whole: bool) {
        let found: Vec<_> = rows
            .within(span)
            .filter(|row| self.would_come(row))
            .cloned()
            .collect();
        let recovered = found.len() as u64;
        let ends = found.first().zip(found.last());
        let ends = ends.map(|(first, last)| Span {
            from: first.open_time,
            until: last.close_time(),
        });
        for mut row in found {
            (row.closed, row.origin) = (true, Origin::Repair);
            self.ended.push_back(Ended::Candle {
                candle: row,
                doubt: None,
            });
        }
        let expected = self
            .rules
            .has_empty
            .then(|| self.rules.interval.count(span.from, span.until));
        let is_whole = is_whole && expected.is_none_or(|expected| expected == recovered);
        let missing = if is_whole { Some(recovered) } else { expected };
        if missing == Some(0) {
            // There was nothing.
            return;
        }
        let told = ends.filter(|_| is_whole).unwrap_or(span);
        let gap = self.gap(told, (missing, recovered), reason);
        self.ended.push_back(Ended::Gap(gap));
    }

    /// Whether the stream would have brought it.
    fn would_come(&self, row: &Candle) -> bool {
        self.rules.has_empty || !(row.trades == Some(0) || row.volume.decimal().is_zero())
    }

    /// What is in doubt and begins before a moment stays so; `None`: all of it. `is_off`: since there is nobody to
    /// ask.
    pub(super) fn give_up(&mut self, until: Option<Timestamp>, is_off: bool) {
        let is_asked =
            matches!(&self.question, Some(question) if matches!(question.about, About::Ended));
        if is_asked {
            self.question = None;
        }
        if self.doubtful().is_none() {
            return;
        }
        let rows = self.found.take().unwrap_or_default();
        let is_given_up = |from: Timestamp| until.is_none_or(|until| from < until);
        for ended in std::mem::take(&mut self.ended) {
            match ended {
                Ended::Candle {
                    mut candle,
                    doubt: Some(_),
                } if is_given_up(candle.open_time) => {
                    candle.complete = false;
                    self.ended.push_back(Ended::Candle {
                        candle,
                        doubt: None,
                    });
                }
                Ended::Hole { span, reason } if is_given_up(span.from) => {
                    let reason = if is_off { GapReason::RepairOff } else { reason };
                    self.fill(span, &rows, reason, false);
                }
                other => self.ended.push_back(other),
            }
        }
    }
}
