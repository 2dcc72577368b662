//! The table as plain text, for after the screen and for a single answer.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

use super::columns::{Column, Layout};
use super::row::Health;
use super::state::TableState;
use crate::model::Timestamp;

impl TableState {
    /// All rows as text of at most `width` cells (0 = no limit), without colour, ending in a newline.
    ///
    /// The least important columns are dropped where they do not fit; there is no trend, and a state
    /// only where one is worth telling.
    pub fn to_text(&self, width: u16, now: Timestamp) -> String {
        let rows = self.ordered();
        let telling = rows
            .iter()
            .any(|row| row.gaps > 0 || row.health(self.connection_of(row)).0 != Health::Fine);
        let columns: Vec<Column> = (self.columns.iter().copied())
            .filter(|&column| column != Column::Trend && (column != Column::State || telling))
            .collect();
        let mut extents = Default::default();
        self.measure(rows.iter(), &mut extents, now);
        let room = if width == 0 { usize::MAX } else { width.into() };
        let layout = Layout::choose(&columns, extents, room);

        let mut table = Table::new();
        // The columns are chosen to fit already: nothing may be wrapped.
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(layout.columns.iter().map(|&(column, _)| column.title()));
        for row in rows {
            let connection = self.connection_of(row);
            table.add_row(layout.columns.iter().map(|&(column, width)| {
                let cell = row.cell(column, now, self.is_prefixed(), connection, 0);
                Cell::new(layout.place(column, width, &cell))
            }));
        }
        let last = layout.columns.len().saturating_sub(1);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if index < last { layout.gap as u16 } else { 0 }));
            if layout.columns[index].0.is_right() {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut text = String::new();
        for line in table.lines() {
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}
