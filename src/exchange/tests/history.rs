//! Trades since a mark, against simulated exchanges.

mod aggregates;

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::exchange::binance::Binance;
use crate::exchange::coinbase::Coinbase;
use crate::exchange::kraken::Kraken;
use crate::exchange::mock::Mock;
use crate::exchange::{Live, LiveOptions};
use crate::feed::{Provider, ProviderError, Replay, TradeMark};
use crate::model::{Instrument, Timestamp};
use crate::sim::{LedgerTrade, Listing, Sim, SimConfig, Venue};

/// Longer than anything takes that works.
const WAIT: Duration = Duration::from_secs(60);
const VENUES: [Venue; 3] = [Venue::Binance, Venue::Coinbase, Venue::Kraken];

/// One market with a past, at an exchange that may be asked as often as one likes.
struct Market {
    sim: Sim,
    live: Live,
    instrument: Instrument,
}

impl Market {
    async fn new(venue: Venue, history: usize) -> Self {
        let mut config = SimConfig::new(venue);
        config.listings = vec![Listing::new("BTC", "USD", "67234.10", 2, 8)];
        config.history = history;
        config.second = Duration::from_millis(1);
        let sim = Sim::start(config).await.unwrap();
        let options = LiveOptions {
            rest_url: Some(sim.rest_url()),
            ws_url: Some(sim.ws_url()),
            rate_limit: Some(10_000.0),
            ..LiveOptions::default()
        };
        let live = match venue {
            Venue::Binance => Live::new(Binance, options),
            Venue::Coinbase => Live::new(Coinbase, options),
            Venue::Kraken => Live::new(Kraken, options),
        }
        .unwrap();
        let instrument = live.instruments().await.unwrap().remove(0);
        Self {
            sim,
            live,
            instrument,
        }
    }

    fn ledger(&self) -> Vec<LedgerTrade> {
        self.sim.ledger("BTC/USD")
    }

    /// The trade with so many after it.
    fn back(&self, trades: usize) -> LedgerTrade {
        let ledger = self.ledger();
        ledger[ledger.len() - 1 - trades].clone()
    }

    async fn ask(&self, after: TradeMark) -> Result<Replay, ProviderError> {
        self.ask_until(after, Instant::now() + WAIT).await
    }

    async fn ask_until(&self, after: TradeMark, until: Instant) -> Result<Replay, ProviderError> {
        self.live.trades_since(&self.instrument, after, until).await
    }

    /// Requests for trades since the start.
    fn requests(&self) -> u64 {
        let rest = self.sim.counters().rest;
        let trades = rest
            .iter()
            .filter(|(path, _)| path.to_lowercase().ends_with("trades"));
        trades.map(|(_, count)| count).sum()
    }
}

fn time(trade: &LedgerTrade) -> Timestamp {
    Timestamp::from_nanos(trade.time_ns)
}

fn at(trade: &LedgerTrade) -> TradeMark {
    TradeMark {
        id: Some(trade.id),
        time: time(trade),
    }
}

fn since(trade: &LedgerTrade) -> TradeMark {
    TradeMark {
        id: None,
        time: time(trade),
    }
}

fn ids(replay: &Replay) -> Vec<u64> {
    replay.trades.iter().map(|trade| trade.id).collect()
}

/// Every trade of the ledger after this id.
fn ids_after(market: &Market, id: u64) -> Vec<u64> {
    let ledger = market.ledger();
    ledger.iter().map(|t| t.id).filter(|&i| i > id).collect()
}

#[tokio::test]
async fn nothing_new_is_one_request_and_tells_the_newest_trade() {
    for venue in VENUES {
        let market = Market::new(venue, 50).await;
        let newest = market.back(0);
        for mark in [at(&newest), since(&newest)] {
            let replay = market.ask(mark).await.unwrap();
            assert_eq!((ids(&replay), &replay.uncovered), (vec![], &vec![]));
            assert_eq!(replay.newest.unwrap().id, newest.id, "{venue:?}");
        }
        assert_eq!(market.requests(), 2, "{venue:?}");
    }
}

