//! Ten thousand broken frames among as many good ones, for each exchange, over the whole client: every good one
//! arrives, every broken one is counted, and nothing else happens.

use std::sync::Arc;
use std::time::Duration;

use tickwire::engine::{Engine, Request};
use tickwire::exchange::binance::Binance;
use tickwire::exchange::coinbase::Coinbase;
use tickwire::exchange::kraken::Kraken;
use tickwire::exchange::{Adapter, Live, LiveOptions};
use tickwire::model::{Event, Stream};
use tickwire::net::AnyDial;
use tickwire::sim::{LedgerTrade, Proxy, Sim, SimConfig, SimDial, TokioClock, Venue};

const FRAMES: usize = 10_000;
const START_NS: i64 = 1_790_000_000_000_000_000;

/// A good trade, in which each kind of breakage finds its place.
fn good(venue: Venue, n: usize) -> String {
    match venue {
        Venue::Binance => format!(
            r#"{{"stream":"btcusdt@trade","data":{{"e":"trade","E":1790000000150,"s":"BTCUSDT","t":{n},"p":"61000.10000000","q":"0.01500000","T":1790000000149,"m":false,"M":true}}}}"#
        ),
        Venue::Coinbase => format!(
            r#"{{"type":"match","trade_id":{n},"maker_order_id":"a","taker_order_id":"b","side":"sell","size":"0.01500000","price":"61000.10000000","product_id":"BTC-USD","sequence":93000000002,"time":"2026-09-21T14:13:20.151002Z"}}"#
        ),
        Venue::Kraken => format!(
            r#"{{"channel":"trade","type":"update","data":[{{"symbol":"BTC/USD","side":"sell","price":61000.10000000,"qty":0.01500000,"ord_type":"market","trade_id":{n},"timestamp":"2026-09-21T14:13:20.149001Z"}}]}}"#
        ),
    }
}

/// A frame that cannot be read, whatever the exchange: of one kind after the other.
fn broken(good: &str, n: usize, random: &mut fastrand::Rng) -> String {
    let (price, size) = ("61000.10000000", "0.01500000");
    let quoted = |text: &str| format!("\"{text}\"");
    // Kraken's numbers have no quotes.
    let bare = !good.contains(&quoted(price));
    let number = |from: &str, to: &str| match bare {
        true => good.replacen(from, to, 1),
        false => good.replacen(&quoted(from), &quoted(to), 1),
    };
    match n % 16 {
        0 => good[..random.usize(1..good.len())].to_owned(),
        1 => good.replacen(':', ":,", 1),
        2 => good.replacen('"', "", 1),
        3 => format!("{good}}}"),
        4 => format!("{good}{good}"),
        5 => format!("\u{feff}{good}"),
        6 => "[".repeat(random.usize(200..20_000)),
        7 => number(price, "NaN"),
        8 => number(price, "Infinity"),
        9 => number(price, &format!("{}e400", random.u8(1..10))),
        10 => number(price, &"9".repeat(random.usize(40..400))),
        11 => number(price, "-61000.10"),
        12 => number(size, "0.0.1"),
        13 => number(size, "{}"),
        14 => good.replacen(&format!(":{n}"), ":-1", 1),
        _ => good
            .replace("2026-09-21T14:13:20", "2026-13-41T25:61:61")
            .replace("\"T\":1790000000149", "\"T\":99999999999999999999"),
    }
}

async fn broken_frames_harm_no_good_one(venue: Venue, adapter: impl Adapter) {
    let sim = Sim::new(SimConfig {
        start_ns: Some(START_NS),
        ..SimConfig::new(venue)
    });
    let clock = Arc::new(TokioClock::starting_at(START_NS));
    let options = LiveOptions {
        dial: Some(AnyDial::new(SimDial::new(&sim, &Proxy::new(1)))),
        clock: clock.clone(),
        ..LiveOptions::default()
    };
    let live = Live::new(adapter, options).unwrap();
    let engine = Engine::builder().provider(live).clock(clock).build();
    let request = Request::new(["BTC"]).streams([Stream::Trades]);
    let mut subscription = engine.subscribe(request).await.unwrap();
    // Subscribed, and past what is told on subscribing.
    tokio::time::sleep(Duration::from_secs(3)).await;

    let symbol = match venue {
        Venue::Binance => "BTC/USDT",
        Venue::Coinbase | Venue::Kraken => "BTC/USD",
    };
    let mut random = fastrand::Rng::with_seed(1);
    let mut made: Vec<LedgerTrade> = Vec::new();
    let mut told = Vec::new();
    let mut batch = Vec::new();
    for n in 0..FRAMES {
        // An id that none of the exchange's own trades has.
        let frame = broken(&good(venue, 900_000_000 + n), 900_000_000 + n, &mut random);
        match n % 10 {
            // Not even text.
            9 => sim.send_binary(&[0x00, 0xff, 0x7b, 0x80, (n % 256) as u8]),
            _ => sim.send_raw(&frame),
        }
        made.extend(sim.trade(symbol, 1));
        if n % 100 == 99 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            while subscription.try_next_batch(&mut batch) == Ok(true) {
                told.append(&mut batch);
            }
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    while subscription.try_next_batch(&mut batch) == Ok(true) {
        told.append(&mut batch);
    }

    let digits = |event: &Event| match event {
        Event::Trade(trade) => (trade.id, trade.price.to_string(), trade.size.to_string()),
        other => panic!("{other:?}"),
    };
    let told: Vec<_> = told.iter().map(digits).collect();
    let made: Vec<_> = made
        .into_iter()
        .map(|trade| (trade.id, trade.price, trade.size))
        .collect();
    assert_eq!(told.len(), made.len());
    assert_eq!(told, made);
    let stats = engine.stats();
    assert_eq!(stats.bad_frames, FRAMES as u64, "{stats:?}");
    assert_eq!((stats.connects, stats.disconnects, stats.gaps), (1, 0, 0));
    engine.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn broken_frames_of_binance_harm_no_good_one() {
    broken_frames_harm_no_good_one(Venue::Binance, Binance).await;
}

#[tokio::test(start_paused = true)]
async fn broken_frames_of_coinbase_harm_no_good_one() {
    broken_frames_harm_no_good_one(Venue::Coinbase, Coinbase).await;
}

#[tokio::test(start_paused = true)]
async fn broken_frames_of_kraken_harm_no_good_one() {
    broken_frames_harm_no_good_one(Venue::Kraken, Kraken).await;
}
