//! Recorded traffic of the exchanges, where there is some at hand: `TICKWIRE_CAPTURES` names a folder with
//! JSON Lines of `{"exchange":…,"kind":"ws"|"http","dir":"in"|"out","url":…,"frame":…}` anywhere below it.
//!
//! Every frame must be read or be passed over on purpose, and what is read is compared, digit by digit,
//! with what the same frame says when it is taken apart without tickwire.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use tickwire::exchange::binance::Binance;
use tickwire::exchange::coinbase::Coinbase;
use tickwire::exchange::kraken::Kraken;
use tickwire::exchange::{Adapter, Frame, Output, Protocol};
use tickwire::feed::{Topic, Traits};
use tickwire::model::{
    Candle, Event, Instrument, Interval, Stream, Ticker, Timestamp, Trade, parse_decimal,
};
use tickwire::symbols::Catalogue;

const NOW: Timestamp = Timestamp::from_nanos(1_790_000_000_000_000_000);

#[derive(Deserialize)]
struct Record {
    exchange: String,
    kind: String,
    dir: String,
    url: Option<String>,
    frame: String,
}

type Object = BTreeMap<String, Box<RawValue>>;

fn object(json: &str) -> Object {
    serde_json::from_str(json).unwrap_or_default()
}

/// The text of a member, without quotes; empty where there is none.
fn text<'a>(object: &'a Object, key: &str) -> &'a str {
    let raw = object.get(key).map_or("", |raw| raw.get());
    raw.trim_matches('"')
}

fn list(json: &str) -> Vec<Box<RawValue>> {
    serde_json::from_str(json).unwrap_or_default()
}

fn adapter(exchange: &str) -> Box<dyn Adapter> {
    match exchange {
        "binance" => Box::new(Binance),
        "coinbase" => Box::new(Coinbase),
        "kraken" => Box::new(Kraken),
        other => panic!("no adapter for {other}"),
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("the folder of captures can be read");
    for entry in entries {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "jsonl") {
            found.push(path);
        }
    }
}

/// All records, or `None` (said aloud) where none are at hand.
fn records() -> Option<Vec<Record>> {
    let Some(folder) = std::env::var_os("TICKWIRE_CAPTURES").filter(|f| !f.is_empty()) else {
        // Past the test harness, which keeps back what passing tests print.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: TICKWIRE_CAPTURES names no folder of recorded traffic"
        );
        return None;
    };
    let mut found = Vec::new();
    files(Path::new(&folder), &mut found);
    found.sort();
    assert!(!found.is_empty(), "no captures in {folder:?}");
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("a capture can be read");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a record"))
            .collect::<Vec<Record>>()
    };
    Some(found.iter().flat_map(read).collect())
}

/// An instrument of this name, made up from the name alone.
fn instrument(exchange: &str, name: &str) -> Arc<Instrument> {
    let (base, quote) = name
        .split_once(['-', '/'])
        .unwrap_or_else(|| name.split_at(name.len().saturating_sub(4)));
    let mut instrument = Instrument::new(adapter(exchange).exchange(), base, quote, name);
    if exchange == "binance" {
        instrument.ws = name.to_lowercase();
    }
    Arc::new(instrument)
}

fn subscribed(of: &Arc<Instrument>) -> Box<dyn Protocol> {
    let mut protocol = adapter(of.market.exchange().name()).protocol();
    let topics = [
        Stream::Ticker,
        Stream::Trades,
        Stream::Candles(Interval::M1),
    ];
    let topics = topics.map(|stream| Topic {
        instrument: of.clone(),
        stream,
    });
    protocol.subscribe(&topics);
    protocol
}

