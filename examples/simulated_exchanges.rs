//! Starts the three simulated exchanges on loopback and prints how to point tickwire at them.
//!
//! `cargo run --example simulated_exchanges --features sim` prints lines to paste into another shell and
//! runs until Ctrl-C. In that shell `tickwire monitor BTC ETH -p kraken` then talks to them.

use tickwire::sim::{Sim, SimConfig, Venue};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let rate = std::env::args()
        .nth(1)
        .and_then(|rate| rate.parse().ok())
        .unwrap_or(5.0);
    let mut running = Vec::new();
    for (name, venue) in [
        ("KRAKEN", Venue::Kraken),
        ("BINANCE", Venue::Binance),
        ("COINBASE", Venue::Coinbase),
    ] {
        let sim = Sim::start(SimConfig {
            rate,
            candle_history: 600_000,
            ..SimConfig::new(venue)
        })
        .await?;
        println!(
            "export TICKWIRE_PROVIDERS__{name}__REST_URL={}",
            sim.rest_url()
        );
        println!("export TICKWIRE_PROVIDERS__{name}__WS_URL={}", sim.ws_url());
        running.push(sim);
    }
    tokio::signal::ctrl_c().await
}
