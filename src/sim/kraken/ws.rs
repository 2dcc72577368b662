//! Kraken WebSocket v2.
use super::{listed, ohlc};
use crate::sim::{
    bars::Grid,
    core::{Event, lock},
    faults::Stream,
    json::{Object, array, quoted},
    market::{Info, Quote, Stats, Tick, View},
    session::Ctx,
    time::rfc3339,
};
use serde_json::Value;

/// Trades in a snapshot.
const SNAPSHOT: usize = 50;
const OHLC_WARNINGS: &str = "[\"timestamp is deprecated, use interval_begin\"]";
/// Trades of one burst that share a message.
const TRADES_PER_MESSAGE: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Channel {
    Trade,
    /// On every trade.
    Ticker,
    /// On every change of the best bid or ask.
    TickerBbo,
    Ohlc(Grid),
}

impl Channel {
    fn stream(self) -> Stream {
        match self {
            Self::Trade => Stream::Trades,
            Self::Ticker | Self::TickerBbo => Stream::Ticker,
            Self::Ohlc(_) => Stream::Candles,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Trade => "trade",
            Self::Ticker | Self::TickerBbo => "ticker",
            Self::Ohlc(_) => "ohlc",
        }
    }

    /// Whether one takes the other's place: tickers do whatever their trigger, candles only of the same length.
    fn is_same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Ohlc(_), Self::Ohlc(_)) => self == other,
            _ => self.name() == other.name(),
        }
    }
}

struct Subscription {
    channel: Channel,
    symbol: String,
    /// Trades up to this id happened before the subscription.
    after: u64,
    /// What a stream of candles is at.
    line: Option<ohlc::Line>,
}

#[derive(Default)]
pub(in crate::sim) struct Session {
    subscriptions: Vec<Subscription>,
}

/// A subscribe or unsubscribe message.
struct Call<'a> {
    method: &'a str,
    channel: Channel,
    snapshot: bool,
    req_id: Option<String>,
    time_in: String,
}

impl Session {
    /// The status, which comes at the beginning and whenever it changes.
    pub fn on_open(&mut self, ctx: &mut Ctx<'_>) {
        let system = lock(&ctx.core.system).clone();
        // the id needs all 64 bits: clients must not read it as a float
        let connection_id = 13_000_000_000_000_000_001 + ctx.core.open_sockets() as u64;
        let status = Object::new()
            .str("version", "2.0.10")
            .str("system", system)
            .str("api_version", "v2")
            .raw("connection_id", connection_id)
            .raw("upcoming_maintenance", "[]")
            .raw("emergency", "[]");
        ctx.out
            .plain(envelope("status", "update", array([status.end()])));
    }

