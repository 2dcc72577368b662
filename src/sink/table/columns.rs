//! The columns, and which of them fit.

use super::row::Cell;
use super::text;
use super::trend::SAMPLES;
use crate::model::Stream;

/// A column, in the order from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Symbol,
    Price,
    Change,
    Open,
    High,
    Low,
    Size,
    Side,
    Bid,
    Ask,
    Spread,
    Volume,
    Age,
    Trend,
    State,
}

use Column::*;

impl Column {
    pub(super) const COUNT: usize = State as usize + 1;

    pub(super) fn title(self) -> &'static str {
        match self {
            Symbol => "SYMBOL",
            Price => "PRICE",
            Change => "24H %",
            Open => "OPEN",
            High => "HIGH",
            Low => "LOW",
            Size => "SIZE",
            Side => "SIDE",
            Bid => "BID",
            Ask => "ASK",
            Spread => "SPREAD",
            Volume => "VOLUME",
            Age => "AGE",
            Trend => "TREND",
            State => "STATE",
        }
    }

    pub(super) fn is_right(self) -> bool {
        !matches!(self, Symbol | Side | Trend | State)
    }

    /// How many cells its mark takes, with the blank after it.
    fn mark(self) -> usize {
        if self == Price { 2 } else { 0 }
    }

    /// Whether its decimal points stand below each other.
    fn is_aligned(self) -> bool {
        matches!(self, Price | Open | High | Low | Size | Bid | Ask | Spread)
    }

    /// The columns for these streams, the most important first: a narrow screen drops from the end.
    pub(super) fn by_importance(streams: &[Stream]) -> &'static [Column] {
        let has_candles = streams.iter().any(|stream| stream.interval().is_some());
        match (
            streams.contains(&Stream::Ticker),
            streams.contains(&Stream::Trades),
        ) {
            (false, false) if has_candles => {
                &[Symbol, Price, Open, High, Low, Age, Volume, Trend, State]
            }
            _ if has_candles => &[
                Symbol, Price, Age, Open, High, Low, Volume, Change, Bid, Ask, Trend, State,
            ],
            (false, true) => &[Symbol, Price, Side, Size, Age, Trend, State],
            (true, true) => &[
                Symbol, Price, Change, Age, Bid, Ask, Size, Side, Trend, State, Spread, Volume,
            ],
            _ => &[
                Symbol, Price, Change, Age, Bid, Ask, Trend, State, Spread, Volume,
            ],
        }
    }
}

/// How much room the cells of a column take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Extent {
    /// The widest text.
    plain: usize,
    /// The widest part before the decimal point.
    whole: usize,
    /// The widest decimal point and what follows it.
    fraction: usize,
}

impl Extent {
    /// Makes room for this text too.
    pub(super) fn include(&mut self, text: &str) {
        let (whole, fraction) = split(text);
        self.plain = self.plain.max(text::width(text));
        self.whole = self.whole.max(text::width(whole));
        self.fraction = self.fraction.max(text::width(fraction));
    }
}

/// A number's digits up to the decimal point, and the rest.
fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find('.').unwrap_or(text.len()))
}

/// The columns that are shown, and how wide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) columns: Vec<(Column, usize)>,
    /// Blanks between two columns.
    pub(super) gap: usize,
    aligned: bool,
    extents: [Extent; Column::COUNT],
}

/// How many columns say the essential: symbol, price, and change or side.
const ESSENTIAL: usize = 3;
const TREND_MIN: usize = 10;
const TREND_GOOD: usize = 24;
const STATE_MIN: usize = 9;
// `reconnecting (12): conn…`
const STATE_GOOD: usize = 24;
const STATE_MAX: usize = 100;

impl Layout {
    /// The most important columns that fit into `room` cells, shown from left to right.
    ///
    /// Decimal points are aligned unless that costs an essential column; then the symbol is shortened;
    /// then only the symbol is left.
    pub(super) fn choose(
        importance: &[Column],
        extents: [Extent; Column::COUNT],
        room: usize,
    ) -> Self {
        let gap = if room >= 60 { 2 } else { 1 };
        let essential = importance.len().min(ESSENTIAL);
        let mut layout = Self {
            columns: Vec::new(),
            gap,
            aligned: true,
            extents,
        };
        layout.fill(importance, room);
        if layout.columns.len() < essential {
            layout.aligned = false;
            layout.fill(importance, room);
        }
        let mut wanted = essential;
        while layout.columns.len() < wanted && wanted > 1 {
            layout.shorten_symbol(&importance[..wanted], room);
            wanted -= 1;
        }
        if layout.columns.is_empty() {
            layout.columns.push((Symbol, room));
        }
        layout.columns.sort_by_key(|&(column, _)| column as usize);
        layout.stretch(room);
        layout
    }

    fn fill(&mut self, importance: &[Column], room: usize) {
        self.columns.clear();
        let mut used = 0;
        for &column in importance {
            let width = self.width(column);
            let gap = if self.columns.is_empty() { 0 } else { self.gap };
            if used + gap + width > room {
                break;
            }
            used += gap + width;
            self.columns.push((column, width));
        }
    }

    /// All of these columns, the first one as short as it must be; nothing where that is not enough.
    fn shorten_symbol(&mut self, columns: &[Column], room: usize) {
        // `BTC/USD`
        const SHORTEST: usize = 7;
        let rest: usize = (columns[1..].iter())
            .map(|&column| self.width(column) + self.gap)
            .sum();
        if rest + SHORTEST <= room {
            let symbol = (room - rest).min(self.width(Symbol));
            self.columns = vec![(Symbol, symbol)];
            for &column in &columns[1..] {
                self.columns.push((column, self.width(column)));
            }
        }
    }

    fn width(&self, column: Column) -> usize {
        let extent = self.extents[column as usize];
        let content = match column {
            Trend => TREND_MIN,
            State => STATE_MIN,
            _ if self.aligned && column.is_aligned() => {
                extent.plain.max(extent.whole + extent.fraction)
            }
            _ => extent.plain,
        };
        column.mark() + content.max(text::width(column.title()))
    }

    /// Gives what is left to the columns that can use it.
    fn stretch(&mut self, room: usize) {
        let used: usize = self.columns.iter().map(|&(_, width)| width).sum();
        let gaps = self.columns.len().saturating_sub(1) * self.gap;
        let mut left = room.saturating_sub(used + gaps);
        let state = self.extents[State as usize].plain.min(STATE_MAX);
        for (wanted, size) in [
            (State, state.min(STATE_GOOD)),
            (Trend, TREND_GOOD),
            (State, state),
            (Trend, SAMPLES as usize / 2),
        ] {
            for (column, width) in &mut self.columns {
                if *column == wanted {
                    let more = size.saturating_sub(*width).min(left);
                    *width += more;
                    left -= more;
                }
            }
        }
    }

    /// The cell in the width of its column: the mark at the left, the decimal point in line with the
    /// others.
    pub(super) fn place(&self, column: Column, width: usize, cell: &Cell) -> String {
        let mark = text::pad(cell.mark, column.mark().min(width), false);
        let room = width - text::width(&mark);
        let is_number = cell.text.ends_with(|c: char| c.is_ascii_digit());
        if self.aligned && column.is_aligned() && is_number {
            let blank = (self.extents[column as usize].fraction)
                .saturating_sub(text::width(split(&cell.text).1));
            let text = format!("{}{}", cell.text, " ".repeat(blank));
            return mark + &text::pad(&text, room, true);
        }
        mark + &text::pad(&cell.text, room, column.is_right())
    }
}
