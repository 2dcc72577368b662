//! Binance WebSocket streams.
use super::{DAY_MS, buyer_is_maker, klines};
use crate::sim::{
    core::{Core, Event},
    faults::Stream as Data,
    http::Request,
    json::{Object, array, quoted},
    market::{Info, Trade, View},
    session::Ctx,
};
use serde_json::Value;

/// Streams per connection.
const MAX_STREAMS: usize = 1024;
const METHODS: [&str; 5] = [
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST_SUBSCRIPTIONS",
    "SET_PROPERTY",
    "GET_PROPERTY",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Trade,
    Ticker,
    BookTicker,
    Kline,
    /// Acknowledged and silent: another stream type, or a symbol that does not exist.
    Unknown,
}

struct Stream {
    name: String,
    /// Upper case.
    symbol: String,
    kind: Kind,
    /// Trades up to this id happened before the subscription.
    after: u64,
    /// What a stream of candles is at.
    line: Option<klines::Line>,
}

pub(in crate::sim) struct Session {
    combined: bool,
    streams: Vec<Stream>,
}

impl Session {
    /// `None` for a path that is no stream endpoint.
    pub fn open(core: &Core, request: &Request) -> Option<Self> {
        let path = request.path.trim_end_matches('/');
        let combined = path == "/stream";
        let names = match path {
            "/stream" => request.param("streams").unwrap_or(""),
            "/ws" => "",
            _ => path.strip_prefix("/ws/")?,
        };
        let mut session = Self {
            combined,
            streams: Vec::new(),
        };
        for name in names.split('/').filter(|name| !name.is_empty()) {
            session.add(core, name);
        }
        Some(session)
    }

    fn add(&mut self, core: &Core, name: &str) {
        if self.streams.iter().any(|stream| stream.name == name) {
            return;
        }
        let (lower, kind) = name.split_once('@').unwrap_or((name, ""));
        let symbol = lower.to_uppercase();
        // an upper-case name is a valid stream of a symbol that does not exist
        let view = core.view(&symbol).filter(|_| symbol != lower);
        let interval = kind.strip_prefix("kline_").and_then(klines::grid);
        let grid = interval.filter(|_| view.is_some());
        let kind = match (kind, &view) {
            _ if grid.is_some() => Kind::Kline,
            ("trade", Some(_)) => Kind::Trade,
            ("ticker", Some(_)) => Kind::Ticker,
            ("bookTicker", Some(_)) => Kind::BookTicker,
            _ => Kind::Unknown,
        };
        let after = view.map_or(0, |view| view.last_id());
        self.streams.push(Stream {
            name: name.to_owned(),
            symbol,
            kind,
            after,
            line: grid.map(|grid| klines::Line::new(grid, core.now_ns())),
        });
    }

