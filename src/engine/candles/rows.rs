//! What the exchange itself has of candles, and what it proves.

use crate::feed::Span;
use crate::model::{Candle, Origin, Timestamp};

/// Closed candles that the exchange has, and for which spans it has answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// In the order of time: where there is no candle in these, there was none.
    pub covers: Vec<Span>,
    /// Oldest first.
    pub items: Vec<Candle>,
}

impl Rows {
    /// Whether the whole span is answered for.
    pub fn cover(&self, span: Span) -> bool {
        let mut reached = span.from;
        for covers in &self.covers {
            if covers.from <= reached {
                reached = reached.max(covers.until);
            }
        }
        reached >= span.until
    }

    /// The candle that begins then.
    pub fn of(&self, open_time: Timestamp) -> Option<&Candle> {
        self.items.iter().find(|row| row.open_time == open_time)
    }

    /// Those that begin within a span.
    pub fn within(&self, span: Span) -> impl Iterator<Item = &Candle> {
        let is_within =
            move |row: &&Candle| span.from <= row.open_time && row.open_time < span.until;
        self.items.iter().filter(is_within)
    }
}

/// What is sure of a candle that is otherwise in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sure {
    /// Its first trade is known.
    pub begin: bool,
    /// Its last trade is.
    pub end: bool,
}

/// What the exchange's row of a candle says beside what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is missing.
    Same,
    /// There was more.
    More,
    /// The row lacks what is known for sure: it is not to be believed, or not yet.
    Less,
}

/// Checks a row against what is known.
pub fn compare(known: &Candle, row: &Candle, sure: Sure) -> Verdict {
    let lacks_trades = known
        .trades
        .zip(row.trades)
        .is_some_and(|(ours, theirs)| theirs < ours);
    let lacks = row.high < known.high
        || row.low > known.low
        || row.volume < known.volume
        || (sure.begin && row.open != known.open)
        || (sure.end && row.close != known.close);
    if lacks || lacks_trades || !row.complete {
        Verdict::Less
    } else if row.volume == known.volume {
        Verdict::Same
    } else {
        Verdict::More
    }
}

/// The closed candle, by what is known and by a row that agrees with it. Where nothing was missing it is ours, which
/// knows more.
pub fn merge(known: &Candle, row: &Candle, verdict: Verdict) -> Candle {
    let is_ours = verdict == Verdict::Same;
    let mut candle = if is_ours { known.clone() } else { row.clone() };
    if is_ours {
        candle.trades = candle.trades.or(row.trades);
        candle.quote_volume = candle.quote_volume.or(row.quote_volume);
    } else {
        candle.origin = Origin::Repair;
    }
    (candle.closed, candle.complete) = (true, true);
    candle
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::candles::tests::support::{row, span};

    const SURE: Sure = Sure {
        begin: true,
        end: true,
    };

    #[test]
    fn a_row_that_lacks_what_is_known_is_not_believed() {
        let known = row(0, "5 7 4 6 10 3");
        for (theirs, verdict) in [
            ("5 7 4 6 10 3", Verdict::Same),
            ("5 8 4 6 11 4", Verdict::More),
            ("5 6 4 6 10 3", Verdict::Less),
            ("5 7 5 6 10 3", Verdict::Less),
            ("5 7 4 6 9 3", Verdict::Less),
            ("5 7 4 6 10 2", Verdict::Less),
            ("4 7 4 6 11 4", Verdict::Less),
            ("5 7 4 5 11 4", Verdict::Less),
        ] {
            assert_eq!(compare(&known, &row(0, theirs), SURE), verdict, "{theirs}");
        }
        let unsure = Sure {
            begin: false,
            end: false,
        };
        assert_eq!(
            compare(&known, &row(0, "4 7 4 5 11 4"), unsure),
            Verdict::More
        );
    }

    #[test]
    fn pages_cover_a_span_only_without_a_hole_between_them() {
        let rows = Rows {
            covers: vec![span(0, 60), span(60, 120), span(180, 240)],
            items: Vec::new(),
        };
        assert!(rows.cover(span(0, 120)) && rows.cover(span(30, 90)));
        assert!(!rows.cover(span(60, 240)) && !rows.cover(span(-60, 60)));
    }
}
