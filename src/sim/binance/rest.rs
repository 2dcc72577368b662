//! Binance REST v3.
use super::{DAY_MS, buyer_is_maker, klines};
use crate::sim::{
    config::Status,
    core::{Core, lock},
    dec::Dec,
    http::{Request, Response},
    json::{Object, array},
    market::{Trade, View},
};

/// Request weight per minute.
const MAX_WEIGHT: u64 = 6000;

/// Answers one request, with the weight used so far in a header.
pub(in crate::sim) fn respond(core: &Core, request: &Request) -> Response {
    let used = lock(&core.weight).add(weight(request), core.second);
    let response = if used > MAX_WEIGHT {
        core.violation(format!("request weight {used} within 1 min"));
        error(429, -1003, "Too much request weight used.").with("retry-after", 60)
    } else {
        route(core, request).unwrap_or_else(|refusal| refusal)
    };
    response.with("x-mbx-used-weight-1m", used)
}

fn weight(request: &Request) -> u64 {
    let one = request.param("symbol").is_some();
    match request.path.as_str() {
        "/api/v3/exchangeInfo" => 20,
        "/api/v3/ticker/24hr" => match request.param("symbols").map(|s| s.split(',').count()) {
            Some(0..=20) => 2,
            Some(21..=100) => 40,
            None if one => 2,
            _ => 80,
        },
        "/api/v3/ticker/price" | "/api/v3/ticker/bookTicker" => 4 - 2 * u64::from(one),
        "/api/v3/trades" | "/api/v3/historicalTrades" => 25,
        "/api/v3/aggTrades" => 4,
        "/api/v3/klines" => 2,
        _ => 1,
    }
}

type Answer = Result<Response, Response>;

fn route(core: &Core, request: &Request) -> Answer {
    let now = core.now_ns() / 1_000_000;
    match request.path.as_str() {
        "/api/v3/ping" => Ok(Response::json("{}".to_owned())),
        "/api/v3/time" => Ok(Response::json(Object::new().raw("serverTime", now).end())),
        "/api/v3/exchangeInfo" => exchange_info(core, request, now),
        "/api/v3/ticker/24hr" => {
            let mini = request.param("type") == Some("MINI");
            per_symbol(core, request, |view| day(view, now, mini))
        }
        "/api/v3/ticker/price" => per_symbol(core, request, price),
        "/api/v3/ticker/bookTicker" => per_symbol(core, request, book_ticker),
        "/api/v3/trades" => trades(core, request, None),
        "/api/v3/historicalTrades" => trades(core, request, number(request, "fromId")?),
        "/api/v3/aggTrades" => aggregate_trades(core, request),
        "/api/v3/klines" => candles(core, request),
        _ => Err(Response::status(
            404,
            "<html><body>Not Found</body></html>".to_owned(),
        )),
    }
}

fn error(status: u16, code: i32, message: &str) -> Response {
    Response::status(
        status,
        Object::new().raw("code", code).str("msg", message).end(),
    )
}

fn bad_symbol() -> Response {
    error(400, -1121, "Invalid symbol.")
}

/// The pairs asked for, and whether exactly one was named.
fn selected(core: &Core, request: &Request) -> Result<(Vec<View>, bool), Response> {
    let find = |name: &str| {
        let view = core.view(name).ok_or_else(bad_symbol)?;
        Ok(core.rest_view(view))
    };
    match (request.param("symbol"), request.param("symbols")) {
        (Some(_), Some(_)) => {
            let message = "Combination of optional parameters invalid.";
            Err(error(400, -1128, message))
        }
        (Some(symbol), None) => Ok((vec![find(symbol)?], true)),
        (None, Some(list)) => {
            let names: Vec<String> = serde_json::from_str(list).map_err(|_| {
                error(
                    400,
                    -1100,
                    "Illegal characters found in parameter 'symbols'.",
                )
            })?;
            let views: Result<_, _> = names.iter().map(|name| find(name)).collect();
            Ok((views?, false))
        }
        (None, None) => {
            let views = core.views().into_iter();
            Ok((views.map(|view| core.rest_view(view)).collect(), false))
        }
    }
}

