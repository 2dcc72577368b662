//! Kraken REST: status 200 even for errors.
use super::{listed, names};
use crate::sim::{
    config::Status,
    core::{Core, lock},
    dec::Dec,
    http::{Request, Response},
    json::{Object, array, quoted},
    market::{Stats, Trade, View},
    time::{rfc1123, rfc3339_s, seconds_micros},
};

/// Pairs in one `pair=` list; longer ones have been answered with status 520.
const MAX_PAIRS: usize = 50;
/// Rows of `OHLC`, whatever `since` is.
const MAX_BARS: i64 = 720;
const MINUTES: [i64; 9] = [1, 5, 15, 30, 60, 240, 1440, 10_080, 21_600];
const SECOND_NS: i64 = 1_000_000_000;

/// Answers one request.
pub(in crate::sim) fn respond(core: &Core, request: &Request) -> Response {
    if !lock(&core.bucket).take(core.second) {
        core.violation("more than 1 REST request per second");
    }
    if let Some(error) = core.faults().kraken_http200_error.clone() {
        return failure(&error);
    }
    let long = request
        .param("pair")
        .is_some_and(|list| list.split(',').count() > MAX_PAIRS);
    if long {
        core.violation("pair list too long");
        return Response::status(520, "<html><body>520</body></html>".to_owned());
    }
    let result = match request.path.strip_prefix("/0/public/") {
        Some("Time") => Ok(time(core.now_ns())),
        Some("SystemStatus") => Ok(system_status(core.now_ns())),
        Some("AssetPairs") => keyed(core, request, |chosen| asset_pair(request, chosen)),
        Some("Ticker") => keyed(core, request, ticker),
        Some("Trades") => trades(core, request),
        Some("OHLC") => ohlc(core, request),
        Some("Depth") => depth(core, request),
        _ => Err("EGeneral:Unknown method"),
    };
    match result {
        Ok(result) => Response::json(Object::new().raw("error", "[]").raw("result", result).end()),
        Err(error) => failure(error),
    }
}

fn failure(error: &str) -> Response {
    Response::json(Object::new().raw("error", array([quoted(error)])).end())
}

type Answer = Result<String, &'static str>;

/// A pair and the key its result goes under.
struct Chosen {
    view: View,
    key: String,
}

/// The pairs asked for; all of them when the list is omitted.
fn chosen(core: &Core, request: &Request) -> Result<Vec<Chosen>, &'static str> {
    let new_names = request.param("assetVersion") == Some("1");
    let views = listed(core);
    let choose = |view: &View, asked: &str| {
        let info = &view.info;
        // asking by the new name answers by it
        let new = new_names || asked == info.canonical;
        let key = if new {
            info.canonical.clone()
        } else {
            names::key(info)
        };
        Chosen {
            view: core.rest_view(view.clone()),
            key,
        }
    };
    let Some(list) = request.param("pair") else {
        return Ok(views.iter().map(|view| choose(view, "")).collect());
    };
    list.split(',')
        .map(|asked| {
            let named = |view: &&View| {
                let info = &view.info;
                let names = [names::altname(info), names::key(info), names::wsname(info)];
                asked == info.canonical || names.iter().any(|name| name == asked)
            };
            let view = views
                .iter()
                .find(named)
                .ok_or("EQuery:Unknown asset pair")?;
            Ok(choose(view, asked))
        })
        .collect()
}

fn only(core: &Core, request: &Request) -> Result<Chosen, &'static str> {
    if request.param("pair").is_none() {
        return Err("EGeneral:Invalid arguments");
    }
    chosen(core, request)?
        .pop()
        .ok_or("EQuery:Unknown asset pair")
}

fn keyed(core: &Core, request: &Request, write: impl Fn(&Chosen) -> String) -> Answer {
    let pairs = chosen(core, request)?;
    let fill = |object: Object, pair: &Chosen| object.raw(&pair.key, write(pair));
    Ok(pairs.iter().fold(Object::new(), fill).end())
}

fn time(now: i64) -> String {
    Object::new()
        .raw("unixtime", now / SECOND_NS)
        .str("rfc1123", rfc1123(now))
        .end()
}

fn system_status(now: i64) -> String {
    Object::new()
        .str("status", "online")
        .str("timestamp", rfc3339_s(now))
        .end()
}

