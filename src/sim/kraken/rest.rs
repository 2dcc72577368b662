//! Kraken REST: status 200 even for errors.
use super::{listed, names, ohlc};
use crate::sim::{
    config::Status,
    core::{Core, lock},
    dec::Dec,
    http::{Request, Response},
    json::{Object, array, quoted},
    market::{Trade, View},
    time::{rfc1123, rfc3339_s, seconds_micros},
};

/// Pairs in one `pair=` list; longer ones have been answered with status 520.
const MAX_PAIRS: usize = 50;
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
        Some("OHLC") => candles(core, request),
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

fn candles(core: &Core, request: &Request) -> Answer {
    let chosen = only(core, request)?;
    let minutes = number(request, "interval", 1)?;
    let grid = ohlc::grid(minutes).ok_or("EGeneral:Invalid arguments")?;
    let since = number(request, "since", -1)?;
    let (rows, last) = ohlc::rest(core, &chosen.view.info, grid, since);
    Ok(Object::new().raw(&chosen.key, rows).raw("last", last).end())
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