/// An object for `symbol`, an array otherwise.
fn per_symbol(core: &Core, request: &Request, write: impl Fn(&View) -> String) -> Answer {
    let (views, single) = selected(core, request)?;
    let mut objects = views.iter().map(write);
    let body = if single {
        objects.next().unwrap_or_default()
    } else {
        array(objects)
    };
    Ok(Response::json(body))
}

fn exchange_info(core: &Core, request: &Request, now: i64) -> Answer {
    let (views, _) = selected(core, request)?;
    let limit = Object::new()
        .str("rateLimitType", "REQUEST_WEIGHT")
        .str("interval", "MINUTE")
        .raw("intervalNum", 1)
        .raw("limit", MAX_WEIGHT);
    let wanted = request.param("symbolStatus");
    let symbols = views
        .iter()
        .filter(|view| wanted.is_none_or(|w| w == status(view.status)));
    let body = Object::new()
        .str("timezone", "UTC")
        .raw("serverTime", now)
        .raw("rateLimits", array([limit.end()]))
        .raw("exchangeFilters", "[]")
        .raw("symbols", array(symbols.map(symbol)));
    Ok(Response::json(body.end()))
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Trading => "TRADING",
        Status::Halted => "HALT",
        Status::Delisted => "BREAK",
    }
}

fn symbol(view: &View) -> String {
    let info = &view.info;
    let step = |decimals| Dec::new(1, decimals).pad(8);
    let price = Object::new()
        .str("filterType", "PRICE_FILTER")
        .str("minPrice", step(info.price_decimals))
        .str("maxPrice", "1000000.00000000")
        .str("tickSize", step(info.price_decimals));
    let lot = Object::new()
        .str("filterType", "LOT_SIZE")
        .str("minQty", step(info.size_decimals))
        .str("maxQty", "9000000.00000000")
        .str("stepSize", step(info.size_decimals));
    let notional = Object::new()
        .str("filterType", "NOTIONAL")
        .str("minNotional", "5.00000000")
        .raw("applyMinToMarket", true)
        .str("maxNotional", "9000000.00000000")
        .raw("applyMaxToMarket", false)
        .raw("avgPriceMins", 5);
    Object::new()
        .str("symbol", &info.native)
        .str("status", status(view.status))
        .str("baseAsset", &info.base)
        .raw("baseAssetPrecision", 8)
        .str("quoteAsset", &info.quote)
        .raw("quotePrecision", 8)
        .raw("quoteAssetPrecision", 8)
        .raw("isSpotTradingAllowed", true)
        .raw("filters", array([price.end(), lot.end(), notional.end()]))
        .raw("permissions", "[]")
        .raw("permissionSets", "[[\"SPOT\"]]")
        .end()
}

fn price(view: &View) -> String {
    Object::new()
        .str("symbol", &view.info.native)
        .str("price", view.stats.last)
        .end()
}

fn book_ticker(view: &View) -> String {
    quote(Object::new().str("symbol", &view.info.native), view).end()
}

fn quote(object: Object, view: &View) -> Object {
    object
        .str("bidPrice", view.quote.bid)
        .str("bidQty", view.quote.bid_size)
        .str("askPrice", view.quote.ask)
        .str("askQty", view.quote.ask_size)
}

fn day(view: &View, now: i64, mini: bool) -> String {
    let stats = &view.stats;
    let mut object = Object::new().str("symbol", &view.info.native);
    if !mini {
        let size = view.last.map_or(Dec::new(0, 8), |trade| trade.size);
        object = object
            .str("priceChange", stats.change())
            .str("priceChangePercent", stats.change_percent(3))
            .str("weightedAvgPrice", stats.vwap(8))
            .str("prevClosePrice", stats.open)
            .str("lastQty", size);
        object = quote(object, view);
    }
    let id = |id: u64| {
        view.last
            .map_or_else(|| "-1".to_owned(), |_| id.to_string())
    };
    object
        .str("lastPrice", stats.last)
        .str("openPrice", stats.open)
        .str("highPrice", stats.high)
        .str("lowPrice", stats.low)
        .str("volume", stats.volume.rescale(8))
        .str("quoteVolume", stats.quote_volume.rescale(8))
        .raw("openTime", now - DAY_MS)
        .raw("closeTime", now)
        .raw("firstId", id(stats.first_id))
        .raw("lastId", id(view.last_id()))
        .raw("count", stats.count)
        .end()
}