#[tokio::test]
async fn one_page_is_one_request_and_holds_every_trade_exactly() {
    for venue in VENUES {
        let market = Market::new(venue, 1_500).await;
        market.sim.trade("BTC/USD", 20);
        for back in [1, 20, 700, 999] {
            let mark = market.back(back);
            let before = market.requests();
            let replay = market.ask(at(&mark)).await.unwrap();
            assert_eq!(replay.uncovered, [], "{venue:?}");
            let expected = &market.ledger()[1_520 - back..];
            assert_eq!(replay.trades.len(), expected.len(), "{venue:?}");
            for (ours, theirs) in replay.trades.iter().zip(expected) {
                assert_eq!((ours.id, ours.timestamp), (theirs.id, time(theirs)));
                let price: crate::model::Price = theirs.price.parse().unwrap();
                assert_eq!(ours.price, price);
            }
            assert_eq!(market.requests() - before, 1, "{venue:?}");
        }
    }
}

#[tokio::test]
async fn several_pages_are_joined_without_a_hole() {
    for venue in VENUES {
        let market = Market::new(venue, 5_000).await;
        for back in [1_000, 1_001, 1_002, 2_000, 3_456, 4_999] {
            let mark = market.back(back);
            let replay = market.ask(at(&mark)).await.unwrap();
            assert_eq!(replay.uncovered, [], "{venue:?} {back}");
            assert_eq!(ids(&replay), ids_after(&market, mark.id), "{venue:?}");
            assert_eq!(replay.newest.unwrap().id, market.back(0).id);
        }
    }
}

#[tokio::test]
async fn a_mark_without_an_id_takes_what_is_later_than_it() {
    for venue in VENUES {
        let market = Market::new(venue, 3_000).await;
        // one trade in four has the time of the one before
        for back in [10, 11, 12, 13, 14, 1_500, 1_501, 1_502, 1_503, 2_900] {
            let mark = market.back(back);
            let replay = market.ask(since(&mark)).await.unwrap();
            let ledger = market.ledger();
            let later = ledger.iter().filter(|t| t.time_ns > mark.time_ns);
            let expected: Vec<u64> = later.map(|t| t.id).collect();
            assert_eq!(ids(&replay), expected, "{venue:?} {back}");
            assert_eq!(replay.uncovered, [], "{venue:?} {back}");
        }
    }
}

#[tokio::test]
async fn trades_at_the_time_of_the_mark_are_told_apart_by_their_ids() {
    for venue in VENUES {
        let market = Market::new(venue, 2_000).await;
        market.sim.trade("BTC/USD", 1_200);
        let ledger = market.ledger();
        let twins = ledger.windows(2).filter(|w| w[0].time_ns == w[1].time_ns);
        let marks: Vec<_> = twins.map(|w| w[0].clone()).collect();
        for mark in marks.iter().step_by(marks.len() / 8) {
            let replay = market.ask(at(mark)).await.unwrap();
            assert_eq!(ids(&replay), ids_after(&market, mark.id), "{venue:?}");
            assert_eq!(replay.uncovered, [], "{venue:?}");
        }
    }
}