fn asset_pair(request: &Request, chosen: &Chosen) -> String {
    let view = &chosen.view;
    let info = &view.info;
    let new_names = request.param("assetVersion") == Some("1");
    let asset = |currency: &str| {
        if new_names {
            currency.to_owned()
        } else {
            names::asset(currency)
        }
    };
    let trading = view.status == Status::Trading;
    Object::new()
        .str("altname", names::altname(info))
        .str("wsname", names::wsname(info))
        .str("aclass_base", "currency")
        .str("base", asset(&info.base))
        .str("aclass_quote", "currency")
        .str("quote", asset(&info.quote))
        .str("lot", "unit")
        .raw("cost_decimals", 5)
        .raw("pair_decimals", info.price_decimals)
        .raw("lot_decimals", info.size_decimals)
        .raw("lot_multiplier", 1)
        .raw("leverage_buy", "[2,3]")
        .raw("leverage_sell", "[2,3]")
        .raw("fees", "[[0,0.4],[10000,0.35]]")
        .raw("fees_maker", "[[0,0.25],[10000,0.2]]")
        .str("fee_volume_currency", "ZUSD")
        .str("ordermin", "0.00005")
        .str("costmin", "0.5")
        .str("tick_size", Dec::new(1, info.price_decimals))
        .str("status", if trading { "online" } else { "cancel_only" })
        .end()
}

/// Pairs are [today, last 24 hours]; `o` is today's open, not the one 24 hours ago.
fn ticker(chosen: &Chosen) -> String {
    let view = &chosen.view;
    let (quote, stats) = (&view.quote, &view.stats);
    let level = |price: Dec, size: Dec| {
        let whole = size.rescale(0).units.max(1);
        texts([
            price.pad(5).to_string(),
            whole.to_string(),
            size.rescale(3).to_string(),
        ])
    };
    let both = |today: Dec, day: Dec| texts([today.to_string(), day.to_string()]);
    let today = Dec::new(
        stats.volume.units - stats.start_volume.units,
        stats.volume.scale,
    );
    let vwap = stats.vwap(5);
    let size = view.last.map_or(Dec::new(0, 8), |trade| trade.size);
    Object::new()
        .raw("a", level(quote.ask, quote.ask_size))
        .raw("b", level(quote.bid, quote.bid_size))
        .raw("c", both(stats.last.pad(5), size.pad(8)))
        .raw("v", both(today.rescale(8), stats.volume.rescale(8)))
        .raw("p", both(vwap, vwap))
        .raw("t", array([stats.count, stats.count]))
        .raw("l", both(stats.low.pad(5), stats.low.pad(5)))
        .raw("h", both(stats.high.pad(5), stats.high.pad(5)))
        .str("o", stats.today_open.pad(5))
        .end()
}

fn texts<const N: usize>(items: [String; N]) -> String {
    array(items.iter().map(|item| quoted(item)))
}

fn number(request: &Request, name: &str, default: i64) -> Result<i64, &'static str> {
    let Some(text) = request.param(name) else {
        return Ok(default);
    };
    text.parse().map_err(|_| "EGeneral:Invalid arguments")
}

/// Trades after `since`, oldest first.
///
/// A page never ends between trades that share a time: with an exclusive cursor the rest of
/// them could not be reached.
fn trades(core: &Core, request: &Request) -> Answer {
    let chosen = only(core, request)?;
    let since = number(request, "since", -1)?;
    let count = number(request, "count", 1000)?;
    if !(1..=1000).contains(&count) {
        return Err("EGeneral:Invalid arguments:count");
    }
    let count = usize::try_from(count).unwrap_or(1000);
    let ledger = core.rest_trades(&chosen.view.info.native);
    let start = if since < 0 {
        ledger.len().saturating_sub(count)
    } else {
        ledger.partition_point(|trade| trade.time_ns <= since)
    };
    let mut end = (start + count).min(ledger.len());
    while (1..ledger.len()).contains(&end) && ledger[end].time_ns == ledger[end - 1].time_ns {
        end += 1;
    }
    let page = &ledger[start..end];
    let last = page.last().map_or(since.max(0), |trade| trade.time_ns);
    let rows = array(page.iter().map(row));
    Ok(Object::new().raw(&chosen.key, rows).str("last", last).end())
}

fn row(trade: &Trade) -> String {
    let texts = [trade.price.pad(5), trade.size.pad(8)].map(|value| quoted(&value.to_string()));
    let [price, size] = texts;
    let side = quoted(&trade.side.word()[..1]);
    let kind = if trade.id.is_multiple_of(3) { "m" } else { "l" };
    let time = seconds_micros(trade.time_ns);
    array([
        price,
        size,
        time,
        side,
        quoted(kind),
        quoted(""),
        trade.id.to_string(),
    ])
}