fn trades(core: &Core, request: &Request, from: Option<i64>) -> Answer {
    let ledger = ledger(core, request)?;
    let limit = limit(request)?;
    let chosen: Vec<&Trade> = match from {
        Some(from) => ledger
            .iter()
            .filter(|t| i128::from(t.id) >= i128::from(from))
            .take(limit)
            .collect(),
        None => ledger
            .iter()
            .skip(ledger.len().saturating_sub(limit))
            .collect(),
    };
    Ok(Response::json(array(chosen.into_iter().map(|trade| {
        let amount = Dec::new(
            trade.price.units * trade.size.units,
            trade.price.scale + trade.size.scale,
        );
        Object::new()
            .raw("id", trade.id)
            .str("price", trade.price)
            .str("qty", trade.size)
            .str("quoteQty", amount.rescale(8))
            .raw("time", trade.time_ns / 1_000_000)
            .raw("isBuyerMaker", buyer_is_maker(trade.side))
            .raw("isBestMatch", true)
            .end()
    }))))
}

/// Every trade is an aggregate of its own, with ids of its own.
fn aggregate_trades(core: &Core, request: &Request) -> Answer {
    let ledger = ledger(core, request)?;
    let limit = limit(request)?;
    let (from, start, end) = (
        number(request, "fromId")?,
        number(request, "startTime")?,
        number(request, "endTime")?,
    );
    let first = ledger.first().map_or(0, |trade| trade.id);
    let aggregate_id = |trade: &Trade| (trade.id - first + 1) as i64;
    let chosen: Vec<&Trade> = ledger
        .iter()
        .filter(|trade| {
            let time = trade.time_ns / 1_000_000;
            from.is_none_or(|from| aggregate_id(trade) >= from)
                && start.is_none_or(|start| time >= start)
                && end.is_none_or(|end| time <= end)
        })
        .collect();
    // from a start: the oldest; otherwise the newest
    let skip = match from.or(start) {
        Some(_) => 0,
        None => chosen.len().saturating_sub(limit),
    };
    Ok(Response::json(array(
        chosen.into_iter().skip(skip).take(limit).map(|trade| {
            Object::new()
                .raw("a", aggregate_id(trade))
                .str("p", trade.price)
                .str("q", trade.size)
                .raw("f", trade.id)
                .raw("l", trade.id)
                .raw("T", trade.time_ns / 1_000_000)
                .raw("m", buyer_is_maker(trade.side))
                .raw("M", true)
                .end()
        }),
    )))
}

fn candles(core: &Core, request: &Request) -> Answer {
    let symbol = mandatory(request, "symbol")?;
    core.view(symbol).ok_or_else(bad_symbol)?;
    let grid = klines::grid(mandatory(request, "interval")?);
    let wanted = klines::Wanted {
        grid: grid.ok_or_else(|| error(400, -1120, "Invalid interval."))?,
        start: number(request, "startTime")?,
        end: number(request, "endTime")?,
        limit: limit(request)?,
    };
    if number(request, "limit")?.is_some_and(|asked| asked > 1000) {
        core.violation("more than 1000 candles asked for");
    }
    Ok(Response::json(klines::rows(core, symbol, &wanted)))
}

fn ledger(core: &Core, request: &Request) -> Result<Vec<Trade>, Response> {
    let symbol = mandatory(request, "symbol")?;
    core.view(symbol).ok_or_else(bad_symbol)?;
    Ok(core.rest_trades(symbol))
}

fn mandatory<'a>(request: &'a Request, name: &str) -> Result<&'a str, Response> {
    request.param(name).ok_or_else(|| {
        let message =
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
        error(400, -1102, &message)
    })
}

/// 500 unless asked, never above 1000.
fn limit(request: &Request) -> Result<usize, Response> {
    let limit = number(request, "limit")?.unwrap_or(500).clamp(1, 1000);
    Ok(usize::try_from(limit).unwrap_or(1000))
}

fn number(request: &Request, name: &str) -> Result<Option<i64>, Response> {
    let parsed = request.param(name).map(str::parse).transpose();
    parsed.map_err(|_| {
        let message = format!("Illegal characters found in parameter '{name}'.");
        error(400, -1100, &message)
    })
}