    pub fn on_text(&mut self, text: &str, ctx: &mut Ctx<'_>) {
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            ctx.ack(error(3, "Invalid JSON", "null"));
            return;
        };
        let id = message
            .get("id")
            .map_or_else(|| "null".to_owned(), Value::to_string);
        let params = message
            .get("params")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let reply = match message.get("method").and_then(Value::as_str) {
            Some("SUBSCRIBE") => {
                ctx.core.counters().subscribes += 1;
                self.subscribe(&params, ctx)
            }
            Some("UNSUBSCRIBE") => {
                self.streams
                    .retain(|stream| !params.iter().any(|name| *name == stream.name));
                Ok("null".to_owned())
            }
            Some("LIST_SUBSCRIPTIONS") => Ok(array(
                self.streams.iter().map(|stream| quoted(&stream.name)),
            )),
            Some("SET_PROPERTY") => self.set_property(&params),
            Some("GET_PROPERTY") if params.first().is_some_and(|name| name == "combined") => {
                Ok(self.combined.to_string())
            }
            Some("GET_PROPERTY") => Err((0, "Unknown property".to_owned())),
            method => Err((2, unknown_method(method))),
        };
        ctx.ack(match reply {
            Ok(result) => Object::new().raw("result", result).raw("id", id).end(),
            Err((code, message)) => error(code, &message, &id),
        });
    }

    fn subscribe(&mut self, params: &[Value], ctx: &mut Ctx<'_>) -> Result<String, (i32, String)> {
        let names: Option<Vec<&str>> = params.iter().map(Value::as_str).collect();
        let names = names.filter(|names| !names.is_empty());
        let names = names.ok_or((2, "Invalid request: params is not a list".to_owned()))?;
        if self.streams.len() + names.len() > MAX_STREAMS {
            ctx.core
                .violation(format!("more than {MAX_STREAMS} streams"));
            return Err((2, "Invalid request: too many parameters".to_owned()));
        }
        let refused = names.iter().any(|name| {
            let symbol = name.split('@').next().unwrap_or_default().to_uppercase();
            ctx.core
                .view(&symbol)
                .is_some_and(|view| ctx.refused(&view.info))
        });
        if refused {
            return Err((2, "Invalid request: invalid stream".to_owned()));
        }
        for name in names {
            let symbol = name.split('@').next().unwrap_or_default().to_uppercase();
            if let Some(view) = ctx.core.view(&symbol) {
                ctx.revive(&view.info);
            }
            self.add(ctx.core, name);
        }
        Ok("null".to_owned())
    }

    fn set_property(&mut self, params: &[Value]) -> Result<String, (i32, String)> {
        if params.first().is_none_or(|name| name != "combined") {
            return Err((0, "Unknown property".to_owned()));
        }
        let value = params.get(1).and_then(Value::as_bool);
        let Some(combined) = value else {
            return Err((1, "Invalid value type: expected Boolean".to_owned()));
        };
        self.combined = combined;
        Ok("null".to_owned())
    }

    /// When the next candle ends.
    pub fn due_ns(&self) -> Option<i64> {
        let lines = self.streams.iter().filter_map(|s| s.line.as_ref());
        lines.map(klines::Line::due_ns).min()
    }

    /// Tells the candles that have ended.
    pub fn on_clock(&mut self, ctx: &mut Ctx<'_>) {
        self.tell_candles(ctx, klines::Line::ended);
    }

    fn tell_candles<T: IntoIterator<Item = String>>(
        &mut self,
        ctx: &mut Ctx<'_>,
        read: impl Fn(&mut klines::Line, &str, &Ctx<'_>) -> T,
    ) {
        let mut messages = Vec::new();
        for stream in &mut self.streams {
            let Some(line) = &mut stream.line else {
                continue;
            };
            let told = read(line, &stream.symbol, ctx).into_iter();
            messages.extend(told.map(|message| (stream.name.clone(), message)));
        }
        for (name, message) in messages {
            self.send(&name, message, ctx);
        }
    }

    pub fn on_event(&mut self, event: &Event, ctx: &mut Ctx<'_>) {
        let info = &event.view.info;
        for stream in self
            .streams
            .iter()
            .filter(|stream| stream.symbol == info.native)
        {
            match stream.kind {
                Kind::Trade if !ctx.mutes(info, Data::Trades) => {
                    let now = ctx.core.now_ns();
                    for tick in ctx.out.mangle(ctx.core, info, &event.ticks) {
                        if tick.trade.id > stream.after {
                            let payload = trade(info, &tick.trade, now);
                            self.send(&stream.name, payload, ctx);
                        }
                    }
                }
                Kind::BookTicker if !ctx.mutes(info, Data::Ticker) => {
                    self.send(&stream.name, book_ticker(&event.view), ctx);
                }
                _ => {}
            }
        }
    }

    pub fn on_second(&mut self, second: u64, ctx: &mut Ctx<'_>) {
        self.on_clock(ctx);
        self.tell_candles(ctx, |line, symbol, ctx| line.changed(symbol, second, ctx));
        for stream in self
            .streams
            .iter()
            .filter(|stream| stream.kind == Kind::Ticker)
        {
            let Some(view) = ctx.core.view(&stream.symbol) else {
                continue;
            };
            if !ctx.muted(&view.info) && !ctx.mutes(&view.info, Data::Ticker) {
                self.send(&stream.name, ticker(&view, ctx.core.now_ns()), ctx);
            }
        }
    }

    pub fn on_shutdown(&mut self, ctx: &mut Ctx<'_>) {
        let now = ctx.core.now_ns() / 1_000_000;
        let notice = Object::new().str("e", "serverShutdown").raw("E", now).end();
        ctx.out.plain(self.wrap("!serverShutdown", notice));
    }

    fn send(&self, name: &str, payload: String, ctx: &mut Ctx<'_>) {
        ctx.data(self.wrap(name, payload));
    }

    fn wrap(&self, name: &str, payload: String) -> String {
        if self.combined {
            Object::new().str("stream", name).raw("data", payload).end()
        } else {
            payload
        }
    }
}

fn unknown_method(method: Option<&str>) -> String {
    let method = method.unwrap_or_default();
    let known = METHODS.map(|name| format!("`{name}`")).join(", ");
    format!("Invalid request: unknown variant `{method}`, expected one of {known}")
}

/// Both forms exist: code 2 has been seen nested, the documentation shows the flat one.
fn error(code: i32, message: &str, id: &str) -> String {
    let error = Object::new().raw("code", code).str("msg", message);
    if code == 2 {
        Object::new().raw("error", error.end()).raw("id", id).end()
    } else {
        error.raw("id", id).end()
    }
}

fn trade(info: &Info, trade: &Trade, now_ns: i64) -> String {
    let time = trade.time_ns / 1_000_000;
    Object::new()
        .str("e", "trade")
        .raw("E", (now_ns / 1_000_000).max(time))
        .str("s", &info.native)
        .raw("t", trade.id)
        .str("p", trade.price)
        .str("q", trade.size)
        .raw("T", time)
        .raw("m", buyer_is_maker(trade.side))
        .raw("M", true)
        .end()
}

fn book_ticker(view: &View) -> String {
    let quote = view.quote;
    Object::new()
        .raw("u", quote.book_id)
        .str("s", &view.info.native)
        .str("b", quote.bid)
        .str("B", quote.bid_size)
        .str("a", quote.ask)
        .str("A", quote.ask_size)
        .end()
}

fn ticker(view: &View, now_ns: i64) -> String {
    let (quote, stats, now) = (view.quote, view.stats, now_ns / 1_000_000);
    let size = view
        .last
        .map_or_else(|| "0.00000000".to_owned(), |t| t.size.to_string());
    let (first, last) = match view.last {
        Some(trade) => (stats.first_id.to_string(), trade.id.to_string()),
        None => ("-1".to_owned(), "-1".to_owned()),
    };
    Object::new()
        .str("e", "24hrTicker")
        .raw("E", now)
        .str("s", &view.info.native)
        .str("p", stats.change())
        .str("P", stats.change_percent(3))
        .str("w", stats.vwap(8))
        .str("x", stats.open)
        .str("c", stats.last)
        .str("Q", size)
        .str("b", quote.bid)
        .str("B", quote.bid_size)
        .str("a", quote.ask)
        .str("A", quote.ask_size)
        .str("o", stats.open)
        .str("h", stats.high)
        .str("l", stats.low)
        .str("v", stats.volume.rescale(8))
        .str("q", stats.quote_volume.rescale(8))
        .raw("O", now - DAY_MS)
        .raw("C", now)
        .raw("F", first)
        .raw("L", last)
        .raw("n", stats.count)
        .end()
}
