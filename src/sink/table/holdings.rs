//! The table of what is held, with its value.

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use rust_decimal::RoundingStrategy;

use super::row::{Tone, digits};
use super::state::Action;
use super::text;
use super::view::style;
use crate::model::{Decimal, Timestamp};
use crate::portfolio::{Unpriced, Valuation, Valued};

/// Blank cells between two columns.
const GAP: usize = 2;

/// A column, in the order from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Asset,
    Amount,
    Price,
    Value,
    Change,
    Percent,
    Profit,
    ProfitPercent,
    Note,
}

use Column::*;

/// From left to right.
const COLUMNS: [Column; 9] = [
    Asset,
    Amount,
    Price,
    Value,
    Change,
    Percent,
    Profit,
    ProfitPercent,
    Note,
];
/// The most important first: a narrow screen drops from the end.
const IMPORTANCE: [Column; 9] = [
    Asset,
    Value,
    Percent,
    Note,
    Amount,
    Price,
    Profit,
    Change,
    ProfitPercent,
];

impl Column {
    fn title(self) -> &'static str {
        match self {
            Asset => "ASSET",
            Amount => "AMOUNT",
            Price => "PRICE",
            Value => "VALUE",
            Change => "24H",
            Percent => "24H %",
            Profit => "PROFIT",
            ProfitPercent => "PROFIT %",
            Note => "",
        }
    }

    fn is_right(self) -> bool {
        !matches!(self, Asset | Note)
    }
}

/// The text of a cell, and what it means.
type Cell = (String, Tone);

/// What is held, as a table with its total in the last row. Takes valuations, keys and the time, and paints into a
/// buffer: no terminal, no clock.
#[derive(Debug, Clone)]
pub struct HoldingsTable {
    /// Whose markets price it.
    provider: String,
    valuation: Valuation,
    /// The first row shown, and how many fit; set while drawing.
    offset: usize,
    page: usize,
}

impl HoldingsTable {
    /// A table of this.
    pub fn new(provider: impl Into<String>, valuation: Valuation) -> Self {
        Self {
            provider: provider.into(),
            valuation,
            offset: 0,
            page: 0,
        }
    }

    /// Shows this from now on.
    pub fn show(&mut self, valuation: Valuation) {
        self.valuation = valuation;
    }

    /// Paints the table into this area, whatever its size: header, titles, rows, the total, keys.
    pub fn render(&mut self, area: Rect, buffer: &mut Buffer, now: Timestamp, colour: bool) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let mut lines = area.rows();
        let footer = (area.height >= 4).then(|| lines.next_back()).flatten();
        let header = (area.height >= 5).then(|| lines.next()).flatten();
        let titles = (area.height >= 3).then(|| lines.next()).flatten();
        let mut body: Vec<Rect> = lines.collect();
        // Right below the rows, which scroll above it.
        let total = (body.len() >= 2).then(|| body.remove(self.count().min(body.len() - 1)));
        body.truncate(self.count());
        self.page = body.len();
        self.offset = self.offset.min(self.count().saturating_sub(self.page));