/// What a frame says, read without tickwire: one object per event, with keys of our own.
fn expected(exchange: &str, frame: &str) -> Vec<(&'static str, Object)> {
    let outer = object(frame);
    match exchange {
        "binance" => {
            let inner = outer.get("data").map_or(outer.clone(), |d| object(d.get()));
            match text(&inner, "e") {
                "trade" => vec![("trade", inner)],
                "24hrTicker" => vec![("ticker", inner)],
                "kline" => vec![("candle", inner)],
                _ => Vec::new(),
            }
        }
        "coinbase" => match text(&outer, "type") {
            "match" | "last_match" => vec![("trade", outer)],
            "ticker" => vec![("ticker", outer)],
            _ => Vec::new(),
        },
        _ => {
            let kind = match text(&outer, "channel") {
                "trade" => "trade",
                "ticker" => "ticker",
                "ohlc" => "candle",
                _ => return Vec::new(),
            };
            let rows = list(outer["data"].get());
            rows.iter().map(|row| (kind, object(row.get()))).collect()
        }
    }
}

fn symbol_of<'a>(exchange: &str, event: &'a Object) -> &'a str {
    match exchange {
        "binance" => text(event, "s"),
        "coinbase" => text(event, "product_id"),
        _ => text(event, "symbol"),
    }
}

/// Compares a number with its text; an exponent is compared by value.
fn same(ours: Option<String>, theirs: &str, what: &str, frame: &str) {
    let theirs = theirs.trim_matches('"');
    if matches!(theirs, "" | "null") {
        assert_eq!(ours, None, "{what}: {frame}");
    } else if theirs.contains(['e', 'E']) {
        let ours = parse_decimal(&ours.unwrap_or_default());
        assert_eq!(ours, parse_decimal(theirs), "{what}: {frame}");
    } else {
        assert_eq!(ours.as_deref(), Some(theirs), "{what}: {frame}");
    }
}

fn millis(text: &str) -> Timestamp {
    Timestamp::from_millis(text.parse().expect("milliseconds")).expect("in range")
}

fn check_trade(exchange: &str, trade: &Trade, theirs: &Object, frame: &str) {
    let [id, price, size] = match exchange {
        "binance" => ["t", "p", "q"],
        "coinbase" => ["trade_id", "price", "size"],
        _ => ["trade_id", "price", "qty"],
    };
    assert_eq!(trade.id.to_string(), text(theirs, id), "{frame}");
    same(
        Some(trade.price.to_string()),
        text(theirs, price),
        "price",
        frame,
    );
    same(
        Some(trade.size.to_string()),
        text(theirs, size),
        "size",
        frame,
    );
    let (buyer_took, time) = match exchange {
        "binance" => (text(theirs, "m") == "false", millis(text(theirs, "T"))),
        "coinbase" => (text(theirs, "side") == "sell", time(text(theirs, "time"))),
        _ => (
            text(theirs, "side") == "buy",
            time(text(theirs, "timestamp")),
        ),
    };
    assert_eq!(
        trade.side.name(),
        if buyer_took { "buy" } else { "sell" },
        "{frame}"
    );
    assert_eq!(trade.timestamp, time, "{frame}");
}

fn check_candle(exchange: &str, candle: &Candle, theirs: &Object, frame: &str) {
    let inner = theirs.get("k").map(|kline| object(kline.get()));
    let row = inner.as_ref().unwrap_or(theirs);
    let (keys, open_time) = match exchange {
        "binance" => (["o", "h", "l", "c", "v", "q", "n"], millis(text(row, "t"))),
        _ => (
            ["open", "high", "low", "close", "volume", "", "trades"],
            time(text(row, "interval_begin")),
        ),
    };
    assert_eq!(candle.open_time, open_time, "{frame}");
    assert_eq!(candle.closed, text(row, "x") == "true", "{frame}");
    assert!(candle.timestamp.is_some() && candle.complete, "{frame}");
    for (ours, key) in candle_values(candle).into_iter().zip(keys) {
        same(ours, text(row, key), key, frame);
    }
}

fn candle_values(candle: &Candle) -> [Option<String>; 7] {
    let prices = [candle.open, candle.high, candle.low, candle.close];
    let [open, high, low, close] = prices.map(|price| Some(price.to_string()));
    let volume = Some(candle.volume.to_string());
    let quote_volume = candle.quote_volume.map(|volume| volume.to_string());
    let trades = candle.trades.map(|trades| trades.to_string());
    [open, high, low, close, volume, quote_volume, trades]
}