/// A bar of trades.
struct Bar {
    open: Dec,
    high: Dec,
    low: Dec,
    close: Dec,
    volume: Dec,
    quote_volume: i128,
    count: u64,
}

impl Bar {
    fn flat(price: Dec) -> Self {
        let zero = Dec::new(0, crate::sim::market::VOLUME_SCALE);
        let [open, high, low, close] = [price; 4];
        Self {
            open,
            high,
            low,
            close,
            volume: zero,
            quote_volume: 0,
            count: 0,
        }
    }

    fn add(&mut self, trade: &Trade) {
        let price = trade.price;
        if self.count == 0 {
            *self = Self::flat(price);
        }
        self.high.units = self.high.units.max(price.units);
        self.low.units = self.low.units.min(price.units);
        self.close = price;
        let size = trade.size.rescale(self.volume.scale).units;
        self.volume.units += size;
        self.quote_volume += size * price.units;
        self.count += 1;
    }

    fn row(&self, time: i64, price_decimals: u32) -> String {
        let scale = self.volume.scale + self.close.scale;
        let amount = Dec::new(self.quote_volume, scale).rescale(8);
        let vwap = match self.count {
            0 => "0.0".to_owned(),
            _ => amount
                .divide(self.volume.rescale(8), price_decimals)
                .to_string(),
        };
        let prices = [self.open, self.high, self.low, self.close];
        let mut cells = vec![time.to_string()];
        cells.extend(prices.iter().map(|price| quoted(&price.to_string())));
        cells.extend([quoted(&vwap), quoted(&self.volume.rescale(8).to_string())]);
        cells.push(self.count.to_string());
        array(cells)
    }
}

/// Bars of the ledger; before it, the 24-hour open without trades.
fn ohlc(core: &Core, request: &Request) -> Answer {
    let chosen = only(core, request)?;
    let minutes = number(request, "interval", 1)?;
    if !MINUTES.contains(&minutes) {
        return Err("EGeneral:Invalid arguments");
    }
    let since = number(request, "since", -1)?;
    let ledger = core.trades(&chosen.view.info.native);
    let step = minutes * 60;
    let running = (core.now_ns() / SECOND_NS).div_euclid(step) * step;
    let first = running - (MAX_BARS - 1) * step;
    let rows = bars(&ledger, &chosen.view.stats, first, running, step)
        .into_iter()
        // the running bar is always there
        .filter(|(time, _)| *time > since || *time == running)
        .map(|(time, bar)| bar.row(time, chosen.view.info.price_decimals));
    let committed = running - step;
    Ok(Object::new()
        .raw(&chosen.key, array(rows))
        .raw("last", committed)
        .end())
}

/// One bar per interval from `first` to `running`, with its open time.
fn bars(ledger: &[Trade], stats: &Stats, first: i64, running: i64, step: i64) -> Vec<(i64, Bar)> {
    let start = ledger.partition_point(|trade| trade.time_ns / SECOND_NS < first);
    let mut close = start
        .checked_sub(1)
        .map_or(stats.open, |before| ledger[before].price);
    let mut trades = ledger[start..].iter().peekable();
    let mut bars = Vec::new();
    let mut time = first;
    while time <= running {
        let mut bar = Bar::flat(close);
        while let Some(trade) = trades.next_if(|t| t.time_ns / SECOND_NS < time + step) {
            bar.add(trade);
        }
        close = bar.close;
        bars.push((time, bar));
        time += step;
    }
    bars
}

/// The best level and a ladder of ticks beyond it.
fn depth(core: &Core, request: &Request) -> Answer {
    let chosen = only(core, request)?;
    let count = number(request, "count", 100)?;
    let quote = &chosen.view.quote;
    let seconds = core.now_ns() / SECOND_NS;
    let side = |best: Dec, size: Dec, sign: i128| {
        let levels = (0..i128::from(count.clamp(1, 500))).map(|level| {
            let price = Dec::new((best.units + sign * level).max(1), best.scale).pad(5);
            let size = if level == 0 {
                size.rescale(3)
            } else {
                Dec::new(1000 + level, 3)
            };
            array([
                quoted(&price.to_string()),
                quoted(&size.to_string()),
                seconds.to_string(),
            ])
        });
        array(levels)
    };
    let book = Object::new()
        .raw("asks", side(quote.ask, quote.ask_size, 1))
        .raw("bids", side(quote.bid, quote.bid_size, -1));
    Ok(Object::new().raw(&chosen.key, book.end()).end())
}
