//! Coinbase Exchange REST.
use super::candles;
use crate::sim::{
    config::Status,
    core::{Core, lock},
    dec::Dec,
    http::{Request, Response},
    json::{Object, array, quoted},
    market::{Trade, View},
    time::{rfc3339, rfc3339_ms},
};

pub(in crate::sim) fn respond(core: &Core, request: &Request) -> Response {
    if request.header("user-agent").is_none_or(str::is_empty) {
        core.violation("REST without User-Agent");
        return error(400, "User-Agent header is required.");
    }
    if !lock(&core.bucket).take(core.second) {
        core.violation("more than 10 REST requests per second");
        return error(429, "Public rate limit exceeded");
    }
    let mut parts = request.path.trim_start_matches('/').split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("time"), None, None) => time(core.now_ns()),
        (Some("products"), None, None) => Response::json(array(core.views().iter().map(product))),
        (Some("products"), Some(id), what) => match core.view(id) {
            Some(view) => one(core, request, &core.rest_view(view), what),
            None => error(404, "NotFound"),
        },
        _ => error(404, "NotFound"),
    }
}

fn one(core: &Core, request: &Request, view: &View, what: Option<&str>) -> Response {
    match what {
        None => Response::json(product(view)),
        Some("ticker") => ticker(core, view),
        Some("stats") => stats(view),
        Some("book") => book(core, view),
        Some("trades") => trades(core, request, view),
        Some("candles") => match candles::rows(core, request, &view.info) {
            Ok(rows) => Response::json(rows),
            Err(message) => error(400, message),
        },
        _ => error(404, "NotFound"),
    }
}

fn error(status: u16, message: &str) -> Response {
    Response::status(status, Object::new().str("message", message).end())
}

fn time(now: i64) -> Response {
    let millis = now / 1_000_000;
    let epoch = format!("{}.{:03}", millis / 1000, millis % 1000);
    Response::json(
        Object::new()
            .str("iso", rfc3339_ms(now))
            .raw("epoch", epoch)
            .end(),
    )
}

fn product(view: &View) -> String {
    let info = &view.info;
    let status = if view.status == Status::Delisted {
        "delisted"
    } else {
        "online"
    };
    Object::new()
        .str("id", &info.native)
        .str("base_currency", &info.base)
        .str("quote_currency", &info.quote)
        .str("quote_increment", Dec::new(1, info.price_decimals))
        .str("base_increment", Dec::new(1, info.size_decimals))
        .str("display_name", &info.native)
        .str("min_market_funds", 1)
        .raw("margin_enabled", false)
        .raw("post_only", false)
        .raw("limit_only", false)
        .raw("cancel_only", false)
        .str("status", status)
        .str("status_message", "")
        .raw("trading_disabled", view.status != Status::Trading)
        .raw("fx_stablecoin", false)
        .str("max_slippage_percentage", "0.02000000")
        .raw("auction_mode", false)
        .str("high_bid_limit_percentage", "")
        .end()
}

fn ticker(core: &Core, view: &View) -> Response {
    let time = view
        .last
        .map_or_else(|| core.now_ns(), |trade| trade.time_ns);
    let size = view.last.map_or(Dec::new(0, 8), |trade| trade.size);
    let body = Object::new()
        .str("ask", view.quote.ask)
        .str("bid", view.quote.bid)
        .str("volume", view.stats.volume.rescale(8))
        .raw("trade_id", view.last_id())
        .str("price", view.stats.last)
        .str("size", size)
        .str("time", rfc3339(time));
    Response::json(body.end())
}

fn stats(view: &View) -> Response {
    let stats = &view.stats;
    let body = Object::new()
        .str("open", stats.open.trim())
        .str("high", stats.high.trim())
        .str("low", stats.low.trim())
        .str("last", stats.last.trim())
        .str("volume", stats.volume.rescale(8))
        .str("volume_30day", stats.volume.rescale(8));
    Response::json(body.end())
}

/// The best level only: level 1. Its third member is a number of orders.
fn book(core: &Core, view: &View) -> Response {
    let level = |price: Dec, size: Dec| {
        let (price, size) = (quoted(&price.to_string()), quoted(&size.to_string()));
        array([array([price, size, "3".to_owned()])])
    };
    let quote = &view.quote;
    let body = Object::new()
        .raw("bids", level(quote.bid, quote.bid_size))
        .raw("asks", level(quote.ask, quote.ask_size))
        .raw("sequence", view.stats.sequence)
        .raw("auction_mode", false)
        .raw("auction", "null")
        .str("time", rfc3339(core.now_ns()));
    Response::json(body.end())
}

/// Newest first; the headers hold the page's first and last id.
fn trades(core: &Core, request: &Request, view: &View) -> Response {
    let number = |name| request.param(name).map(str::parse::<u64>).transpose();
    let (Ok(after), Ok(before), Ok(limit)) = (number("after"), number("before"), number("limit"))
    else {
        return error(400, "Invalid pagination parameter");
    };
    let ledger = core.rest_trades(&view.info.native);
    let limit = usize::try_from(limit.unwrap_or(1000).clamp(1, 1000)).unwrap_or(1000);
    let page: Vec<&Trade> = ledger
        .iter()
        .rev()
        .filter(|trade| after.is_none_or(|id| trade.id < id))
        .filter(|trade| before.is_none_or(|id| trade.id > id))
        .take(limit)
        .collect();
    let response = Response::json(array(page.iter().map(|trade| row(trade))));
    match (page.first(), page.last()) {
        (Some(newest), Some(oldest)) => response
            .with("cb-before", newest.id)
            .with("cb-after", oldest.id),
        _ => response,
    }
}

/// `side` is the maker's; prices and sizes have at least 8 decimals here.
fn row(trade: &Trade) -> String {
    Object::new()
        .raw("trade_id", trade.id)
        .str("side", trade.side.opposite().word())
        .str("size", trade.size.pad(8))
        .str("price", trade.price.pad(8))
        .str("time", rfc3339(trade.time_ns))
        .end()
}