    pub fn on_text(&mut self, text: &str, ctx: &mut Ctx<'_>) {
        let time_in = rfc3339(ctx.core.now_ns());
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            ctx.ack(refusal("Malformed request", "", None, None, &time_in, ctx));
            return;
        };
        let req_id = message.get("req_id").map(Value::to_string);
        match message.get("method").and_then(Value::as_str) {
            Some("ping") => {
                let time_out = rfc3339(ctx.core.now_ns());
                let pong = Object::new()
                    .str("method", "pong")
                    .maybe_raw("req_id", req_id)
                    .str("time_in", time_in)
                    .str("time_out", time_out);
                ctx.out.plain(pong.end());
            }
            Some(method @ ("subscribe" | "unsubscribe")) => {
                if method == "subscribe" {
                    ctx.core.counters().subscribes += 1;
                }
                let params = message.get("params").cloned().unwrap_or_default();
                match channel(&params) {
                    Ok(channel) => {
                        let snapshot = params.get("snapshot").and_then(Value::as_bool);
                        // the trade default differs between documents: the newer one
                        let snapshot = snapshot.unwrap_or(channel != Channel::Trade);
                        let call = Call {
                            method,
                            channel,
                            snapshot,
                            req_id,
                            time_in,
                        };
                        self.on_call(&call, &params, ctx);
                    }
                    Err(error) => ctx.ack(refusal(error, method, req_id, None, &time_in, ctx)),
                }
            }
            _ => ctx.ack(refusal(
                "Unsupported method",
                "",
                req_id,
                None,
                &time_in,
                ctx,
            )),
        }
    }

    /// One acknowledgement per symbol, and the good symbols succeed whatever the bad ones do.
    fn on_call(&mut self, call: &Call<'_>, params: &Value, ctx: &mut Ctx<'_>) {
        let symbols = params.get("symbol").and_then(Value::as_array);
        let symbols: Vec<&str> = symbols
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let refuse = |error: &str, symbol, ctx: &Ctx<'_>| {
            refusal(
                error,
                call.method,
                call.req_id.clone(),
                symbol,
                &call.time_in,
                ctx,
            )
        };
        if symbols.is_empty() {
            ctx.ack(refuse("Symbol(s) missing", None, ctx));
        }
        for symbol in symbols {
            let view = listed(ctx.core)
                .into_iter()
                .find(|view| view.info.native == symbol);
            let Some(view) = view.filter(|view| !ctx.refused(&view.info)) else {
                let error = format!("Currency pair not supported {symbol}");
                ctx.ack(refuse(&error, Some(symbol), ctx));
                continue;
            };
            let done = if call.method == "subscribe" {
                self.subscribe(call, &view, ctx)
            } else {
                self.unsubscribe(call, symbol, ctx)
            };
            if let Err(error) = done {
                ctx.ack(refuse(error, Some(symbol), ctx));
            }
        }
    }

    fn subscribe(
        &mut self,
        call: &Call<'_>,
        view: &View,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), &'static str> {
        let symbol = &view.info.native;
        if self.position(call.channel, symbol).is_some() {
            return Err("Already subscribed");
        }
        ctx.revive(&view.info);
        let after = view.last_id();
        let subscription = Subscription {
            channel: call.channel,
            symbol: symbol.clone(),
            after,
            line: match call.channel {
                Channel::Ohlc(grid) => Some(ohlc::Line::new(grid)),
                _ => None,
            },
        };
        self.subscriptions.push(subscription);
        ctx.ack(acceptance(call, symbol, ctx));
        let silent = ctx.muted(&view.info) || ctx.mutes(&view.info, call.channel.stream());
        if !call.snapshot || silent {
            return Ok(());
        }
        match call.channel {
            Channel::Trade => {
                let trades = ctx.core.trades(symbol);
                // what came since the view was taken arrives as updates
                let until = trades.partition_point(|trade| trade.id <= after);
                let recent = &trades[until.saturating_sub(SNAPSHOT)..until];
                let rows = array(recent.iter().map(|trade| trade_row(&view.info, trade)));
                ctx.data(envelope("trade", "snapshot", rows));
            }
            Channel::Ticker | Channel::TickerBbo => {
                let row = ticker_row(&view.info, &view.quote, &view.stats, ctx.core.now_ns());
                ctx.data(envelope("ticker", "snapshot", array([row])));
            }
            Channel::Ohlc(grid) => {
                let snapshot = ohlc::Line::new(grid).snapshot(ctx.core, symbol, after);
                ctx.data(snapshot);
            }
        }
        Ok(())
    }

    fn unsubscribe(
        &mut self,
        call: &Call<'_>,
        symbol: &str,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), &'static str> {
        let found = self
            .position(call.channel, symbol)
            .ok_or("Subscription not found")?;
        self.subscriptions.remove(found);
        ctx.ack(acceptance(call, symbol, ctx));
        Ok(())
    }

    /// The subscription of a symbol to a channel, whatever its trigger.
    fn position(&self, channel: Channel, symbol: &str) -> Option<usize> {
        self.subscriptions
            .iter()
            .position(|s| s.channel.is_same(channel) && s.symbol == symbol)
    }

    pub fn on_event(&mut self, event: &Event, ctx: &mut Ctx<'_>) {
        let info = &event.view.info;
        for subscription in self
            .subscriptions
            .iter_mut()
            .filter(|s| s.symbol == info.native)
        {
            if ctx.mutes(info, subscription.channel.stream()) {
                continue;
            }
            let after = subscription.after;
            let fresh = |tick: &&Tick| tick.trade.id > after;
            match subscription.channel {
                Channel::Trade => {
                    let ticks = ctx.out.mangle(ctx.core, info, &event.ticks);
                    let ticks: Vec<&Tick> = ticks.iter().filter(fresh).collect();
                    for chunk in ticks.chunks(TRADES_PER_MESSAGE) {
                        let rows = array(chunk.iter().map(|tick| trade_row(info, &tick.trade)));
                        ctx.data(envelope("trade", "update", rows));
                    }
                }
                Channel::Ticker => {
                    for tick in event.ticks.iter().filter(fresh) {
                        let row = ticker_row(info, &tick.quote, &tick.stats, tick.trade.time_ns);
                        ctx.data(envelope("ticker", "update", array([row])));
                    }
                }
                Channel::TickerBbo => {
                    let (view, now) = (&event.view, ctx.core.now_ns());
                    let row = ticker_row(info, &view.quote, &view.stats, now);
                    ctx.data(envelope("ticker", "update", array([row])));
                }
                Channel::Ohlc(_) => {
                    let ticks: Vec<&Tick> = event.ticks.iter().filter(fresh).collect();
                    let line = subscription.line.as_mut();
                    let update = line.and_then(|line| line.update(ctx.core, info, &ticks));
                    if let Some(update) = update {
                        ctx.data(update);
                    }
                }
            }
        }
    }

    pub fn on_second(&mut self, ctx: &mut Ctx<'_>) {
        if !ctx.out.spoke && !self.subscriptions.is_empty() {
            ctx.out.plain("{\"channel\":\"heartbeat\"}".to_owned());
        }
    }
}

