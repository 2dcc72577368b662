//! Which questions are asked, and when.

use super::*;

struct Probe {
    core: Core,
    out: Vec<Event>,
    now: u64,
}

fn market(exchange: &'static str, n: usize) -> Market {
    Market::new(Exchange::new(exchange), &format!("A{n}"), "USD")
}

impl Probe {
    /// So many markets of an exchange, of which trade 1 was told.
    fn new(markets: &[Market]) -> Self {
        let (core, out) = (Core::default(), Vec::new());
        let mut probe = Self { core, out, now: 0 };
        for &market in markets {
            probe.core.add(market, Stream::Trades, true);
            let first = Trade {
                replayed: true,
                ..trade(market, 0, 0)
            };
            probe.apply(first);
            probe.apply(trade(market, 1, 1));
        }
        probe
    }

    fn apply(&mut self, trade: Trade) {
        self.core
            .apply(Event::Trade(trade), self.now, &mut self.out);
    }

    fn wait(&mut self, millis: u64) -> Vec<(Market, u64)> {
        self.now += millis * MILLI;
        self.core.on_timer(self.now, &mut self.out);
        self.asked()
    }

    /// The markets that were asked about, and the numbers of the questions.
    fn asked(&mut self) -> Vec<(Market, u64)> {
        let effects = self.core.take_effects().into_iter();
        let asked = effects.map(|effect| match effect {
            Effect::Repair { market, ticket, .. } => (market, ticket),
        });
        asked.collect()
    }

    fn answer(&mut self, (market, ticket): (Market, u64), ids: impl IntoIterator<Item = u64>) {
        let trades: Vec<_> = ids.into_iter().map(|id| trade(market, id, id)).collect();
        let replay = Replay {
            missing: Vec::new(),
            newest: trades.last().copied(),
            trades,
            uncovered: Vec::new(),
        };
        self.core
            .on_repaired(market, ticket, Ok(replay), self.now, &mut self.out);
    }

    fn told(&mut self, market: Market) -> Vec<u64> {
        let trades = self.out.iter().filter_map(|event| match event {
            Event::Trade(trade) if trade.market == market => Some(trade.id),
            _ => None,
        });
        trades.collect()
    }
}

#[test]
fn a_repair_in_one_market_delays_no_other() {
    let markets = [market("effects-a", 0), market("effects-a", 1)];
    let mut probe = Probe::new(&markets);
    probe.apply(trade(markets[0], 3, 3));
    assert_eq!(probe.wait(250).len(), 1);
    probe.apply(trade(markets[0], 4, 4));
    probe.apply(trade(markets[1], 2, 2));
    assert_eq!(probe.told(markets[0]), [1]);
    assert_eq!(probe.told(markets[1]), [1, 2]);
}

#[test]
fn repairs_beyond_the_limit_of_an_exchange_queue_and_other_exchanges_do_not() {
    let own: Vec<_> = (0..=REPAIRS_AT_ONCE)
        .map(|n| market("effects-b", n))
        .collect();
    let other = market("effects-c", 0);
    let mut probe = Probe::new(&[own.clone(), vec![other]].concat());
    for &market in own.iter().chain([&other]) {
        probe.apply(trade(market, 3, 3));
    }
    let asked = probe.wait(250);
    assert_eq!(asked.len(), REPAIRS_AT_ONCE + 1);
    assert!(asked.iter().any(|(market, _)| *market == other));
    let last = *own.last().unwrap();
    assert!(!asked.iter().any(|(market, _)| *market == last));
    let first = *asked.iter().find(|(market, _)| *market == own[0]).unwrap();
    probe.answer(first, [2, 3]);
    let asked = probe.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].0, last);
    probe.answer(asked[0], [2, 3]);
    assert_eq!(probe.told(last), [1, 2, 3]);
}

#[test]
fn a_hole_that_holds_up_trades_is_asked_about_before_a_quiet_market() {
    let markets: Vec<_> = (0..REPAIRS_AT_ONCE + 2)
        .map(|n| market("effects-d", n))
        .collect();
    let mut probe = Probe::new(&markets);
    let [running @ .., quiet, holed] = &markets[..] else {
        unreachable!("there are so many")
    };
    for &market in running {
        probe.apply(trade(market, 3, 3));
    }
    let asked = probe.wait(250);
    probe.core.suspect(*quiet, GapReason::Stall, probe.now);
    assert_eq!(probe.wait(1), []);
    probe.apply(trade(*holed, 3, 3));
    assert_eq!(probe.wait(250), []);
    probe.answer(asked[0], [2, 3]);
    assert_eq!(probe.asked()[0].0, *holed);
    probe.answer(asked[1], [2, 3]);
    assert_eq!(probe.asked()[0].0, *quiet);
}

