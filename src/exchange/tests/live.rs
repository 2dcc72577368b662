//! The whole way, over real loopback sockets and in real time: many symbols, spread over connections.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::support::topic;
use crate::exchange::binance::Binance;
use crate::exchange::coinbase::Coinbase;
use crate::exchange::kraken::Kraken;
use crate::exchange::{Live, LiveOptions};
use crate::feed::{Command, FeedIo, FeedStats, Provider};
use crate::model::{Event, Stream};
use crate::sim::{Listing, Sim, SimConfig, Venue};

/// Longer than anything takes that works.
const WAIT: Duration = Duration::from_secs(60);

fn live(sim: &Sim, venue: Venue) -> Arc<Live> {
    let options = LiveOptions {
        rest_url: Some(sim.rest_url()),
        ws_url: Some(sim.ws_url()),
        ..LiveOptions::default()
    };
    Arc::new(
        match venue {
            Venue::Binance => Live::new(Binance, options),
            Venue::Coinbase => Live::new(Coinbase, options),
            Venue::Kraken => Live::new(Kraken, options),
        }
        .unwrap(),
    )
}

#[tokio::test]
async fn five_hundred_symbols_are_spread_and_every_limit_is_kept() {
    for (venue, quote, sockets) in [
        (Venue::Binance, "USDT", 3),
        (Venue::Coinbase, "USD", 5),
        (Venue::Kraken, "USD", 3),
    ] {
        let mut config = SimConfig::new(venue);
        config.listings = (0..500)
            .map(|n| Listing::new(&format!("C{n}X"), quote, "10.00", 2, 4))
            .collect();
        config.history = 1;
        let sim = Sim::start(config).await.unwrap();
        let live = live(&sim, venue);
        let instruments = live.instruments().await.unwrap();
        assert_eq!(instruments.len(), 500);
        let topics: Vec<_> = instruments
            .into_iter()
            .map(|instrument| topic(&Arc::new(instrument), Stream::Trades))
            .collect();
        let (commands, commanded) = mpsc::channel(8);
        let (sender, mut events) = mpsc::channel(1_024);
        let cancel = CancellationToken::new();
        let io = FeedIo {
            commands: commanded,
            events: sender,
            cancel: cancel.clone(),
            stats: Arc::new(FeedStats::default()),
        };
        let running = tokio::spawn(live.run(io));
        commands
            .send(Command::Subscribe(topics.clone()))
            .await
            .unwrap();
        let mut waiting: BTreeSet<&str> = topics
            .iter()
            .map(|t| t.instrument.market.symbol())
            .collect();
        let fed = async {
            while !waiting.is_empty() {
                for symbol in &waiting {
                    sim.trade(symbol, 1);
                }
                let pause = tokio::time::sleep(Duration::from_millis(300));
                tokio::pin!(pause);
                loop {
                    tokio::select! {
                        () = &mut pause => break,
                        batch = events.recv() => for event in batch.unwrap() {
                            match event {
                                Event::Trade(trade) if !trade.replayed => {
                                    waiting.remove(trade.market.symbol());
                                }
                                Event::Status(status) => panic!("{status:?}"),
                                _ => {}
                            }
                        }
                    }
                }
            }
        };
        timeout(WAIT, fed).await.expect("all symbols are fed");
        let counters = sim.counters();
        assert_eq!(counters.open_sockets, sockets, "{venue:?}");
        assert_eq!(counters.rule_violations, [""; 0], "{venue:?}");
        if venue == Venue::Binance {
            assert!(counters.max_frames_per_second <= 4);
        }
        // those of one connection gone, it is closed
        commands
            .send(Command::Unsubscribe(topics[..200].to_vec()))
            .await
            .unwrap();
        let closed = async {
            while sim.counters().open_sockets >= sockets {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(WAIT, closed).await.expect("a connection closes");
        cancel.cancel();
        timeout(WAIT, running).await.expect("ends").unwrap();
    }
}