#[tokio::test]
async fn beyond_the_budget_the_rest_is_told_as_uncovered() {
    join_all(VENUES.map(|venue| async move {
        let market = Market::new(venue, 42_500).await;
        let mark = market.back(42_400);
        let replay = market.ask(at(&mark)).await.unwrap();
        assert_eq!(market.requests(), 40, "{venue:?}");
        let missing = ids_after(&market, mark.id).len() - replay.trades.len();
        // pages after a moment overlap a little
        assert!((2_400..2_600).contains(&missing), "{venue:?}: {missing}");
        let [(after, before)] = replay.uncovered[..] else {
            panic!("{venue:?}: {:?}", replay.uncovered);
        };
        let had = ids(&replay);
        for trade in market.ledger().iter().filter(|t| t.id > mark.id) {
            let covered = had.binary_search(&trade.id).is_ok();
            let in_hole = (after..=before).contains(&time(trade));
            assert!(covered || in_hole, "{venue:?} {}", trade.id);
        }
        assert_eq!(had.last(), Some(&market.back(0).id), "{venue:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_failing_first_question_is_an_error_and_a_later_one_a_hole() {
    join_all(VENUES.map(|venue| async move {
        let market = Market::new(venue, 4_000).await;
        let mark = market.back(3_900);
        market.sim.faults().rest_trades_answers = Some(0);
        let error = market.ask(at(&mark)).await.unwrap_err();
        assert_eq!(error.code(), "unreachable", "{venue:?}");
        market.sim.faults().rest_trades_answers = Some(2);
        let replay = market.ask(at(&mark)).await.unwrap();
        assert_part(&market, &mark, &replay, venue);
    }))
    .await;
}

#[tokio::test]
async fn the_deadline_ends_it_with_what_is_there() {
    join_all(VENUES.map(|venue| async move {
        let market = Market::new(venue, 4_000).await;
        let mark = market.back(3_900);
        market.sim.faults().rest_trades_then_silence = true;
        market.sim.faults().rest_trades_answers = Some(2);
        let until = Instant::now() + Duration::from_secs(4);
        let replay = market.ask_until(at(&mark), until).await.unwrap();
        assert_part(&market, &mark, &replay, venue);
        let error = market.ask_until(at(&mark), Instant::now()).await;
        assert_eq!(error.unwrap_err().code(), "unreachable", "{venue:?}");
    }))
    .await;
}

/// Two pages of the four that were needed: the newest, and the one next to it or next to the mark.
fn assert_part(market: &Market, mark: &LedgerTrade, replay: &Replay, venue: Venue) {
    let expected = ids_after(market, mark.id);
    let had = ids(replay);
    let oldest_of = |newest: usize| time(&market.back(newest - 1));
    let hole = match venue {
        Venue::Kraken => {
            let early = had.len() - 1_000;
            assert_eq!(had[..early], expected[..early]);
            assert_eq!(had[early..], expected[2_900..]);
            (time(&market.back(3_900 - early)), oldest_of(1_000))
        }
        _ => {
            assert_eq!(had, expected[1_900..], "{venue:?}");
            (time(mark), oldest_of(2_000))
        }
    };
    assert_eq!(replay.uncovered, [hole], "{venue:?}");
    assert_eq!(replay.newest.unwrap().id, market.back(0).id);
}

#[tokio::test]
async fn an_exchange_that_has_forgotten_the_mark_covers_only_what_it_has() {
    for venue in VENUES {
        let market = Market::new(venue, 4_000).await;
        let mark = market.back(3_900);
        for reach in [0, 300, 1_700] {
            market.sim.faults().rest_trades_reach = Some(reach);
            let replay = market.ask(at(&mark)).await.unwrap();
            let all = ids_after(&market, mark.id);
            assert_eq!(ids(&replay), all[3_900 - reach..], "{venue:?} {reach}");
            let [(after, before)] = replay.uncovered[..] else {
                panic!("{venue:?}: {:?}", replay.uncovered);
            };
            assert_eq!(after, time(&mark));
            if reach > 0 {
                assert_eq!(before, time(&market.back(reach - 1)), "{venue:?}");
            }
        }
    }
}

#[tokio::test]
async fn ids_that_begin_anew_leave_everything_before_them_uncovered() {
    for venue in VENUES {
        let market = Market::new(venue, 30).await;
        let first = &market.ledger()[0];
        let mark = TradeMark {
            id: Some(9_000_000),
            time: time(first).plus_nanos(-1_000_000_000),
        };
        let replay = market.ask(mark).await.unwrap();
        assert_eq!(ids(&replay), ids_after(&market, 0), "{venue:?}");
        assert_eq!(replay.uncovered, [(mark.time, time(first))], "{venue:?}");
        // a server that lags behind has nothing to tell, and nothing is missing
        let ahead = TradeMark {
            id: Some(9_000_000),
            time: time(&market.back(0)).plus_nanos(1),
        };
        let replay = market.ask(ahead).await.unwrap();
        assert_eq!((ids(&replay), replay.uncovered), (vec![], vec![]));
    }
}

#[tokio::test]
async fn a_market_without_any_trade_has_nothing_to_tell() {
    for venue in VENUES {
        let market = Market::new(venue, 0).await;
        let time = Timestamp::from_nanos(1);
        let never = market.ask(TradeMark { id: None, time }).await.unwrap();
        assert_eq!((ids(&never), never.newest), (vec![], None), "{venue:?}");
        assert_eq!(never.uncovered, [], "{venue:?}");
        let lost = market.ask(TradeMark { id: Some(7), time }).await.unwrap();
        assert_eq!(lost.uncovered.len(), 1, "{venue:?}");
    }
}

#[tokio::test]
async fn the_mock_has_no_history() {
    let mock = Mock::default();
    let instrument = mock.instruments().await.unwrap().remove(0);
    let mark = TradeMark {
        id: None,
        time: Timestamp::from_nanos(0),
    };
    let error = mock
        .trades_since(&instrument, mark, Instant::now())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "mock:BTC/USD has no history");
    assert!(matches!(error, ProviderError::Refused(_)));
}

#[test]
fn each_exchange_turns_pages_in_its_own_way() {
    use crate::exchange::{Adapter, TradePage};
    let instrument =
        |adapter: &dyn Adapter, native| Instrument::new(adapter.exchange(), "BTC", "USD", native);
    let pages = [
        TradePage::Before(500),
        TradePage::Before(80_001_000),
        TradePage::After(Timestamp::from_nanos(1_790_000_000_149_001_100)),
    ];
    let asked = |adapter: &dyn Adapter, native| {
        let of = instrument(adapter, native);
        pages.map(|page| adapter.ask_trades_page(&of, page).map(|ask| ask.path))
    };
    let path = |text: &str| Some(text.to_owned());
    assert_eq!(
        asked(&Binance, "BTCUSDT"),
        [
            path("/api/v3/historicalTrades?symbol=BTCUSDT&limit=1000&fromId=0"),
            path("/api/v3/historicalTrades?symbol=BTCUSDT&limit=1000&fromId=80000000"),
            None
        ]
    );
    assert_eq!(
        asked(&Coinbase, "BTC-USD"),
        [
            path("/products/BTC-USD/trades?limit=1000&after=500"),
            path("/products/BTC-USD/trades?limit=1000&after=80001000"),
            None
        ]
    );
    assert_eq!(
        asked(&Kraken, "XXBTZUSD"),
        [
            None,
            None,
            path("/0/public/Trades?pair=XXBTZUSD&count=1000&since=1790000000149001100")
        ]
    );
}

#[tokio::test]
async fn old_trades_of_binance_come_from_their_own_address() {
    let market = Market::new(Venue::Binance, 1_500).await;
    let archive = Market::new(Venue::Binance, 1_500).await;
    let options = |history_url| LiveOptions {
        rest_url: Some(market.sim.rest_url()),
        history_url,
        ..LiveOptions::default()
    };
    let mark = at(&market.back(1_400));
    for (history_url, path) in [
        (Some(archive.sim.rest_url() + "/"), &archive.sim),
        (None, &market.sim),
    ] {
        let live = Live::new(Binance, options(history_url)).unwrap();
        let until = Instant::now() + WAIT;
        let replay = live.trades_since(&market.instrument, mark, until).await;
        assert_eq!(replay.unwrap().trades.len(), 1_400);
        let rest = path.counters().rest;
        assert_eq!(rest.get("/api/v3/historicalTrades"), Some(&1));
    }
}
