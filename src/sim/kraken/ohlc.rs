//! Kraken's candles: the rows of the socket and of REST.
use crate::sim::{
    bars::{Bar, Grid, Source, seconds},
    core::Core,
    dec::Dec,
    json::{Object, array, quoted},
    market::{Info, Market, Tick, Trade},
    time::{rfc3339, rfc3339_ns},
};

/// Rows of REST, whatever `since` is.
const MOST_ROWS: i64 = 720;
/// Intervals that a socket's snapshot looks back on.
const SNAPSHOT: i64 = 10;
const MINUTES: [i64; 9] = [1, 5, 15, 30, 60, 240, 1440, 10_080, 21_600];
const SECOND_NS: i64 = 1_000_000_000;

/// Where candles of so many minutes begin: always at multiples since the epoch, so that weeks begin on Thursdays.
pub(super) fn grid(minutes: i64) -> Option<Grid> {
    MINUTES
        .contains(&minutes)
        .then(|| Grid::of_epoch(minutes * 60))
}

/// As many digits as there are, and 8 at least.
fn amount(amount: Dec) -> Dec {
    amount.trim().pad(8)
}

/// One subscribed candle of a socket.
pub(super) struct Line {
    pub grid: Grid,
    /// The running one; `None`: to be read from the ledger.
    bar: Option<Bar>,
}

impl Line {
    pub fn new(grid: Grid) -> Self {
        Self { grid, bar: None }
    }

    /// The newest ones with trades, among those of the last ten intervals, with no trade after this id.
    pub fn snapshot(&self, core: &Core, symbol: &str, after: u64) -> String {
        let rows = core.read(symbol, |market, now| {
            let source = until_trade(market, after);
            let running = self.grid.open_of(seconds(now));
            let from = running - (SNAPSHOT - 1) * self.grid.step;
            let bars = source.bars(self.grid, from, running + 1);
            let traded = bars.iter().filter(|bar| bar.count > 0);
            array(traded.map(|bar| row(&market.info, bar, self.grid)))
        });
        message("snapshot", rows.unwrap_or_else(|| "[]".to_owned()), core)
    }

    /// What these trades change: one row for each candle they are in.
    pub fn update(&mut self, core: &Core, info: &Info, ticks: &[&Tick]) -> Option<String> {
        let mut rows = Vec::new();
        for tick in ticks {
            let mut bar = self.before(core, &info.native, &tick.trade);
            if rows.is_empty() || self.bar.is_none_or(|last| last.time != bar.time) {
                rows.push(String::new());
            }
            bar.add_trade(&tick.trade);
            self.bar = Some(bar);
            if let Some(newest) = rows.last_mut() {
                *newest = row(info, &bar, self.grid);
            }
        }
        (!rows.is_empty()).then(|| message("update", array(rows), core))
    }

    /// The candle of a trade just before it.
    fn before(&self, core: &Core, symbol: &str, trade: &Trade) -> Bar {
        let open = self.grid.open_of(seconds(trade.time_ns));
        let follows = |bar: &Bar| bar.ids.is_some_and(|(_, last)| last + 1 == trade.id);
        match self.bar.filter(follows) {
            Some(bar) if bar.time == open => bar,
            Some(bar) => Bar::flat(open, bar.close),
            // whatever was kept from this socket meanwhile belongs into it
            None => {
                let read = |market: &Market, _| {
                    let source = until_trade(market, trade.id - 1);
                    source.bars(self.grid, open, open + 1).pop()
                };
                let bar = core.read(symbol, read).flatten();
                bar.unwrap_or_else(|| Bar::flat(open, trade.price))
            }
        }
    }
}

/// The market before a trade came that is after this one.
fn until_trade(market: &Market, id: u64) -> Source<'_> {
    let mut source = market.source();
    let until = source.ledger.partition_point(|trade| trade.id <= id);
    source.ledger = &source.ledger[..until];
    source
}

fn message(kind: &str, rows: String, core: &Core) -> String {
    Object::new()
        .str("channel", "ohlc")
        .str("type", kind)
        .str("timestamp", rfc3339_ns(core.now_ns()))
        .raw("data", rows)
        .end()
}

/// Numbers are bare; `timestamp` is the end of the interval.
fn row(info: &Info, bar: &Bar, grid: Grid) -> String {
    Object::new()
        .str("symbol", &info.native)
        .raw("open", bar.open)
        .raw("high", bar.high)
        .raw("low", bar.low)
        .raw("close", bar.close)
        .raw("trades", bar.count)
        .raw("volume", amount(bar.volume))
        .raw("vwap", bar.vwap(info.price_decimals))
        .str("interval_begin", rfc3339_ns(bar.time * SECOND_NS))
        .raw("interval", grid.step / 60)
        .str("timestamp", rfc3339((bar.time + grid.step) * SECOND_NS))
        .end()
}

/// The newest candles as REST has them, and the time of the last that has ended. Before the ledger there is the
/// 24-hour open without trades.
pub(super) fn rest(core: &Core, info: &Info, grid: Grid, since: i64) -> (String, i64) {
    let running = grid.open_of(seconds(core.now_ns()));
    let bars = core.rest_bars(&info.native, grid, |source, until| {
        let oldest = running - (MOST_ROWS - 1) * grid.step;
        let first = source.past.map(|past| grid.open_of(past.begin()));
        let mut bars = source.bars(grid, first.unwrap_or(oldest).max(oldest), until);
        // the running one is always there
        bars.retain(|bar| bar.time > since || bar.time >= running);
        bars
    });
    let rows = bars.iter().map(|bar| rest_row(bar, info.price_decimals));
    (array(rows), running - grid.step)
}

fn rest_row(bar: &Bar, price_decimals: u32) -> String {
    let vwap = match bar.count {
        0 => "0.0".to_owned(),
        _ => bar.vwap(price_decimals).to_string(),
    };
    let text = |value: Dec| quoted(&value.to_string());
    array([
        bar.time.to_string(),
        text(bar.open),
        text(bar.high),
        text(bar.low),
        text(bar.close),
        quoted(&vwap),
        text(amount(bar.volume)),
        bar.count.to_string(),
    ])
}