        let rows = self.rows();
        let layout = layout(&rows, area.width.into());
        let paint = |cells: &[Cell], line: Rect, buffer: &mut Buffer| {
            cells_line(&layout, cells, colour).render(line, buffer);
        };
        if let Some(line) = header {
            self.header(line.width.into(), now).render(line, buffer);
        }
        if let Some(line) = titles {
            let titles = COLUMNS.map(|column| (column.title().to_owned(), Tone::Plain));
            cells_line(&layout, &titles, false)
                .style(Modifier::BOLD)
                .render(line, buffer);
        }
        let held = &rows[..self.count()];
        for (cells, line) in held.iter().skip(self.offset).zip(body) {
            paint(cells, line, buffer);
        }
        if let (Some(line), Some(cells)) = (total, rows.last()) {
            buffer.set_style(line, Modifier::BOLD);
            paint(cells, line, buffer);
        }
        if let Some(line) = footer {
            self.footer(line.width.into(), colour).render(line, buffer);
        }
    }

    /// All rows as text of at most `width` cells (0 = no limit), without colour, ending in a newline.
    pub fn to_text(&self, width: u16) -> String {
        let rows = self.rows();
        let width = if width == 0 { usize::MAX } else { width.into() };
        let layout = layout(&rows, width);
        let titles = COLUMNS.map(|column| (column.title().to_owned(), Tone::Plain));
        let mut text = String::new();
        for cells in std::iter::once(&titles).chain(&rows) {
            let line = cells_line(&layout, cells, false);
            let line: String = line.spans.iter().map(|span| &*span.content).collect();
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    /// What an input of the terminal means.
    pub fn input(&mut self, input: &Input) -> Action {
        match input {
            Input::Key(key) => self.key(*key),
            Input::Resize(..) => Action::Repaint,
            _ => Action::Nothing,
        }
    }

    /// `q`, Esc and Ctrl-C leave, arrows, `j`, `k`, PgUp, PgDn, Home and End scroll, Ctrl-L paints anew.
    fn key(&mut self, key: KeyEvent) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::Nothing;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c' | 'C') => Action::Quit,
                KeyCode::Char('l' | 'L') => Action::Repaint,
                _ => Action::Nothing,
            };
        }
        let page = self.page.max(1);
        let to = match key.code {
            KeyCode::Char('q' | 'Q') | KeyCode::Esc => return Action::Quit,
            KeyCode::Up | KeyCode::Char('k') => self.offset.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.offset + 1,
            KeyCode::PageUp => self.offset.saturating_sub(page),
            KeyCode::PageDown | KeyCode::Char(' ') => self.offset + page,
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => self.count(),
            _ => return Action::Nothing,
        };
        let to = to.min(self.count().saturating_sub(page));
        if to == self.offset {
            return Action::Nothing;
        }
        self.offset = to;
        Action::Redraw
    }

    fn count(&self) -> usize {
        self.valuation.holdings.len()
    }

    /// A row for each holding, and the total last.
    fn rows(&self) -> Vec<[Cell; COLUMNS.len()]> {
        let holdings = self.valuation.holdings.iter().map(holding_cells);
        holdings.chain([self.total_cells()]).collect()
    }

    fn total_cells(&self) -> [Cell; COLUMNS.len()] {
        let all = &self.valuation;
        COLUMNS.map(|column| match column {
            Asset => ("TOTAL".to_owned(), Tone::Plain),
            Amount | Price => Default::default(),
            Value => number(all.total_value, false),
            Change => number(all.total_change_24h, true),
            Percent => percent(all.total_change_percent_24h),
            Profit => all
                .gain
                .map(|gain| number(gain.profit, true))
                .unwrap_or_default(),
            ProfitPercent => all
                .gain
                .map(|gain| percent(gain.profit_percent))
                .unwrap_or_default(),
            Note => match all.partial {
                true => ("partial".to_owned(), Tone::Warn),
                false => Default::default(),
            },
        })
    }

    /// `tickwire  kraken  portfolio in USD … 14:13:20 UTC`, as much of it as fits.
    fn header(&self, width: usize, now: Timestamp) -> Line<'static> {
        let clock = text::clock(now) + " UTC";
        let quote = text::clean(&self.valuation.quote);
        let title = format!(
            "tickwire  {}  portfolio in {quote}",
            text::clean(&self.provider)
        );
        let room = width.saturating_sub(text::width(&clock) + GAP);
        match room {
            0..16 => Line::from(text::fit(&title, width)),
            _ => Line::from(text::pad(&title, room + GAP, false) + &clock),
        }
    }

    fn footer(&self, width: usize, colour: bool) -> Line<'static> {
        let mut keys = "q quit".to_owned();
        if self.count() > self.page {
            let last = (self.offset + self.page).min(self.count());
            keys = format!(
                "{}-{last}/{}  ↑↓ scroll  {keys}",
                self.offset + 1,
                self.count()
            );
        }
        Line::styled(text::pad(&keys, width, true), style(Tone::Dim, colour))
    }
}

