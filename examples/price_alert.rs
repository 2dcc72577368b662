//! Tells when a price crosses a line. Runs against the mock; name a real exchange to make it serious.
//!
//! `cargo run --example price_alert -- BTC 97000`

use futures_util::StreamExt;
use tickwire::engine::{Engine, Request};
use tickwire::exchange::mock::Mock;
use tickwire::model::{Event, Price};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let symbol = arguments.next().unwrap_or_else(|| "BTC".into());
    let line: Price = arguments.next().unwrap_or_else(|| "97000".into()).parse()?;

    let engine = Engine::builder().provider(Mock::default()).build();
    let mut tickers = engine.subscribe(Request::new([symbol])).await?;
    let mut above = None;
    while let Some(event) = tickers.next().await {
        match event {
            Event::Ticker(ticker) => {
                let Some(price) = ticker.price else { continue };
                let now = price > line;
                if above.is_some_and(|before| before != now) {
                    println!("{} crossed {line}: {price}", ticker.market.symbol());
                    break;
                }
                above = Some(now);
            }
            // A feed in trouble knows nothing: say so instead of staying silent.
            Event::Gap(_) | Event::Status(_) => eprintln!("{event:?}"),
            Event::Trade(_) => {}
        }
    }
    engine.shutdown().await;
    Ok(())
}
