//! What the table knows, and what keys do to it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::columns::{Column, Extent};
use super::rate::Rate;
use super::row::{Health, Row, status_text};
use super::text;
use crate::model::{
    Event, Exchange, Gap, GapReason, Interval, Market, Status, StatusState, Stream, Timestamp,
};

/// What the caller has to do after an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Leave.
    Quit,
    /// Draw again.
    Redraw,
    /// Wipe the screen and draw again: its size changed, or the user asked for it.
    Repaint,
    /// Nothing changed.
    Nothing,
}

/// In which order the rows stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As the symbols were asked for.
    #[default]
    Asked,
    /// By the change of the 24 hours, the greatest first.
    Change,
    /// By symbol.
    Name,
}

impl Order {
    fn next(self) -> Self {
        match self {
            Self::Asked => Self::Change,
            Self::Change => Self::Name,
            Self::Name => Self::Asked,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Asked => "as asked",
            Self::Change => "by change",
            Self::Name => "by name",
        }
    }
}

/// Everything behind the table: no terminal, no clock.
#[derive(Debug, Clone)]
pub struct TableState {
    pub(super) rows: Vec<Row>,
    places: HashMap<(Market, Option<Interval>), usize>,
    /// What each market has a row for: candles of these lengths, everything else.
    lengths: Vec<Option<Interval>>,
    /// The exchanges of the rows in order of appearance, each with the state of its connection.
    pub(super) exchanges: Vec<(Exchange, Option<Arc<Status>>)>,
    pub(super) columns: &'static [Column],
    pub(super) rate: Rate,
    /// The last gap or change of state.
    notice: Option<String>,
    pub(super) order: Order,
    /// The first row shown, and how many fit; set while drawing.
    pub(super) offset: usize,
    pub(super) page: usize,
    /// Widths only grow while the screen keeps its width, so that columns stand still.
    pub(super) extents: [Extent; Column::COUNT],
    pub(super) measured_for: u16,
}

impl TableState {
    /// A table with one row per market (and length of candles), in this order, and the columns of these streams.
    pub fn new(markets: Vec<Market>, streams: &[Stream]) -> Self {
        let mut lengths: Vec<_> = streams.iter().map(|stream| stream.interval()).collect();
        lengths.sort();
        lengths.dedup();
        let mut state = Self {
            lengths,
            rows: Vec::with_capacity(markets.len()),
            places: HashMap::with_capacity(markets.len()),
            exchanges: Vec::new(),
            columns: Column::by_importance(streams),
            rate: Rate::default(),
            notice: None,
            order: Order::default(),
            offset: 0,
            page: 0,
            extents: Default::default(),
            measured_for: 0,
        };
        for market in markets {
            state.add(market);
        }
        state
    }

    fn add(&mut self, market: Market) {
        for &interval in &self.lengths {
            let place = self.places.entry((market, interval));
            if let Entry::Vacant(place) = place {
                place.insert(self.rows.len());
                self.rows.push(Row::new(market, interval));
            }
        }
        if self.connection(market.exchange()).is_none() {
            self.exchanges.push((market.exchange(), None));
        }
    }

    /// Measures the age of what these exchanges send from when it is applied: their times are not ours.
    pub fn with_own_clocks(mut self, is_own: impl Fn(Exchange) -> bool) -> Self {
        for row in &mut self.rows {
            row.own_clock = is_own(row.market.exchange());
        }
        self
    }

