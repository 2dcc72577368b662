//! What stands in for old trades that cannot be had.

use super::*;

/// A Binance whose old trades are to be had at another host, which answers like this.
async fn with_history_at(archive: &Sim, market: &Market) -> Live {
    let options = LiveOptions {
        rest_url: Some(market.sim.rest_url()),
        history_url: Some(archive.rest_url()),
        rate_limit: Some(10_000.0),
        ..LiveOptions::default()
    };
    Live::new(Binance, options).unwrap()
}

#[tokio::test]
async fn aggregates_stand_in_where_old_trades_cannot_be_had() {
    for fault in ["451", "403", "404", "refused"] {
        let market = Market::new(Venue::Binance, 5_000).await;
        let archive = Market::new(Venue::Binance, 0).await.sim;
        match fault {
            "refused" => archive.stop_listening().await,
            status => {
                archive.faults().rest_status = Some((status.parse().unwrap(), "<html>".into()));
            }
        }
        let live = with_history_at(&archive, &market).await;
        for back in [1_500, 4_200] {
            let mark = market.back(back);
            let until = Instant::now() + WAIT;
            let replay = live.trades_since(&market.instrument, at(&mark), until);
            let replay = replay.await.unwrap();
            assert_eq!(ids(&replay), ids_after(&market, mark.id), "{fault} {back}");
            assert_eq!((replay.uncovered, replay.missing), (vec![], vec![]));
            let newest = replay.newest.unwrap();
            assert_eq!(newest.id, market.back(0).id);
        }
        let asked = market.sim.counters().rest;
        assert!(asked["/api/v3/aggTrades"] >= 5, "{fault} {asked:?}");
        if matches!(fault, "451" | "403") {
            // the second time it is known
            let asked = archive.counters().rest;
            assert_eq!(asked["/api/v3/historicalTrades"], 1, "{fault}");
        }
    }
}

#[tokio::test]
async fn a_host_that_is_silent_leaves_time_for_what_stands_in_for_it() {
    let market = Market::new(Venue::Binance, 3_000).await;
    let archive = Market::new(Venue::Binance, 0).await.sim;
    archive.faults().rest_delay = Some(WAIT * 2);
    let live = with_history_at(&archive, &market).await;
    let mark = market.back(2_500);
    let until = Instant::now() + Duration::from_secs(6);
    let replay = live.trades_since(&market.instrument, at(&mark), until);
    let replay = replay.await.unwrap();
    assert_eq!(ids(&replay), ids_after(&market, mark.id));
    assert_eq!(replay.uncovered, []);
}

#[tokio::test]
async fn a_limit_of_the_old_trades_is_not_walked_around() {
    let market = Market::new(Venue::Binance, 3_000).await;
    let archive = Market::new(Venue::Binance, 0).await.sim;
    archive.faults().rest_status = Some((429, "{}".into()));
    let live = with_history_at(&archive, &market).await;
    let mark = market.back(2_500);
    let until = Instant::now() + WAIT;
    let replay = live.trades_since(&market.instrument, at(&mark), until);
    let replay = replay.await.unwrap();
    assert_eq!(replay.trades.len(), 1_000);
    let oldest = market.back(999);
    assert_eq!(replay.uncovered, [(time(&mark), time(&oldest))]);
    assert_eq!(replay.missing, [(mark.id + 1, oldest.id - 1)]);
    assert_eq!(market.sim.counters().rest.get("/api/v3/aggTrades"), None);
    // and what is new is still to be had
    assert!(live.trades(&market.instrument, 5).await.is_ok());
}