fn time(text: &str) -> Timestamp {
    let parsed: jiff::Timestamp = text.parse().expect("a time");
    Timestamp::from_nanos(parsed.as_nanosecond() as i64)
}

fn check_ticker(ticker: &Ticker, keys: &[(&str, Option<String>)], theirs: &Object, frame: &str) {
    assert_eq!(ticker.received_at, NOW);
    for (key, ours) in keys {
        same(ours.clone(), text(theirs, key), key, frame);
    }
}

/// The fields of a ticker under the exchange's keys: price, bid, ask, their sizes, high, low, volume, and
/// what only some send.
fn ticker_keys<'a>(exchange: &str, ticker: &Ticker) -> Vec<(&'a str, Option<String>)> {
    let price = |p: Option<tickwire::model::Price>| p.map(|p| p.to_string());
    let qty = |q: Option<tickwire::model::Qty>| q.map(|q| q.to_string());
    let plain = |n: Option<tickwire::model::Decimal>| n.map(|n| n.to_string());
    let names = match exchange {
        "binance" => ["c", "b", "a", "B", "A", "h", "l", "v"],
        "coinbase" => [
            "price",
            "best_bid",
            "best_ask",
            "best_bid_size",
            "best_ask_size",
            "high_24h",
            "low_24h",
            "volume_24h",
        ],
        _ => [
            "last", "bid", "ask", "bid_qty", "ask_qty", "high", "low", "volume",
        ],
    };
    let values = [
        price(ticker.price),
        price(ticker.bid),
        price(ticker.ask),
        qty(ticker.bid_size),
        qty(ticker.ask_size),
        price(ticker.high_24h),
        price(ticker.low_24h),
        qty(ticker.volume_24h),
    ];
    let mut keys: Vec<_> = names.into_iter().zip(values).collect();
    match exchange {
        "binance" => keys.extend([
            ("o", price(ticker.open_24h)),
            ("q", qty(ticker.quote_volume_24h)),
            ("p", plain(ticker.change_24h)),
            ("P", plain(ticker.change_percent_24h)),
        ]),
        "coinbase" => keys.push(("open_24h", price(ticker.open_24h))),
        _ => keys.extend([
            ("change", plain(ticker.change_24h)),
            ("change_pct", plain(ticker.change_percent_24h)),
        ]),
    }
    keys
}

#[test]
fn every_recorded_frame_is_read_right_or_passed_over_on_purpose() {
    let Some(records) = records() else { return };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for record in records.iter().filter(|r| r.kind == "ws" && r.dir == "in") {
        let (exchange, frame) = (record.exchange.as_str(), record.frame.as_str());
        let expected = expected(exchange, frame);
        let name = expected
            .first()
            .map_or("NO-SUCH", |(_, event)| symbol_of(exchange, event));
        let instrument = instrument(exchange, name);
        let mut output = Output::default();
        let frame_in = Frame {
            text: frame,
            received_at: NOW,
        };
        subscribed(&instrument)
            .decode(frame_in, &mut output)
            .unwrap_or_else(|error| panic!("{error}: {frame}"));
        let ours = (expected.iter())
            .filter(|(_, event)| symbol_of(exchange, event) == name)
            .collect::<Vec<_>>();
        assert_eq!(output.events.len(), ours.len(), "{frame}");
        for (event, (kind, theirs)) in output.events.iter().zip(ours) {
            assert_eq!(event.kind(), *kind, "{frame}");
            match event {
                Event::Trade(trade) => check_trade(exchange, trade, theirs, frame),
                Event::Ticker(ticker) => {
                    check_ticker(ticker, &ticker_keys(exchange, ticker), theirs, frame);
                }
                Event::Candle(candle) => check_candle(exchange, candle, theirs, frame),
                other => panic!("{other:?}: {frame}"),
            }
            *counts.entry(format!("{exchange} {kind}")).or_default() += 1;
        }
        if output.events.is_empty() {
            // an answer, or a message that is counted as being of no interest
            assert!(output.ignored + output.replies.len() as u64 > 0, "{frame}");
            *counts.entry(format!("{exchange} other")).or_default() += 1;
        }
    }
    eprintln!("frames: {counts:?}");
}