    /// Takes an event; one about a market without a row is ignored. Whoever stands in gets a row.
    pub fn apply(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::Ticker(ticker) => {
                if let Some(row) = self.row(ticker.market, None) {
                    row.on_ticker(ticker, now);
                    self.rate.add(now);
                }
            }
            Event::Trade(trade) => {
                if let Some(row) = self.row(trade.market, None) {
                    row.on_trade(trade, now);
                    self.rate.add(now);
                }
            }
            Event::Candle(candle) => {
                if let Some(row) = self.row(candle.market, Some(candle.interval)) {
                    row.on_candle(candle, now);
                    self.rate.add(now);
                }
            }
            Event::Signal(_) => {}
            Event::Gap(gap) => {
                if let Some(row) = self.row(gap.market, gap.stream.interval()) {
                    row.gaps += u64::from(gap.is_loss());
                    self.notice = Some(self.gap_notice(gap, now));
                }
            }
            Event::Status(status) => self.on_status(status),
        }
    }

    fn row(&mut self, market: Market, interval: Option<Interval>) -> Option<&mut Row> {
        let place = *self.places.get(&(market, interval))?;
        self.rows.get_mut(place)
    }

    fn on_status(&mut self, status: &Arc<Status>) {
        if let Some(other) = status.stand_in {
            self.add(other);
        }
        let of = |row: &&mut Row| Some(row.market) == status.market;
        let rows = self.rows.iter_mut().filter(of).map(|row| &mut row.status);
        let connections = self.exchanges.iter_mut();
        let connections = connections
            .filter(|(known, _)| status.market.is_none() && *known == status.exchange)
            .map(|(_, connection)| connection);
        let mut is_known = false;
        for known in rows.chain(connections) {
            *known = Some(status.clone());
            is_known = true;
        }
        if !is_known {
            return;
        }
        if status.market.is_none() && status.state == StatusState::Connected {
            // What a lost connection did to its symbols ended with it; a refused symbol stays refused.
            for row in &mut self.rows {
                if row.market.exchange() == status.exchange
                    && (row.status.as_ref()).is_some_and(|s| Health::of(s.state) == Health::Trouble)
                {
                    row.status = None;
                }
            }
        }
        self.notice = Some(format!(
            "{} {}",
            text::clock(status.timestamp),
            self.status_line(status)
        ));
    }

    /// Whether the exchange has to be named with each symbol.
    pub(super) fn is_prefixed(&self) -> bool {
        self.exchanges.len() > 1
    }

    /// The state of this exchange's connection; the inner `None` while nothing was told.
    pub(super) fn connection(&self, exchange: Exchange) -> Option<Option<&Status>> {
        (self.exchanges.iter())
            .find(|(known, _)| *known == exchange)
            .map(|(_, status)| status.as_deref())
    }

    fn status_line(&self, status: &Status) -> String {
        let subject = match status.market {
            Some(market) if self.is_prefixed() => market.to_string(),
            Some(market) => market.symbol().to_owned(),
            None => status.exchange.name().to_owned(),
        };
        format!("{} {}", text::clean(&subject), status_text(status))
    }

    fn gap_notice(&self, gap: &Gap, now: Timestamp) -> String {
        let missing = match gap.missing {
            Some(n) if gap.recovered > 0 => format!("{n} missing, {} fetched", gap.recovered),
            Some(missing) => format!("{missing} missing"),
            None => "some missing".to_owned(),
        };
        let reason = match gap.reason {
            GapReason::SlowConsumer => "this terminal was too slow",
            GapReason::RepairOff => "not fetched again",
            GapReason::SourceLimit => "older than what the exchange serves",
            GapReason::Reconnect => "the connection was lost",
            GapReason::Stall => "the stream had died",
            GapReason::IdHole => "lost on the way",
        };
        let subject = if self.is_prefixed() {
            gap.market.to_string()
        } else {
            gap.market.symbol().to_owned()
        };
        format!(
            "{} {} gap in {}: {missing}, {reason}",
            text::clock(now),
            text::clean(&subject),
            gap.stream.name()
        )
    }

    /// The line at the bottom: present trouble, the gravest and latest first, else what was told last.
    pub(super) fn notice(&self) -> (String, Health) {
        let symbols = self.rows.iter().filter_map(|row| row.status.as_ref());
        let connections = self.exchanges.iter().filter_map(|(_, s)| s.as_ref());
        let troubles = || {
            (symbols.clone().chain(connections.clone()))
                .filter(|s| s.state.is_trouble() || s.state == StatusState::Fallback)
        };
        let worst = troubles().max_by_key(|status| (Health::of(status.state), status.timestamp));
        match worst {
            Some(status) => {
                let more = troubles().count() - 1;
                let mut line = self.status_line(status);
                if more > 0 {
                    line += &format!(" (and {more} more)");
                }
                (line, Health::of(status.state))
            }
            None => (self.notice.clone().unwrap_or_default(), Health::Fine),
        }
    }

    /// The rows in the present order.
    pub(super) fn ordered(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        match self.order {
            Order::Asked => {}
            // Stable, and what is not known (`None`, the smallest) comes last.
            Order::Change => rows.sort_by_key(|row| std::cmp::Reverse(row.change())),
            Order::Name => rows.sort_by_key(|row| (row.market.symbol(), row.market.exchange())),
        }
        rows
    }

    /// What an input of the terminal means.
    pub fn input(&mut self, input: &Input) -> Action {
        match input {
            Input::Key(key) => self.key(*key),
            Input::Resize(..) => Action::Repaint,
            _ => Action::Nothing,
        }
    }

    /// What a key means: `q`, Esc and Ctrl-C leave, arrows, `j`, `k`, PgUp, PgDn, Home and End scroll,
    /// `s` changes the order, Ctrl-L paints anew.
    pub fn key(&mut self, key: KeyEvent) -> Action {
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
            KeyCode::Char('s') => {
                self.order = self.order.next();
                self.offset = 0;
                return Action::Redraw;
            }
            KeyCode::Up | KeyCode::Char('k') => self.offset.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.offset + 1,
            KeyCode::PageUp => self.offset.saturating_sub(page),
            KeyCode::PageDown | KeyCode::Char(' ') => self.offset + page,
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => self.rows.len(),
            _ => return Action::Nothing,
        };
        let to = to.min(self.rows.len().saturating_sub(page));
        if to == self.offset {
            return Action::Nothing;
        }
        self.offset = to;
        Action::Redraw
    }
}
