//! Painting the table into a buffer.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::columns::{Column, Extent, Layout};
use super::row::{Health, Row, Tone};
use super::state::TableState;
use super::text;
use crate::model::{Status, Timestamp};

/// One cell before the symbol, `!` where a market is not fed; very narrow screens have no room for it.
fn gutter(width: u16) -> usize {
    usize::from(width >= 12)
}

impl TableState {
    /// Paints the table into this area, whatever its size.
    ///
    /// Shape: header, column titles, rows, footer; of few lines the rows keep theirs longest.
    pub fn render(&mut self, area: Rect, buffer: &mut Buffer, now: Timestamp, colour: bool) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let mut lines = area.rows();
        let footer = (area.height >= 2).then(|| lines.next_back()).flatten();
        if area.height >= 3
            && let Some(line) = lines.next()
        {
            self.header(line.width, now).render(line, buffer);
        }
        let titles = (area.height >= 4).then(|| lines.next()).flatten();

        let body: Vec<Rect> = lines.collect();
        self.page = body.len();
        self.offset = self.offset.min(self.rows.len().saturating_sub(self.page));
        let layout = self.layout(area.width, now);
        if let Some(line) = titles {
            title_line(&layout, line.width).render(line, buffer);
        }
        let rows = self.ordered();
        for (row, line) in rows.iter().skip(self.offset).zip(body) {
            self.row_line(row, &layout, line.width, now, colour)
                .render(line, buffer);
        }
        if let Some(line) = footer {
            self.footer(line.width, colour).render(line, buffer);
        }
    }

    /// The columns for this width, measured on the rows that are shown.
    fn layout(&mut self, width: u16, now: Timestamp) -> Layout {
        if self.measured_for != width {
            self.measured_for = width;
            self.extents = Default::default();
        }
        let mut extents = self.extents;
        let rows = self.ordered();
        self.measure(
            rows.iter().skip(self.offset).take(self.page),
            &mut extents,
            now,
        );
        self.extents = extents;
        Layout::choose(self.columns, extents, usize::from(width) - gutter(width))
    }

    pub(super) fn measure<'a>(
        &self,
        rows: impl Iterator<Item = &'a &'a Row>,
        extents: &mut [Extent; Column::COUNT],
        now: Timestamp,
    ) {
        for row in rows {
            let connection = self.connection_of(row);
            for &column in self.columns.iter().filter(|c| **c != Column::Trend) {
                let cell = row.cell(column, now, self.is_prefixed(), connection, 0);
                extents[column as usize].include(&cell.text);
            }
        }
    }

    pub(super) fn connection_of(&self, row: &Row) -> Option<&Status> {
        self.connection(row.market.exchange()).flatten()
    }

    fn row_line(
        &self,
        row: &Row,
        layout: &Layout,
        width: u16,
        now: Timestamp,
        colour: bool,
    ) -> Line<'static> {
        let connection = self.connection_of(row);
        let health = row.health(connection).0;
        let mark = if health > Health::Fine { "!" } else { " " };
        let mut spans = Vec::new();
        if gutter(width) > 0 {
            spans.push(Span::styled(mark, style(health.tone(), colour)));
        }
        for (index, &(column, width)) in layout.columns.iter().enumerate() {
            if index > 0 {
                spans.push(Span::raw(" ".repeat(layout.gap)));
            }
            let cell = row.cell(column, now, self.is_prefixed(), connection, width);
            let mut style = style(cell.tone, colour);
            if cell.fresh {
                style = style.add_modifier(Modifier::BOLD);
            }
            spans.push(Span::styled(layout.place(column, width, &cell), style));
        }
        Line::from(spans)
    }

    /// `tickwire  kraken  3 symbols  12.3 events/s … 14:13:20 UTC`, as much of it as fits.
    fn header(&mut self, width: u16, now: Timestamp) -> Line<'static> {
        let width = usize::from(width);
        let clock = text::clock(now) + if width >= 60 { " UTC" } else { "Z" };
        if width < text::width(&clock) {
            return Line::from(text::fit("tickwire", width)).style(Modifier::BOLD);
        }
        let mut left = width - text::width(&clock);
        let exchanges: Vec<&str> = self.exchanges.iter().map(|(e, _)| e.name()).collect();
        let symbols = match self.rows.len() {
            1 => "1 symbol".to_owned(),
            count => format!("{count} symbols"),
        };
        let rate = format!("{:.1} events/s", self.rate.per_second(now));
        let mut spans = Vec::new();
        for piece in [
            "tickwire".to_owned(),
            text::clean(&exchanges.join(", ")),
            symbols,
            rate,
        ] {
            let piece = piece + "  ";
            let Some(rest) = left.checked_sub(text::width(&piece)) else {
                break;
            };
            left = rest;
            let bold = if spans.is_empty() {
                Modifier::BOLD
            } else {
                Modifier::empty()
            };
            spans.push(Span::styled(piece, bold));
        }
        spans.push(Span::raw(" ".repeat(left)));
        spans.push(Span::raw(clock));
        Line::from(spans)
    }

    /// What is wrong or was told last, and the keys.
    fn footer(&self, width: u16, colour: bool) -> Line<'static> {
        let width = usize::from(width);
        const QUIT: &str = "q quit";
        let mut keys = QUIT.to_owned();
        if width >= 70 {
            keys = format!("s order: {}  {keys}", self.order.name());
        }
        if self.rows.len() > self.page {
            let last = (self.offset + self.page).min(self.rows.len());
            let shown = format!("{}-{last}/{}", self.offset + 1, self.rows.len());
            let scroll = if width >= 70 { "  ↑↓ scroll" } else { "" };
            keys = format!("{shown}{scroll}  {keys}");
        }
        let (notice, health) = self.notice();
        let room = width.saturating_sub(text::width(&keys) + 2);
        if room < 8 {
            // Trouble matters more than the name of a key.
            let (line, tone) = if health > Health::Fine {
                (notice, health.tone())
            } else if text::width(&keys) > width {
                (QUIT.to_owned(), Tone::Dim)
            } else {
                (keys, Tone::Dim)
            };
            return Line::styled(text::fit(&line, width), style(tone, colour));
        }
        Line::from(vec![
            Span::styled(
                text::pad(&notice, room, false),
                style(health.tone(), colour),
            ),
            Span::raw("  "),
            Span::styled(keys, style(Tone::Dim, colour)),
        ])
    }
}

fn title_line(layout: &Layout, width: u16) -> Line<'static> {
    let mut line = " ".repeat(gutter(width));
    for (index, &(column, width)) in layout.columns.iter().enumerate() {
        if index > 0 {
            line += &" ".repeat(layout.gap);
        }
        line += &text::pad(column.title(), width, column.is_right());
    }
    Line::styled(line, Modifier::BOLD)
}

pub(super) fn style(tone: Tone, colour: bool) -> Style {
    let (foreground, modifier) = match tone {
        Tone::Plain => (None, Modifier::empty()),
        Tone::Up => (Some(Color::Green), Modifier::empty()),
        Tone::Down => (Some(Color::Red), Modifier::empty()),
        Tone::Dim => (None, Modifier::DIM),
        Tone::Warn => (Some(Color::Yellow), Modifier::BOLD),
        Tone::Bad => (Some(Color::Red), Modifier::BOLD),
    };
    let style = Style::new().add_modifier(modifier);
    match foreground {
        Some(foreground) if colour => style.fg(foreground),
        _ => style,
    }
}
