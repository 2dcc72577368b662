//! The path of a tick, step by step: decode and normalise per exchange, order in the engine, write a line.
//!
//! `cargo bench`. The built binary beside other programs is measured with a replay server instead.

use std::hint::black_box;
use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use tickwire::engine::core::Core;
use tickwire::exchange::binance::Binance;
use tickwire::exchange::coinbase::Coinbase;
use tickwire::exchange::kraken::Kraken;
use tickwire::exchange::{Adapter, Frame, Output, Protocol};
use tickwire::feed::Topic;
use tickwire::model::{
    Event, Exchange, Instrument, JsonWriter, Stream, Timestamp, parse_decimal, write_decimal,
};

fn main() {
    divan::main();
}

const VENUES: [&str; 3] = ["binance", "coinbase", "kraken"];

fn received_at() -> Timestamp {
    Timestamp::from_nanos(1_790_000_000_200_000_000)
}

/// A connection of this exchange that is subscribed to BTC, and a trade and a ticker frame of it.
fn venue(name: &str) -> (Box<dyn Protocol>, [&'static str; 2]) {
    let (adapter, instrument, frames): (Box<dyn Adapter>, _, _) = match name {
        "binance" => (
            Box::new(Binance),
            Instrument {
                ws: "btcusdt".into(),
                ..Instrument::new(Exchange::new("binance"), "BTC", "USDT", "BTCUSDT")
            },
            [
                r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1790000000150,"s":"BTCUSDT","t":99502,"p":"61000.10000000","q":"0.01500000","T":1790000000149,"m":false,"M":true}}"#,
                r#"{"stream":"btcusdt@ticker","data":{"e":"24hrTicker","E":1790000000123,"s":"BTCUSDT","p":"900.10000000","P":"1.498","w":"60511.07000000","x":"60099.90000000","c":"61000.10000000","Q":"0.01500000","b":"61000.00000000","B":"1.20000000","a":"61000.10000000","A":"0.80000000","o":"60100.00000000","h":"61250.00000000","l":"59800.50000000","v":"18250.40100000","q":"1104350000.12000000","O":1789913600123,"C":1790000000123,"F":501,"L":99501,"n":99001}}"#,
            ],
        ),
        "coinbase" => (
            Box::new(Coinbase),
            Instrument::new(Exchange::new("coinbase"), "BTC", "USD", "BTC-USD"),
            [
                r#"{"type":"match","trade_id":910000124,"maker_order_id":"00000000-0000-4000-8000-000000000001","taker_order_id":"00000000-0000-4000-8000-000000000002","side":"sell","size":"0.015","price":"61000.10","product_id":"BTC-USD","sequence":93000000002,"time":"2026-09-21T14:13:20.151002Z"}"#,
                r#"{"type":"ticker","sequence":93000000001,"product_id":"BTC-USD","price":"61000.10","open_24h":"60100.00","volume_24h":"9750.12345678","low_24h":"59800.5","high_24h":"61250","volume_30d":"280000.10000000","best_bid":"61000.00","best_bid_size":"0.12000000","best_ask":"61000.10","best_ask_size":"0.35000000","side":"buy","time":"2026-09-21T14:13:20.149001Z","trade_id":910000123,"last_size":"0.015"}"#,
            ],
        ),
        _ => (
            Box::new(Kraken),
            Instrument {
                ws: "BTC/USD".into(),
                ..Instrument::new(Exchange::new("kraken"), "BTC", "USD", "XXBTZUSD")
            },
            [
                r#"{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","price":60999.9,"qty":0.01500000,"ord_type":"market","trade_id":80000123,"timestamp":"2026-09-21T14:13:20.149001Z"}]}"#,
                r#"{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":60999.9,"bid_qty":1.20000000,"ask":61000.0,"ask_qty":0.80000000,"last":61000.0,"volume":2150.50000000,"vwap":60480.1,"low":59800.0,"high":61250.0,"change":900.0,"change_pct":1.50,"timestamp":"2026-09-21T14:13:20.123456Z"}]}"#,
            ],
        ),
    };
    let mut protocol = adapter.protocol();
    let instrument = Arc::new(instrument);
    protocol.subscribe(&Stream::PLAIN.map(|stream| Topic {
        instrument: instrument.clone(),
        stream,
    }));
    (protocol, frames)
}

fn decoded(name: &str, which: usize) -> Event {
    let (mut protocol, frames) = venue(name);
    let mut out = Output::default();
    protocol
        .decode(
            Frame {
                text: frames[which],
                received_at: received_at(),
            },
            &mut out,
        )
        .expect("a good frame");
    out.events.remove(0)
}

fn bench_decode(bencher: Bencher<'_, '_>, name: &str, which: usize) {
    let (mut protocol, frames) = venue(name);
    let mut out = Output::default();
    bencher.counter(ItemsCount::new(1u32)).bench_local(move || {
        out.events.clear();
        protocol.decode(
            Frame {
                text: black_box(frames[which]),
                received_at: received_at(),
            },
            &mut out,
        )
    });
}

#[divan::bench(args = VENUES)]
fn decode_trade(bencher: Bencher<'_, '_>, name: &str) {
    bench_decode(bencher, name, 0);
}

#[divan::bench(args = VENUES)]
fn decode_ticker(bencher: Bencher<'_, '_>, name: &str) {
    bench_decode(bencher, name, 1);
}

#[divan::bench(args = VENUES)]
fn engine_trades_in_order(bencher: Bencher<'_, '_>, name: &str) {
    let Event::Trade(first) = decoded(name, 0) else {
        unreachable!("the first frame is a trade")
    };
    let mut core = Core::default();
    core.add(first.market, Stream::Trades, true);
    let (mut out, mut trade) = (Vec::new(), first);
    bencher.counter(ItemsCount::new(1u32)).bench_local(move || {
        out.clear();
        trade.id += 1;
        core.apply(Event::Trade(trade), 0, &mut out);
        out.len()
    });
}

fn bench_line(bencher: Bencher<'_, '_>, event: &Event) {
    let (mut writer, mut out) = (JsonWriter::default(), Vec::with_capacity(4_096));
    bencher.counter(ItemsCount::new(1u32)).bench_local(move || {
        out.clear();
        writer.write(black_box(event), &mut out);
        out.len()
    });
}

#[divan::bench(args = VENUES)]
fn json_line_trade(bencher: Bencher<'_, '_>, name: &str) {
    bench_line(bencher, &decoded(name, 0));
}

#[divan::bench(args = VENUES)]
fn json_line_ticker(bencher: Bencher<'_, '_>, name: &str) {
    bench_line(bencher, &decoded(name, 1));
}

#[divan::bench(args = ["61000.10000000", "0.015", "1e-08"])]
fn decimal_read(text: &str) -> bool {
    parse_decimal(black_box(text)).is_ok()
}

#[divan::bench]
fn decimal_write(bencher: Bencher<'_, '_>) {
    let decimal = parse_decimal("61000.10000000").expect("a number");
    let mut out = Vec::with_capacity(32);
    bencher.bench_local(move || {
        out.clear();
        write_decimal(black_box(decimal), &mut out);
        out.len()
    });
}
