//! Broken frames between good ones, over the whole client in virtual time.

use std::sync::Arc;
use std::time::Duration;

use tickwire::engine::{Engine, Request};
use tickwire::exchange::binance::Binance;
use tickwire::exchange::coinbase::Coinbase;
use tickwire::exchange::kraken::Kraken;
use tickwire::exchange::{Live, LiveOptions};
use tickwire::model::{Event, Stream};
use tickwire::net::AnyDial;
use tickwire::sim::{LedgerTrade, Proxy, Sim, SimConfig, SimDial, TokioClock, Venue};

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

/// What became of them.
pub struct Outcome {
    /// Whether every good trade arrived once, in order, digit for digit, and nothing else.
    pub exact: bool,
    /// Counted as broken.
    pub bad_frames: u64,
    /// Connections that were opened, and that ended.
    pub connects: u64,
    pub disconnects: u64,
}

/// So many broken frames, each before a good one. Wants paused time.
pub async fn run(venue: Venue, frames: usize) -> Outcome {
    let sim = Sim::new(SimConfig {
        start_ns: Some(START_NS),
        ..SimConfig::new(venue)
    });
    let engine = engine(venue, &sim);
    let request = Request::new(["BTC"]).streams([Stream::Trades]);
    let mut subscription = engine.subscribe(request).await.expect("a list of symbols");
    // Subscribed, and past what is told on subscribing.
    tokio::time::sleep(Duration::from_secs(3)).await;

    let symbol = match venue {
        Venue::Binance => "BTC/USDT",
        Venue::Coinbase | Venue::Kraken => "BTC/USD",
    };
    let mut random = fastrand::Rng::with_seed(1);
    let (mut made, mut told, mut batch) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..frames {
        // An id that none of the exchange's own trades has.
        let id = 900_000_000 + n;
        match n % 10 {
            // Not even text.
            9 => sim.send_binary(&[0x00, 0xff, 0x7b, 0x80, (n % 256) as u8]),
            _ => sim.send_raw(&broken(&good(venue, id), id, &mut random)),
        }
        made.extend(sim.trade(symbol, 1));
        if n % 100 == 99 || n + 1 == frames {
            tokio::time::sleep(Duration::from_millis(500)).await;
            while subscription.try_next_batch(&mut batch) == Ok(true) {
                told.append(&mut batch);
            }
        }
    }
    let stats = engine.stats();
    engine.shutdown().await;
    Outcome {
        exact: told.len() == made.len()
            && told.iter().zip(&made).all(|(told, made)| same(told, made)),
        bad_frames: stats.bad_frames,
        connects: stats.connects,
        disconnects: stats.disconnects,
    }
}

fn engine(venue: Venue, sim: &Sim) -> Engine {
    let clock = Arc::new(TokioClock::starting_at(START_NS));
    let options = LiveOptions {
        dial: Some(AnyDial::new(SimDial::new(sim, &Proxy::new(1)))),
        clock: clock.clone(),
        ..LiveOptions::default()
    };
    let live = match venue {
        Venue::Binance => Live::new(Binance, options),
        Venue::Coinbase => Live::new(Coinbase, options),
        Venue::Kraken => Live::new(Kraken, options),
    };
    let live = live.expect("good options");
    Engine::builder().provider(live).clock(clock).build()
}

fn same(told: &Event, made: &LedgerTrade) -> bool {
    match told {
        Event::Trade(trade) => {
            (trade.id, trade.price.to_string(), trade.size.to_string())
                == (made.id, made.price.clone(), made.size.clone())
        }
        _ => false,
    }
}
