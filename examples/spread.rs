//! Prints what the same coin costs at several exchanges, and the spread between them.
//!
//! `cargo run --example spread -- kraken:BTC/USD coinbase:BTC/USD`

use std::collections::BTreeMap;

use futures_util::StreamExt;
use tickwire::engine::{Delivery, Engine, Request};
use tickwire::exchange::binance::Binance;
use tickwire::exchange::coinbase::Coinbase;
use tickwire::exchange::kraken::Kraken;
use tickwire::exchange::{Live, LiveOptions};
use tickwire::model::Event;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut symbols: Vec<String> = std::env::args().skip(1).collect();
    if symbols.is_empty() {
        symbols = vec!["kraken:BTC/USD".into(), "coinbase:BTC/USD".into()];
    }
    let engine = Engine::builder()
        .provider(Live::new(Kraken, LiveOptions::default())?)
        .provider(Live::new(Binance, LiveOptions::default())?)
        .provider(Live::new(Coinbase, LiveOptions::default())?)
        .build();
    // Only the newest state of each market matters here.
    let request = Request::new(symbols).delivery(Delivery::Latest);
    let mut tickers = engine.subscribe(request).await?;
    let mut books = BTreeMap::new();
    while let Some(event) = tickers.next().await {
        let Event::Ticker(ticker) = event else {
            eprintln!("{event:?}");
            continue;
        };
        let (Some(bid), Some(ask)) = (ticker.bid, ticker.ask) else {
            continue;
        };
        books.insert(ticker.market.to_string(), (bid, ask));
        let best_bid = books.iter().max_by_key(|(_, (bid, _))| *bid);
        let best_ask = books.iter().min_by_key(|(_, (_, ask))| *ask);
        if let (Some((sell_at, (bid, _))), Some((buy_at, (_, ask)))) = (best_bid, best_ask) {
            println!(
                "buy {ask} at {buy_at}, sell {bid} at {sell_at}: {}",
                bid.decimal() - ask.decimal()
            );
        }
    }
    Ok(())
}