fn channel(params: &Value) -> Result<Channel, &'static str> {
    let trigger = params
        .get("event_trigger")
        .and_then(Value::as_str)
        .unwrap_or("trades");
    match (params.get("channel").and_then(Value::as_str), trigger) {
        (Some("trade"), _) => Ok(Channel::Trade),
        (Some("ticker"), "trades") => Ok(Channel::Ticker),
        (Some("ticker"), "bbo") => Ok(Channel::TickerBbo),
        (Some("ticker"), _) => Err("Event trigger not supported"),
        (Some("ohlc"), _) => {
            let minutes = params.get("interval").map_or(Some(1), Value::as_i64);
            let grid = minutes.and_then(ohlc::grid);
            grid.map(Channel::Ohlc).ok_or("Interval not supported")
        }
        _ => Err("Channel not supported"),
    }
}

fn acceptance(call: &Call<'_>, symbol: &str, ctx: &Ctx<'_>) -> String {
    let trigger = match call.channel {
        Channel::Trade | Channel::Ohlc(_) => None,
        Channel::Ticker => Some("\"trades\""),
        Channel::TickerBbo => Some("\"bbo\""),
    };
    let (interval, warnings) = match call.channel {
        Channel::Ohlc(grid) => (Some(grid.step / 60), Some(OHLC_WARNINGS)),
        _ => (None, None),
    };
    let subscribing = call.method == "subscribe";
    let result = Object::new()
        .str("channel", call.channel.name())
        .maybe_raw("event_trigger", trigger)
        .maybe_raw("interval", interval)
        .maybe_raw("snapshot", subscribing.then_some(call.snapshot))
        .str("symbol", symbol)
        .maybe_raw("warnings", warnings.filter(|_| subscribing));
    Object::new()
        .str("method", call.method)
        .raw("result", result.end())
        .raw("success", true)
        .str("time_in", &call.time_in)
        .str("time_out", rfc3339(ctx.core.now_ns()))
        .maybe_raw("req_id", call.req_id.as_ref())
        .end()
}

fn refusal(
    error: &str,
    method: &str,
    req_id: Option<String>,
    symbol: Option<&str>,
    time_in: &str,
    ctx: &Ctx<'_>,
) -> String {
    let method = (!method.is_empty()).then(|| quoted(method));
    Object::new()
        .str("error", error)
        .maybe_raw("method", method)
        .maybe_raw("req_id", req_id)
        .raw("success", false)
        .maybe_raw("symbol", symbol.map(quoted))
        .str("time_in", time_in)
        .str("time_out", rfc3339(ctx.core.now_ns()))
        .end()
}

fn envelope(channel: &str, kind: &str, data: String) -> String {
    Object::new()
        .str("channel", channel)
        .str("type", kind)
        .raw("data", data)
        .end()
}

/// Numbers are bare, with all their zeros.
fn trade_row(info: &Info, trade: &crate::sim::market::Trade) -> String {
    Object::new()
        .str("symbol", &info.native)
        .str("side", trade.side.word())
        .raw("price", trade.price)
        .raw("qty", trade.size_number())
        .str(
            "ord_type",
            if trade.id.is_multiple_of(3) {
                "market"
            } else {
                "limit"
            },
        )
        .raw("trade_id", trade.id)
        .str("timestamp", rfc3339(trade.time_ns))
        .end()
}

fn ticker_row(info: &Info, quote: &Quote, stats: &Stats, time_ns: i64) -> String {
    Object::new()
        .str("symbol", &info.native)
        .raw("bid", quote.bid)
        .raw("bid_qty", quote.bid_size)
        .raw("ask", quote.ask)
        .raw("ask_qty", quote.ask_size)
        .raw("last", stats.last)
        .raw("volume", stats.volume.rescale(8))
        .raw("vwap", stats.vwap(info.price_decimals))
        .raw("low", stats.low)
        .raw("high", stats.high)
        .raw("change", stats.change())
        .raw("change_pct", stats.change_percent(2))
        .raw("trades", stats.count)
        .str("timestamp", rfc3339(time_ns))
        .end()
}