/// The rows of a list of instruments, where the body is one.
fn instrument_rows(exchange: &str, body: &str) -> Option<usize> {
    let outer = object(body);
    match exchange {
        "binance" => outer.get("symbols").map(|rows| list(rows.get()).len()),
        "coinbase" => {
            let rows = list(body);
            let first = rows.first().map(|row| object(row.get()))?;
            first.contains_key("base_currency").then_some(rows.len())
        }
        _ => {
            let rows = object(outer.get("result")?.get());
            let first = object(rows.values().next()?.get());
            let lit = rows.keys().filter(|key| !key.ends_with(".d"));
            first.contains_key("altname").then(|| lit.count())
        }
    }
}

fn catalogue(adapter: &dyn Adapter, list: Vec<Instrument>) -> Catalogue {
    let profile = adapter.profile();
    let traits = Traits {
        quotes: profile.quotes.iter().map(|q| q.to_string()).collect(),
        asset_aliases: profile.asset_aliases,
        contiguous_ids: profile.contiguous_ids,
        can_wait: false,
        own_clock: false,
        invented: false,
        stream_fields: profile.stream_fields,
        rest_fields: profile.rest_fields,
        silence: None,
        candles: &[],
        empty_candles: false,
        list_source: None,
    };
    Catalogue::new(adapter.exchange(), list, &traits, NOW)
}

#[test]
fn every_recorded_list_gives_an_instrument_for_each_row_and_names_lead_back() {
    let Some(records) = records() else { return };
    let mut lists = 0;
    for record in records.iter().filter(|r| r.kind == "http" && r.dir == "in") {
        let adapter = adapter(&record.exchange);
        let Some(rows) = instrument_rows(&record.exchange, &record.frame) else {
            continue;
        };
        let list = adapter.read_instruments(&record.frame).expect("a list");
        assert_eq!(list.len(), rows, "{:?}", record.url);
        lists += 1;
        let catalogue = catalogue(&*adapter, list);
        assert_eq!(catalogue.instruments().len(), rows);
        for instrument in catalogue.instruments() {
            let symbol = instrument.market.symbol();
            assert!(instrument.tick_size.is_some(), "{symbol}");
            let names = [symbol, &instrument.native, &instrument.ws];
            for name in names
                .into_iter()
                .chain(instrument.aliases.iter().map(String::as_str))
            {
                let found = catalogue.resolve(name).map(|i| i.market.symbol());
                assert_eq!(found, Ok(symbol), "{name}");
            }
        }
    }
    eprintln!("lists of instruments: {lists}");
}

/// The value of `name=` in a URL's query.
fn parameter<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = url.split_once('?')?;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

#[test]
fn every_recorded_ticker_and_trade_answer_is_read_right() {
    let Some(records) = records() else { return };
    let (mut tickers, mut trades) = (0, 0);
    for record in records.iter().filter(|r| r.kind == "http" && r.dir == "in") {
        let (exchange, body) = (record.exchange.as_str(), record.frame.as_str());
        let url = record.url.as_deref().unwrap_or_default();
        let path = url.split('?').next().unwrap_or_default();
        let Some(name) = parameter(url, "symbol").or(parameter(url, "pair")) else {
            continue;
        };
        let (adapter, instrument) = (adapter(exchange), instrument(exchange, name));
        if path.ends_with("/ticker/24hr") || path.ends_with("/Ticker") {
            let read = adapter.read_tickers(body, std::slice::from_ref(&instrument), NOW);
            let [ticker] = &read.expect("tickers")[..] else {
                panic!("one ticker: {body}")
            };
            let outer = object(body);
            let last = if exchange == "binance" {
                text(&outer, "lastPrice").to_owned()
            } else {
                let pairs = object(outer["result"].get());
                let pair = object(pairs.values().next().expect("a pair").get());
                list(pair["c"].get())[0].get().to_owned()
            };
            same(ticker.price.map(|p| p.to_string()), &last, "price", body);
            tickers += 1;
        } else if path.ends_with("/trades") || path.ends_with("/Trades") {
            let read = adapter.read_trades(body, &instrument, NOW).expect("trades");
            assert!(read.is_sorted_by_key(|trade| trade.id), "{body}");
            check_rest_trades(exchange, &read, body);
            trades += read.len();
        }
    }
    eprintln!("answers: {tickers} tickers, {trades} trades");
}