fn holding_cells(held: &Valued) -> [Cell; COLUMNS.len()] {
    COLUMNS.map(|column| match column {
        Asset => (text::clean(&held.symbol), Tone::Plain),
        Amount => (digits(held.amount), Tone::Plain),
        // As the exchange sent it, where it is one price of the exchange.
        Price => match held.via {
            None => (
                held.price.map_or("-".into(), shortened),
                unknown(held.price),
            ),
            Some(_) => number(held.price, false),
        },
        Value => number(held.value, false),
        Change => number(held.change_24h, true),
        Percent => percent(held.change_percent_24h),
        Profit => held
            .gain
            .map(|gain| number(gain.profit, true))
            .unwrap_or_default(),
        ProfitPercent => held
            .gain
            .map(|gain| percent(gain.profit_percent))
            .unwrap_or_default(),
        Note => match (held.unpriced, held.via) {
            (Some(why), _) => (why_text(why).to_owned(), Tone::Warn),
            (None, Some(via)) => (format!("via {}", text::clean(via)), Tone::Dim),
            (None, None) => Default::default(),
        },
    })
}

fn why_text(why: Unpriced) -> &'static str {
    match why {
        Unpriced::NoPair => "no pair",
        Unpriced::NoPrice => "no price yet",
        Unpriced::Stale => "stale",
        Unpriced::Overflow => "too large",
    }
}

fn unknown(number: Option<Decimal>) -> Tone {
    if number.is_some() {
        Tone::Plain
    } else {
        Tone::Dim
    }
}

/// A computed number, or `-`: rounded for the eye, two places where it is one or more.
fn number(number: Option<Decimal>, signed: bool) -> Cell {
    let Some(number) = number else {
        return ("-".to_owned(), Tone::Dim);
    };
    let places = if number.abs() >= Decimal::ONE || number.is_zero() {
        2
    } else {
        8
    };
    let shown = rounded(number, places);
    match signed {
        true => (with_sign(shown), direction(shown)),
        false => (digits(shown), Tone::Plain),
    }
}

fn percent(number: Option<Decimal>) -> Cell {
    let Some(number) = number else {
        return ("-".to_owned(), Tone::Dim);
    };
    let shown = rounded(number, 2);
    (with_sign(shown), direction(shown))
}

/// No more than eight places: what an inverse price has beyond them says nothing to the eye.
fn shortened(number: Decimal) -> String {
    digits(number.round_dp_with_strategy(8, RoundingStrategy::MidpointNearestEven))
}

fn rounded(number: Decimal, places: u32) -> Decimal {
    let mut rounded = number.round_dp_with_strategy(places, RoundingStrategy::MidpointNearestEven);
    // Where that has no room for more zeros it stays as it is.
    rounded.rescale(places);
    rounded
}

fn with_sign(number: Decimal) -> String {
    let sign = if number.is_sign_positive() && !number.is_zero() {
        "+"
    } else {
        ""
    };
    format!("{sign}{}", digits(number))
}

fn direction(number: Decimal) -> Tone {
    match number {
        _ if number.is_zero() => Tone::Plain,
        _ if number.is_sign_negative() => Tone::Down,
        _ => Tone::Up,
    }
}

/// How wide each column is; 0: it is left out.
fn layout(rows: &[[Cell; COLUMNS.len()]], room: usize) -> [usize; COLUMNS.len()] {
    let place = |column: Column| {
        COLUMNS
            .iter()
            .position(|known| *known == column)
            .unwrap_or(0)
    };
    let mut widths = [0; COLUMNS.len()];
    let mut left = room;
    for column in IMPORTANCE {
        let at = place(column);
        let widest = rows
            .iter()
            .map(|cells| text::width(&cells[at].0))
            .max()
            .unwrap_or(0);
        if widest == 0 {
            continue;
        }
        let width = widest.max(text::width(column.title()));
        let gap = if column == Asset { 0 } else { GAP };
        if width + gap <= left {
            widths[at] = width;
            left -= width + gap;
        } else if column == Asset {
            widths[at] = left;
            left = 0;
        }
    }
    widths
}

fn cells_line(layout: &[usize; COLUMNS.len()], cells: &[Cell], colour: bool) -> Line<'static> {
    let mut spans = Vec::new();
    for ((column, &width), (text, tone)) in COLUMNS.iter().zip(layout).zip(cells) {
        if width == 0 {
            continue;
        }
        if !spans.is_empty() {
            spans.push(Span::raw(" ".repeat(GAP)));
        }
        let text = text::pad(text, width, column.is_right());
        spans.push(Span::styled(text, style(*tone, colour)));
    }
    Line::from(spans)
}
