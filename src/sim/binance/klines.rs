//! Binance's candles: the streams' messages and the rows of REST.
use crate::sim::{
    bars::{Bar, Grid, Source, seconds},
    config::Status,
    core::Core,
    dec::Dec,
    faults::Stream as Data,
    json::Object,
    market::{Info, Market},
    session::Ctx,
};
use std::fmt::{self, Write as _};

const INTERVALS: [(&str, i64); 14] = [
    ("1s", 1),
    ("1m", 60),
    ("3m", 180),
    ("5m", 300),
    ("15m", 900),
    ("30m", 1_800),
    ("1h", 3_600),
    ("2h", 7_200),
    ("4h", 14_400),
    ("6h", 21_600),
    ("8h", 28_800),
    ("12h", 43_200),
    ("1d", 86_400),
    ("1w", 604_800),
];

/// Where candles of this name begin; capitals matter.
pub(super) fn grid(name: &str) -> Option<Grid> {
    let (_, step) = INTERVALS.into_iter().find(|(known, _)| *known == name)?;
    Some(Grid::of_calendar(step))
}

fn name(grid: Grid) -> &'static str {
    let found = INTERVALS.into_iter().find(|(_, step)| *step == grid.step);
    found.map_or("", |(name, _)| name)
}

/// One subscribed stream.
pub(super) struct Line {
    grid: Grid,
    /// The running candle, and how many trades in it were told.
    open: i64,
    told: u64,
}

impl Line {
    /// From the candle on that is running now.
    pub fn new(grid: Grid, now_ns: i64) -> Self {
        Self {
            grid,
            open: grid.open_of(seconds(now_ns)),
            told: 0,
        }
    }

    /// When the running candle ends.
    pub fn due_ns(&self) -> i64 {
        (self.open + self.grid.step) * 1_000_000_000
    }

    /// The messages of all candles that have ended.
    pub fn ended(&mut self, symbol: &str, ctx: &Ctx<'_>) -> Vec<String> {
        let messages = ctx.core.read(symbol, |market, now| {
            let running = self.grid.open_of(seconds(now));
            if running <= self.open {
                return Vec::new();
            }
            let bars = self.bars(market, running);
            (self.open, self.told) = (running, 0);
            if silent(market, ctx) {
                return Vec::new();
            }
            let lost = ctx.core.faults().drop_closed_percent;
            let told = |bar: &&Bar| !ctx.core.hits(lost, symbol, self.grid, bar.time);
            let told = bars.iter().filter(told);
            told.map(|bar| message(&market.info, bar, self.grid, now, true))
                .collect()
        });
        messages.unwrap_or_default()
    }

    /// The message of the running candle, if trades have changed it; every second for `1s`, every other else.
    pub fn changed(&mut self, symbol: &str, second: u64, ctx: &Ctx<'_>) -> Option<String> {
        if self.grid.step > 1 && !second.is_multiple_of(2) {
            return None;
        }
        ctx.core.read(symbol, |market, now| {
            let bars = self.bars(market, self.open + self.grid.step);
            let bar = bars.last().filter(|bar| bar.count > self.told)?;
            self.told = bar.count;
            let message = || message(&market.info, bar, self.grid, now, false);
            (!silent(market, ctx)).then(message)
        })?
    }

    /// Nothing is told of an interval before the first trade, nor of a quiet one while there is no trading.
    fn bars(&self, market: &Market, until: i64) -> Vec<Bar> {
        let source = market.source();
        let Some(first) = source.first() else {
            return Vec::new();
        };
        let from = self.open.max(self.grid.open_of(first));
        let mut bars = source.bars(self.grid, from, until);
        bars.retain(|bar| bar.count > 0 || market.status == Status::Trading);
        bars
    }
}

fn silent(market: &Market, ctx: &Ctx<'_>) -> bool {
    ctx.muted(&market.info) || ctx.mutes(&market.info, Data::Candles)
}

/// As many digits as there are, and 8 at least.
fn amount(amount: Dec) -> Dec {
    amount.trim().pad(8)
}

fn message(info: &Info, bar: &Bar, grid: Grid, now_ns: i64, closed: bool) -> String {
    let id = |id: Option<u64>| id.map_or_else(|| "-1".to_owned(), |id| id.to_string());
    let kline = Object::new()
        .raw("t", bar.time * 1000)
        .raw("T", (bar.time + grid.step) * 1000 - 1)
        .str("s", &info.native)
        .str("i", name(grid))
        .raw("f", id(bar.ids.map(|ids| ids.0)))
        .raw("L", id(bar.ids.map(|ids| ids.1)))
        .str("o", bar.open)
        .str("c", bar.close)
        .str("h", bar.high)
        .str("l", bar.low)
        .str("v", amount(bar.volume))
        .raw("n", bar.count)
        .raw("x", closed)
        .str("q", amount(bar.quote_volume))
        .str("V", amount(bar.taker_volume))
        .str("Q", amount(bar.taker_quote))
        .str("B", 0);
    Object::new()
        .str("e", "kline")
        .raw("E", now_ns / 1_000_000)
        .str("s", &info.native)
        .raw("k", kline.end())
        .end()
}

/// Which rows are asked for; times in ms.
pub(super) struct Wanted {
    pub grid: Grid,
    pub start: Option<i64>,
    pub end: Option<i64>,
    pub limit: usize,
}

/// From a start the oldest, otherwise the newest; the running one is among them.
pub(super) fn rows(core: &Core, symbol: &str, wanted: &Wanted) -> String {
    let bars = core.rest_bars(symbol, wanted.grid, |source, until| {
        chosen(source, wanted, until)
    });
    // a year is half a million of them: straight into one buffer
    let mut text = String::with_capacity(2 + 200 * bars.len());
    text.push('[');
    for (index, bar) in bars.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        // writing to a String cannot fail
        let _ = row(&mut text, bar, wanted.grid);
    }
    text.push(']');
    text
}

fn chosen(source: &Source<'_>, wanted: &Wanted, shown: i64) -> Vec<Bar> {
    let grid = wanted.grid;
    let Some(first) = source.first() else {
        return Vec::new();
    };
    let after_end = wanted.end.map(|end| end.div_euclid(1000).saturating_add(1));
    let until = shown.min(after_end.unwrap_or(i64::MAX));
    let most = i64::try_from(wanted.limit).unwrap_or(1000) * grid.step;
    let first = grid.open_of(first);
    match wanted.start {
        Some(start) => {
            // the first second that is not before the start
            let start = start.saturating_add(999).div_euclid(1000).min(until);
            let from = grid.first_from(start.max(first));
            source.bars(grid, from, until.min(from + most))
        }
        None => {
            let newest = grid.open_of(until - 1) + grid.step;
            source.bars(grid, first.max(newest - most), until)
        }
    }
}

fn row(text: &mut String, bar: &Bar, grid: Grid) -> fmt::Result {
    let (time, close_time) = (bar.time * 1000, (bar.time + grid.step) * 1000 - 1);
    let (volume, quote_volume) = (amount(bar.volume), amount(bar.quote_volume));
    let (taker_volume, taker_quote) = (amount(bar.taker_volume), amount(bar.taker_quote));
    write!(
        text,
        "[{time},\"{}\",\"{}\",\"{}\",\"{}\",\"{volume}\",{close_time},\"{quote_volume}\",{},\
         \"{taker_volume}\",\"{taker_quote}\",\"0\"]",
        bar.open, bar.high, bar.low, bar.close, bar.count
    )
}