#[test]
fn every_recorded_answer_with_candles_is_read_right() {
    let Some(records) = records() else { return };
    let mut candles = 0;
    for record in records.iter().filter(|r| r.kind == "http" && r.dir == "in") {
        let (exchange, body) = (record.exchange.as_str(), record.frame.as_str());
        let url = record.url.as_deref().unwrap_or_default();
        let path = url.split('?').next().unwrap_or_default();
        // seconds, then which column holds open, high, low, close, volume, quote volume and trades
        let (columns, unit) = match path.rsplit('/').next().unwrap_or_default() {
            "klines" => ([1, 2, 3, 4, 5, 7, 8], 1_000_000),
            "OHLC" => ([1, 2, 3, 4, 6, 99, 7], 1_000_000_000),
            "candles" => ([3, 2, 1, 4, 5, 99, 99], 1_000_000_000),
            _ => continue,
        };
        let minutes = parameter(url, "interval").unwrap_or("1");
        let interval = match minutes.parse::<u64>() {
            Ok(minutes) => Interval::of_length(std::time::Duration::from_secs(minutes * 60)),
            Err(_) => Interval::named(minutes),
        };
        let interval = interval.expect("a length");
        let name = parameter(url, "symbol").or(parameter(url, "pair"));
        let (adapter, instrument) = (
            adapter(exchange),
            instrument(exchange, name.unwrap_or("BTC-USD")),
        );
        let read = adapter.read_candles(body, &instrument, interval, NOW);
        let read = read.expect("candles");
        assert_eq!(read.unread, [], "{url}");
        let read = read.items;
        let outer = object(body);
        let mut rows = match outer.get("result") {
            Some(result) => {
                let result = object(result.get());
                list(
                    result
                        .iter()
                        .find(|(key, _)| *key != "last")
                        .expect("a pair")
                        .1
                        .get(),
                )
            }
            None => list(body),
        };
        let opened = |row: &RawValue| -> i64 { list(row.get())[0].get().parse().expect("a time") };
        rows.sort_by_key(|row| opened(row));
        assert_eq!(read.len(), rows.len(), "{url}");
        for (n, (candle, row)) in read.iter().zip(&rows).enumerate() {
            assert_eq!(candle.open_time.nanos(), opened(row) * unit, "{url}");
            assert_eq!(candle.closed, n + 1 < rows.len(), "{url}");
            let row = list(row.get());
            for (ours, column) in candle_values(candle).into_iter().zip(columns) {
                same(
                    ours,
                    row.get(column).map_or("", |raw| raw.get()),
                    "a column",
                    url,
                );
            }
        }
        candles += read.len();
    }
    eprintln!("candles: {candles}");
}

fn check_rest_trades(exchange: &str, read: &[Trade], body: &str) {
    let rows = if exchange == "kraken" {
        let result = object(object(body)["result"].get());
        let pair = result
            .iter()
            .find(|(key, _)| *key != "last")
            .expect("a pair");
        list(pair.1.get())
    } else {
        list(body)
    };
    assert_eq!(read.len(), rows.len());
    for (trade, row) in read.iter().zip(&rows) {
        let (id, price, size, buy) = if exchange == "kraken" {
            let row = list(row.get());
            let at = |n: usize| row[n].get().trim_matches('"').to_owned();
            (at(6), at(0), at(1), at(3) == "b")
        } else {
            let row = object(row.get());
            let at = |key: &str| text(&row, key).to_owned();
            (
                at("id"),
                at("price"),
                at("qty"),
                at("isBuyerMaker") == "false",
            )
        };
        assert_eq!(trade.id.to_string(), id);
        same(Some(trade.price.to_string()), &price, "price", body);
        same(Some(trade.size.to_string()), &size, "size", body);
        assert_eq!(trade.side.name(), if buy { "buy" } else { "sell" });
    }
}
