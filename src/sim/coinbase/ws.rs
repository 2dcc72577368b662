//! The public Coinbase Exchange feed.
use crate::sim::{
    config::Status,
    core::Event,
    faults::Stream,
    json::{Object, array, quoted},
    market::{Info, Quote, Stats, Trade},
    session::Ctx,
    time::rfc3339,
};
use serde_json::Value;

/// Venue seconds until a socket without a subscribe message is closed.
const SUBSCRIBE_WITHIN: u64 = 5;
/// Venue seconds between messages of `ticker_batch`.
const BATCH_SECONDS: u64 = 5;
const PUBLIC: [&str; 7] = [
    "heartbeat",
    "status",
    "ticker",
    "ticker_batch",
    "matches",
    "level2_batch",
    "auction",
];
const PRIVATE: [&str; 4] = ["level2", "level3", "full", "user"];

/// One product on one channel.
struct Subscription {
    channel: &'static str,
    product: String,
    /// Trades up to this id happened before the subscription.
    after: u64,
    /// Last trade a `ticker_batch` described.
    batched: u64,
}

#[derive(Default)]
pub(in crate::sim) struct Session {
    subscriptions: Vec<Subscription>,
    subscribed_once: bool,
}

impl Session {
    pub fn on_text(&mut self, text: &str, ctx: &mut Ctx<'_>) {
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            ctx.ack(error("Malformed JSON", ""));
            return;
        };
        match message.get("type").and_then(Value::as_str) {
            Some("subscribe") => {
                ctx.core.counters().subscribes += 1;
                self.subscribed_once = true;
                self.subscribe(&message, ctx);
            }
            Some("unsubscribe") => self.unsubscribe(&message, ctx),
            _ => ctx.ack(error("Type has to be either subscribe or unsubscribe", "")),
        }
    }

    fn subscribe(&mut self, message: &Value, ctx: &mut Ctx<'_>) {
        // one bad product or channel fails the whole request
        let added = match wanted(message).and_then(|pairs| self.check(pairs, ctx)) {
            Ok(added) => added,
            Err(reason) => {
                ctx.ack(error("Failed to subscribe", &reason));
                return;
            }
        };
        let first_new = self.subscriptions.len();
        self.subscriptions.extend(added);
        ctx.ack(self.echo());
        for subscription in &self.subscriptions[first_new..] {
            greet(subscription, ctx);
        }
    }

    /// The subscriptions a request adds.
    fn check(
        &self,
        pairs: Vec<(&'static str, Vec<String>)>,
        ctx: &Ctx<'_>,
    ) -> Result<Vec<Subscription>, String> {
        let mut added: Vec<Subscription> = Vec::new();
        for (channel, products) in pairs {
            if products.is_empty() && channel != "status" {
                return Err(format!(
                    "You need to specify at least one product ID for channel {channel}"
                ));
            }
            for product in products {
                let view = ctx
                    .core
                    .view(&product)
                    .filter(|view| !ctx.refused(&view.info));
                let view = view.ok_or_else(|| format!("{product} is not a valid product"))?;
                if view.status == Status::Delisted {
                    return Err(format!("{product} is delisted"));
                }
                let known = self.subscriptions.iter().chain(&added);
                if known
                    .into_iter()
                    .any(|s| s.channel == channel && s.product == product)
                {
                    continue;
                }
                ctx.revive(&view.info);
                let after = view.last_id();
                added.push(Subscription {
                    channel,
                    product,
                    after,
                    batched: after,
                });
            }
        }
        Ok(added)
    }

    fn unsubscribe(&mut self, message: &Value, ctx: &mut Ctx<'_>) {
        match wanted(message) {
            Ok(pairs) => {
                self.subscriptions.retain(|subscription| {
                    // without products the whole channel goes
                    !pairs.iter().any(|(channel, products)| {
                        *channel == subscription.channel
                            && (products.is_empty() || products.contains(&subscription.product))
                    })
                });
                ctx.ack(self.echo());
            }
            Err(reason) => ctx.ack(error("Failed to unsubscribe", &reason)),
        }
    }

    /// The complete set, products newest first: their order means nothing.
    fn echo(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for subscription in &self.subscriptions {
            if !names.contains(&subscription.channel) {
                names.push(subscription.channel);
            }
        }
        let channels = names.into_iter().map(|name| {
            let own = self
                .subscriptions
                .iter()
                .rev()
                .filter(|s| s.channel == name);
            let products = array(own.map(|s| quoted(&s.product)));
            let shown = match name {
                "level2_batch" => "level2_50",
                "ticker_batch" => "ticker_1000",
                other => other,
            };
            Object::new()
                .str("name", shown)
                .raw("product_ids", products)
                .raw("account_ids", "null")
                .end()
        });
        Object::new()
            .str("type", "subscriptions")
            .raw("channels", array(channels))
            .end()
    }

    pub fn on_event(&mut self, event: &Event, ctx: &mut Ctx<'_>) {
        let info = &event.view.info;
        let own = |s: &&Subscription| s.product == info.native;
        for subscription in self.subscriptions.iter().filter(own) {
            match subscription.channel {
                "ticker" if !ctx.mutes(info, Stream::Ticker) => {
                    for tick in event
                        .ticks
                        .iter()
                        .filter(|t| t.trade.id > subscription.after)
                    {
                        ctx.data(ticker(info, Some(&tick.trade), &tick.quote, &tick.stats));
                    }
                }
                "matches" if !ctx.mutes(info, Stream::Trades) => {
                    for tick in ctx.out.mangle(ctx.core, info, &event.ticks) {
                        if tick.trade.id > subscription.after {
                            ctx.data(matched("match", info, &tick.trade));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    pub fn on_second(&mut self, second: u64, ctx: &mut Ctx<'_>) {
        if second >= SUBSCRIBE_WITHIN && !self.subscribed_once {
            ctx.core
                .violation(format!("no subscribe within {SUBSCRIBE_WITHIN} s"));
            ctx.out.close(1000, "");
            return;
        }
        let now = ctx.core.now_ns();
        for subscription in &mut self.subscriptions {
            let Some(view) = ctx.core.view(&subscription.product) else {
                continue;
            };
            if ctx.muted(&view.info) {
                continue;
            }
            if subscription.channel == "heartbeat" {
                let beat = Object::new()
                    .str("type", "heartbeat")
                    .raw("last_trade_id", view.last_id())
                    .str("product_id", &view.info.native)
                    .raw("sequence", view.stats.sequence)
                    .str("time", rfc3339(now - now.rem_euclid(1_000_000_000)));
                ctx.out.plain(beat.end());
            }
            let due =
                subscription.channel == "ticker_batch" && second.is_multiple_of(BATCH_SECONDS);
            if due
                && subscription.batched < view.last_id()
                && !ctx.mutes(&view.info, Stream::Ticker)
            {
                subscription.batched = view.last_id();
                ctx.data(ticker(
                    &view.info,
                    view.last.as_ref(),
                    &view.quote,
                    &view.stats,
                ));
            }
        }
    }
}

/// What a new subscription is told at once: the last trade.
fn greet(subscription: &Subscription, ctx: &mut Ctx<'_>) {
    let Some(view) = ctx.core.view(&subscription.product) else {
        return;
    };
    if ctx.muted(&view.info) {
        return;
    }
    match (subscription.channel, &view.last) {
        ("matches", _) if ctx.mutes(&view.info, Stream::Trades) => {}
        ("ticker" | "ticker_batch", _) if ctx.mutes(&view.info, Stream::Ticker) => {}
        ("ticker" | "ticker_batch", last) => {
            ctx.data(ticker(&view.info, last.as_ref(), &view.quote, &view.stats));
        }
        ("matches", Some(last)) => ctx.data(matched("last_match", &view.info, last)),
        _ => {}
    }
}

/// The channels of a request with all their products.
///
/// Products at the root belong to every channel; a channel's own are added to them.
fn wanted(message: &Value) -> Result<Vec<(&'static str, Vec<String>)>, String> {
    let products = |value: &Value| -> Vec<String> {
        let list = value.get("product_ids").and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    };
    let root = products(message);
    let channels = message.get("channels").and_then(Value::as_array);
    let mut pairs = Vec::new();
    for channel in channels.into_iter().flatten() {
        let name = channel
            .as_str()
            .or_else(|| channel.get("name").and_then(Value::as_str));
        let name = name.unwrap_or_default();
        if PRIVATE.contains(&name) {
            return Err("level2, level3, and full channels now require authentication.".to_owned());
        }
        let known = PUBLIC.iter().find(|known| **known == name);
        let known = *known.ok_or_else(|| format!("{name} is not a valid channel"))?;
        let mut all = root.clone();
        all.extend(products(channel));
        pairs.push((known, all));
    }
    if pairs.is_empty() {
        return Err("No channels provided".to_owned());
    }
    Ok(pairs)
}

fn error(message: &str, reason: &str) -> String {
    let error = Object::new().str("type", "error").str("message", message);
    if reason.is_empty() {
        error.end()
    } else {
        error.str("reason", reason).end()
    }
}

/// `side` is the maker's.
fn matched(kind: &str, info: &Info, trade: &Trade) -> String {
    Object::new()
        .str("type", kind)
        .raw("trade_id", trade.id)
        .str("maker_order_id", order_id(trade.id * 2))
        .str("taker_order_id", order_id(trade.id * 2 + 1))
        .str("side", trade.side.opposite().word())
        .str("size", trade.size)
        .str("price", trade.price)
        .str("product_id", &info.native)
        .raw("sequence", trade.sequence)
        .str("time", rfc3339(trade.time_ns))
        .end()
}

fn order_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// `side` is the taker's; the price comes without zeros at the end, the quotes with them.
fn ticker(info: &Info, last: Option<&Trade>, quote: &Quote, stats: &Stats) -> String {
    let object = Object::new()
        .str("type", "ticker")
        .raw("sequence", stats.sequence)
        .str("product_id", &info.native)
        .str("price", stats.last.trim())
        .str("open_24h", stats.open.trim())
        .str("volume_24h", stats.volume.rescale(8))
        .str("low_24h", stats.low.trim())
        .str("high_24h", stats.high.trim())
        .str("volume_30d", stats.volume.rescale(8))
        .str("best_bid", quote.bid)
        .str("best_bid_size", quote.bid_size)
        .str("best_ask", quote.ask)
        .str("best_ask_size", quote.ask_size);
    match last {
        Some(trade) => object
            .str("side", trade.side.word())
            .str("time", rfc3339(trade.time_ns))
            .raw("trade_id", trade.id)
            .str("last_size", trade.size)
            .end(),
        None => object.end(),
    }
}