#[test]
fn a_market_that_is_forgotten_makes_room_and_its_answer_is_ignored() {
    let markets: Vec<_> = (0..=REPAIRS_AT_ONCE)
        .map(|n| market("effects-e", n))
        .collect();
    let mut probe = Probe::new(&markets);
    for &market in &markets {
        probe.apply(trade(market, 3, 3));
    }
    let asked = probe.wait(250);
    probe.core.forget_trades(asked[0].0);
    assert_eq!(probe.core.deadline(), Some(0));
    let next = probe.wait(0);
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].0, markets[REPAIRS_AT_ONCE]);
    let before = probe.told(asked[0].0);
    probe.answer(asked[0], [2, 3]);
    assert_eq!(probe.told(asked[0].0), before);
}

#[test]
fn a_frame_on_its_way_when_the_last_subscriber_left_does_not_haunt_the_next_one() {
    let market = market("effects-h", 0);
    let mut probe = Probe::new(&[market]);
    let sign = |core: &mut Core, sign: fn(Vec<(Market, Stream)>) -> Sign, now| {
        let at = Timestamp::from_nanos(0);
        core.on_sign(&sign(vec![(market, Stream::Trades)]), now, at);
    };
    probe.core.forget_trades(market);
    // Its ticker goes on.
    probe.core.add(market, Stream::Ticker, true);
    probe.apply(trade(market, 2, 2));
    sign(&mut probe.core, Sign::Subscribed, probe.now);
    sign(&mut probe.core, Sign::Lost, probe.now);
    probe.core.suspect(market, GapReason::Stall, probe.now);
    assert_eq!(probe.wait(3_600_000), []);
    assert_eq!(probe.core.begins_at(market), None);
    probe.core.add(market, Stream::Trades, true);
    assert_eq!(probe.core.last_id(market), None);
    probe.apply(trade(market, 5_000, 5_000));
    assert_eq!(probe.wait(250), []);
    probe.apply(trade(market, 5_001, 5_001));
    assert_eq!(probe.told(market), [1, 5_000, 5_001]);
}

#[test]
fn where_the_stream_begins_is_known_until_a_trade_says_it() {
    let market = market("effects-i", 0);
    let mut core = Core::default();
    core.add(market, Stream::Trades, true);
    assert_eq!(core.begins_at(market), None);
    for at in [7, 9] {
        let topics = vec![(market, Stream::Trades)];
        core.on_sign(&Sign::Subscribed(topics), 0, Timestamp::from_nanos(at));
    }
    assert_eq!(core.begins_at(market), Some(Timestamp::from_nanos(7)));
    core.apply(Event::Trade(trade(market, 1, 1)), 0, &mut Vec::new());
    core.on_timer(250 * MILLI, &mut Vec::new());
    assert_eq!(
        (core.begins_at(market), core.last_id(market)),
        (None, Some(1))
    );
}

#[test]
fn no_stream_is_held_up_for_longer_than_10_s_however_many_are() {
    let markets: Vec<_> = (0..10 * REPAIRS_AT_ONCE)
        .map(|n| market("effects-j", n))
        .collect();
    let mut probe = Probe::new(&markets);
    for &market in &markets {
        probe.apply(trade(market, 5, 5));
    }
    probe.wait(9_999);
    assert!(markets.iter().all(|&market| probe.told(market) == [1]));
    probe.wait(1);
    assert!(markets.iter().all(|&market| probe.told(market) == [1, 5]));
}

#[test]
fn an_answer_under_an_old_number_is_ignored() {
    let market = market("effects-f", 0);
    let mut probe = Probe::new(&[market]);
    probe.apply(trade(market, 3, 3));
    let first = probe.wait(250)[0];
    let error = Err(ProviderError::Unreachable("no".into()));
    probe
        .core
        .on_repaired(market, first.1, error, probe.now, &mut probe.out);
    let second = probe.wait(500)[0];
    assert_ne!(first.1, second.1);
    probe.answer(first, [2, 3]);
    assert_eq!(probe.told(market), [1]);
    probe.answer(second, [2, 3]);
    assert_eq!(probe.told(market), [1, 2, 3]);
}

#[test]
fn only_signs_about_trades_count() {
    let market = market("effects-g", 0);
    let mut probe = Probe::new(&[market]);
    let topic = |stream| vec![(market, stream)];
    for (stream, asked) in [(Stream::Ticker, 0), (Stream::Trades, 1)] {
        for sign in [Sign::Lost(topic(stream)), Sign::Subscribed(topic(stream))] {
            let at = Timestamp::from_nanos(0);
            probe.core.on_sign(&sign, probe.now, at);
        }
        assert_eq!(probe.wait(1_000).len(), asked, "{stream:?}");
    }
}
