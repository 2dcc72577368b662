use std::slice;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{Origin, Price, Side};

const FLOOR: Duration = Duration::from_secs(15);

fn market(n: usize) -> Market {
    Market::new(Exchange::new("fresh"), &format!("FRESH{n}"), "USD")
}

fn trade(market: Market, id: u64, second: u64) -> Trade {
    let at = Timestamp::from_nanos((second * SECOND) as i64);
    Trade {
        market,
        id,
        price: "1".parse().unwrap(),
        size: "1".parse().unwrap(),
        side: Side::Buy,
        timestamp: at,
        received_at: at,
        origin: Origin::Stream,
        replayed: false,
        suspect: false,
    }
}

fn ticker(market: Market, price: &str, second: Option<u64>) -> Ticker {
    let at = |second| Timestamp::from_nanos((second * SECOND) as i64);
    Ticker {
        price: Some(price.parse::<Price>().unwrap()),
        timestamp: second.map(at),
        ..Ticker::empty(market, at(second.unwrap_or(0)))
    }
}

/// A world with a clock of whole seconds.
struct World {
    freshness: Freshness,
    now: u64,
    done: Vec<Action>,
}

impl World {
    fn new(topics: &[(Market, Stream)]) -> Self {
        let mut freshness = Freshness::default();
        for &(market, stream) in topics {
            freshness.add(market, stream, FLOOR, 0);
            freshness.on_line((market, stream), true, 0, Timestamp::from_nanos(0));
        }
        Self {
            freshness,
            now: 0,
            done: Vec::new(),
        }
    }

    fn event(&mut self, event: Event) {
        let now = self.now * SECOND;
        self.freshness.on_event(&event, now, &mut self.done);
    }

    /// One second on; what is to be done by then.
    fn tick(&mut self) -> Vec<Action> {
        self.now += 1;
        self.freshness.on_timer(self.now * SECOND, &mut self.done);
        std::mem::take(&mut self.done)
    }

    /// Until something is to be done, at most so many seconds.
    fn wait(&mut self, seconds: u64) -> Vec<Action> {
        for _ in 0..seconds {
            let done = self.tick();
            if !done.is_empty() {
                return done;
            }
        }
        Vec::new()
    }

    fn answer(&mut self, topic: (Market, Stream), answer: Answer<'_>) -> Vec<Action> {
        let now = self.now * SECOND;
        self.freshness.on_answer(topic, answer, now, &mut self.done);
        std::mem::take(&mut self.done)
    }

    fn line(&mut self, topic: (Market, Stream), is_up: bool) {
        let (now, at) = (
            self.now * SECOND,
            Timestamp::from_nanos((self.now * SECOND) as i64),
        );
        self.freshness.on_line(topic, is_up, now, at);
    }
}

#[test]
fn trades_that_were_fetched_over_rest_do_not_cure_a_dead_stream() {
    let topic = (market(31), Stream::Trades);
    let mut world = World::new(&[topic]);
    let question = Action::Ask(topic.0, topic.1, Question::Trade);
    let attempts = [
        Action::Resubscribe(topic.0, topic.1),
        Action::Move(topic.0, topic.1),
    ];
    world.event(Event::Trade(trade(topic.0, 1, 0)));
    for (id, attempt) in (2..).zip(attempts) {
        assert_eq!(world.wait(100), slice::from_ref(&question));
        let newest = trade(topic.0, id, world.now);
        let mut done = world.answer(topic, Answer::Trade(Some(&newest)));
        done.extend(world.wait(10));
        assert!(done.contains(&attempt), "{done:?}");
        let repaired = Trade {
            origin: Origin::Repair,
            ..newest
        };
        world.event(Event::Trade(repaired));
        assert_eq!(world.done, []);
    }
    world.event(Event::Trade(trade(topic.0, 4, world.now)));
    assert!(matches!(world.done[..], [Action::Cured(..)]));
}

#[test]
fn a_silence_far_beyond_the_cadence_is_asked_about_and_one_that_the_exchange_confirms_is_quiet() {
    let topic = (market(1), Stream::Trades);
    let mut world = World::new(&[topic]);
    for id in 1..=20 {
        world.event(Event::Trade(trade(topic.0, id, world.now)));
        for _ in 0..2 {
            assert_eq!(world.tick(), []);
        }
    }
    let asked_at = world.now;
    assert_eq!(
        world.wait(100),
        [Action::Ask(topic.0, topic.1, Question::Trade)]
    );
    // A pause of two seconds: odd after 20 times as long.
    assert!(
        (38..=41).contains(&(world.now - asked_at)),
        "{}",
        world.now - asked_at
    );
    let newest = trade(topic.0, 20, 0);
    assert_eq!(
        world.answer(topic, Answer::Trade(Some(&newest))),
        [Action::Quiet(topic.0)]
    );
    world.event(Event::Trade(trade(topic.0, 21, world.now)));
    assert_eq!(world.done, [Action::Cured(topic.0, topic.1, 0)]);
}

#[test]
fn a_quiet_market_is_told_once_and_asked_about_ever_more_rarely() {
    let topic = (market(2), Stream::Trades);
    let mut world = World::new(&[topic]);
    let (mut quiet, mut asked) = (0, Vec::new());
    while world.now < 24 * 3_600 {
        for action in world.wait(24 * 3_600) {
            match action {
                Action::Ask(..) => {
                    asked.push(world.now);
                    quiet += world.answer(topic, Answer::Trade(None)).len();
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(quiet, 1);
    assert!(asked.windows(3).all(|w| w[2] - w[1] + 2 >= w[1] - w[0]));
    assert!((280..320).contains(&asked.len()), "{}", asked.len());
}

#[test]
fn a_dead_stream_is_subscribed_anew_then_moved_then_tried_again_until_it_is_cured() {
    let topic = (market(3), Stream::Trades);
    let mut world = World::new(&[topic]);
    world.event(Event::Trade(trade(topic.0, 1, 0)));
    assert_eq!(
        world.wait(60),
        [Action::Ask(topic.0, topic.1, Question::Trade)]
    );
    let newer = trade(topic.0, 5, 9);
    let answer = |world: &mut World| world.answer(topic, Answer::Trade(Some(&newer)));
    // It may be on its way.
    assert_eq!(answer(&mut world), []);
    let done = world.wait(5);
    assert!(matches!(done[0], Action::Stale(..)), "{done:?}");
    assert_eq!(
        done[1..],
        [
            Action::Resubscribe(topic.0, topic.1),
            Action::Missed(topic.0)
        ]
    );
    world.line(topic, true);
    let mut steps = Vec::new();
    for _ in 0..4 {
        assert!(matches!(world.wait(70)[..], [Action::Ask(..)]));
        steps.push((world.now, answer(&mut world)[0].clone()));
    }
    let second_step = Action::Move(topic.0, topic.1);
    assert_eq!(steps[0].1, second_step);
    assert!(
        steps[1..]
            .iter()
            .all(|(_, step)| *step == Action::Resubscribe(topic.0, topic.1))
    );
    assert!(steps[3].0 - steps[2].0 > steps[1].0 - steps[0].0);
    world.event(Event::Trade(trade(topic.0, 6, world.now)));
    assert_eq!(world.done, [Action::Cured(topic.0, topic.1, 5)]);
}

#[test]
fn a_dead_stream_that_was_subscribed_anew_and_missed_nothing_more_is_quiet() {
    let topic = (market(4), Stream::Trades);
    let mut world = World::new(&[topic]);
    world.event(Event::Trade(trade(topic.0, 1, 0)));
    world.wait(60);
    let newer = trade(topic.0, 2, 9);
    world.answer(topic, Answer::Trade(Some(&newer)));
    world.wait(5);
    world.line(topic, true);
    let repaired = Trade {
        origin: Origin::Repair,
        ..newer
    };
    world.event(Event::Trade(repaired));
    assert_eq!(world.done, []);
    world.wait(70);
    let done = world.answer(topic, Answer::Trade(Some(&newer)));
    assert_eq!(done, [Action::Quiet(topic.0)]);
}

#[test]
fn trades_that_are_fetched_do_not_show_that_the_stream_lives_and_its_cure_goes_on() {
    let topic = (market(12), Stream::Trades);
    let mut world = World::new(&[topic]);
    world.event(Event::Trade(trade(topic.0, 1, 0)));
    let mut steps = Vec::new();
    while world.now < 300 {
        let (id, now) = (world.now + 2, world.now);
        let repaired = Trade {
            origin: Origin::Repair,
            ..trade(topic.0, id, now)
        };
        world.event(Event::Trade(repaired));
        world.freshness.on_newest(topic.0, id, now * SECOND);
        let mut actions = world.tick();
        while let Some(action) = actions.pop() {
            match action {
                Action::Ask(..) => {
                    let newest = trade(topic.0, id, now);
                    actions.extend(world.answer(topic, Answer::Trade(Some(&newest))));
                }
                Action::Resubscribe(..) | Action::Move(..) => {
                    world.line(topic, true);
                    steps.push(action);
                }
                Action::Cured(..) => panic!("nothing came over the stream"),
                _ => {}
            }
        }
    }
    let stands = (
        Action::Resubscribe(topic.0, topic.1),
        Action::Move(topic.0, topic.1),
    );
    assert!(
        steps.contains(&stands.0) && steps.contains(&stands.1),
        "{steps:?}"
    );
}

#[test]
fn a_stream_that_is_mute_from_its_start_is_dead_if_trades_have_come_since() {
    let topic = (market(13), Stream::Trades);
    for (second, is_dead) in [(0, false), (9, true)] {
        let mut world = World::new(&[topic]);
        assert!(matches!(world.wait(60)[..], [Action::Ask(..)]));
        let newest = trade(topic.0, 7, second);
        let done = world.answer(topic, Answer::Trade(Some(&newest)));
        assert_eq!(done.is_empty(), is_dead);
        assert_eq!(!world.wait(5).is_empty(), is_dead);
    }
}

#[test]
fn a_market_is_cured_when_all_of_its_streams_are() {
    let topics = [(market(14), Stream::Trades), (market(14), Stream::Ticker)];
    let mut world = World::new(&topics);
    world.event(Event::Trade(trade(topics[0].0, 1, 0)));
    world.event(Event::Ticker(Arc::new(ticker(topics[1].0, "1", None))));
    let mut stale = 0;
    while stale < 2 {
        let mut actions = world.tick();
        while let Some(action) = actions.pop() {
            match action {
                Action::Ask(market, stream, Question::Trade) => {
                    let newest = trade(market, 9, world.now);
                    actions.extend(world.answer((market, stream), Answer::Trade(Some(&newest))));
                }
                Action::Ask(market, stream, Question::Ticker) => {
                    let other = ticker(market, "2", None);
                    actions.extend(world.answer((market, stream), Answer::Ticker(&other)));
                }
                Action::Stale(..) => stale += 1,
                _ => {}
            }
        }
    }
    world.event(Event::Ticker(Arc::new(ticker(topics[1].0, "3", None))));
    assert_eq!(world.done, []);
    world.event(Event::Trade(trade(topics[0].0, 10, world.now)));
    assert!(matches!(world.done[..], [Action::Cured(..)]));
}

#[test]
fn what_was_on_its_way_ends_the_suspicion_without_a_word() {
    let topic = (market(5), Stream::Trades);
    let mut world = World::new(&[topic]);
    world.event(Event::Trade(trade(topic.0, 1, 0)));
    world.wait(60);
    let newer = trade(topic.0, 2, 9);
    world.answer(topic, Answer::Trade(Some(&newer)));
    world.event(Event::Trade(newer));
    assert_eq!(world.wait(10), []);
}

#[test]
fn a_silent_ticker_is_dead_only_if_the_exchange_has_other_values() {
    let topic = (market(6), Stream::Ticker);
    for (theirs, is_dead) in [("1.0", false), ("1.00", false), ("1.1", true)] {
        let mut world = World::new(&[topic]);
        world.event(Event::Ticker(Arc::new(ticker(topic.0, "1.0", None))));
        assert_eq!(
            world.wait(60),
            [Action::Ask(topic.0, topic.1, Question::Ticker)]
        );
        let done = world.answer(topic, Answer::Ticker(&ticker(topic.0, theirs, None)));
        assert_eq!(done.is_empty(), is_dead, "{theirs}");
        assert_eq!(!world.wait(5).is_empty(), is_dead, "{theirs}");
    }
}

#[test]
fn frames_that_repeat_themselves_are_silence() {
    let topic = (market(7), Stream::Ticker);
    let mut world = World::new(&[topic]);
    let same = Arc::new(ticker(topic.0, "1.0", Some(5)));
    let asked = (0..60).find_map(|_| {
        world.event(Event::Ticker(same.clone()));
        world.tick().pop()
    });
    assert!(matches!(asked, Some(Action::Ask(..))), "{asked:?}");
    world.answer(topic, Answer::Ticker(&ticker(topic.0, "2.0", Some(50))));
    let told = (0..5).find_map(|_| {
        world.event(Event::Ticker(same.clone()));
        world.tick().into_iter().next()
    });
    // The times stand still, so trades were asked for, or the values.
    assert!(
        matches!(told, Some(Action::Stale(..) | Action::Ask(..))),
        "{told:?}"
    );
}

#[test]
fn a_clock_that_stands_still_while_trades_come_is_found_and_its_return_is_the_cure() {
    let topic = (market(8), Stream::Trades);
    let mut world = World::new(&[topic]);
    let (mut id, mut seen) = (0, Vec::new());
    while world.now < 120 && seen.len() < 2 {
        id += 1;
        world.event(Event::Trade(trade(topic.0, id, 7)));
        for action in world.tick() {
            if let Action::Ask(..) = action {
                let newest = trade(topic.0, id, world.now);
                seen.extend(world.answer(topic, Answer::Trade(Some(&newest))));
            }
        }
    }
    assert!(
        matches!(seen[..2], [Action::Stale(..), Action::Resubscribe(..)]),
        "{seen:?}"
    );
    world.event(Event::Trade(trade(topic.0, id + 1, 7)));
    assert_eq!(world.done, []);
    world.event(Event::Trade(trade(topic.0, id + 2, 200)));
    assert_eq!(world.done, [Action::Cured(topic.0, topic.1, 1)]);
}

#[test]
fn many_trades_of_one_moment_and_then_silence_are_no_frozen_clock() {
    let topic = (market(10), Stream::Trades);
    let mut world = World::new(&[topic]);
    // a slow market, in which one order meets many
    let mut id = 0;
    for _ in 0..20 {
        for _ in 0..50 {
            id += 1;
            world.event(Event::Trade(trade(topic.0, id, world.now)));
        }
        for _ in 0..40 {
            let newest = trade(topic.0, id, world.now);
            for action in world.tick() {
                let answered = match action {
                    Action::Ask(..) => world.answer(topic, Answer::Trade(Some(&newest))),
                    Action::Cured(_, _, 0) => continue,
                    other => panic!("{other:?}"),
                };
                let is_quiet = |told: &Action| *told == Action::Quiet(topic.0);
                assert!(answered.iter().all(is_quiet), "{answered:?}");
            }
        }
    }
}

#[test]
fn a_ticker_whose_time_is_that_of_the_last_trade_is_no_frozen_clock() {
    let topic = (market(9), Stream::Ticker);
    let mut world = World::new(&[topic]);
    for n in 0..600 {
        let price = format!("{}", 100 + n % 7);
        world.event(Event::Ticker(Arc::new(ticker(topic.0, &price, Some(7)))));
        for action in world.tick() {
            assert!(
                matches!(action, Action::Ask(_, _, Question::Trade)),
                "{action:?}"
            );
            let newest = trade(topic.0, 1, 7);
            assert_eq!(world.answer(topic, Answer::Trade(Some(&newest))), []);
        }
    }
}

#[test]
fn a_lost_line_is_not_asked_about_and_a_confirmation_is_as_good_as_data() {
    let topic = (market(10), Stream::Trades);
    let mut world = World::new(&[topic]);
    world.line(topic, false);
    assert_eq!(world.wait(600), []);
    world.line(topic, true);
    world.event(Event::Trade(trade(topic.0, 1, 0)));
    for _ in 0..600 {
        world.freshness.on_newest(topic.0, 1, world.now * SECOND);
        assert_eq!(world.tick(), []);
    }
}

#[test]
fn silent_candles_are_dead_only_if_something_was_traded_well_after_their_last_state() {
    use crate::model::{Candle, Interval};
    let topic = (market(32), Stream::Candles(Interval::M1));
    let mut world = World::new(&[topic]);
    let first = trade(topic.0, 1, 3);
    world.event(Event::Candle(Arc::new(Candle {
        market: topic.0,
        interval: Interval::M1,
        open_time: Timestamp::from_nanos(0),
        open: first.price,
        high: first.price,
        low: first.price,
        close: first.price,
        volume: first.size,
        quote_volume: None,
        trades: Some(1),
        closed: false,
        complete: true,
        origin: Origin::Stream,
        timestamp: Some(first.timestamp),
        received_at: first.timestamp,
    })));
    let question = Action::Ask(topic.0, topic.1, Question::Trade);
    assert_eq!(world.wait(100), slice::from_ref(&question));
    let told = world.answer(topic, Answer::Trade(Some(&first)));
    assert_eq!(told, [Action::Quiet(topic.0)]);
    assert_eq!(world.wait(1_000), [question]);
    let later = trade(topic.0, 2, 20);
    assert!(world.answer(topic, Answer::Trade(Some(&later))).is_empty());
    let told = world.wait(100);
    assert!(matches!(told[0], Action::Stale(..)), "{told:?}");
    assert_eq!(told[1..], [Action::Resubscribe(topic.0, topic.1)]);
}

#[test]
fn an_exchange_that_does_not_answer_proves_nothing() {
    let topic = (market(11), Stream::Trades);
    let mut world = World::new(&[topic]);
    let mut asked = 0;
    while world.now < 3_600 {
        for action in world.wait(3_600) {
            assert!(matches!(action, Action::Ask(..)), "{action:?}");
            asked += 1;
            assert_eq!(world.answer(topic, Answer::Nothing), []);
        }
    }
    assert!((10..40).contains(&asked), "{asked}");
}

#[test]
fn after_a_sleep_every_topic_is_asked_about() {
    let topics: Vec<_> = (20..30).map(|n| (market(n), Stream::Trades)).collect();
    let mut world = World::new(&topics);
    let now = 5 * SECOND;
    for topic in &topics {
        world.event(Event::Trade(trade(topic.0, 1, 4)));
    }
    world.now = 5;
    world.freshness.doubt_all(now);
    let mut asked = Vec::new();
    for _ in 0..12 {
        for action in world.tick() {
            if let Action::Ask(market, stream, _) = action {
                asked.push(market);
                let newest = trade(market, 1, 4);
                world.answer((market, stream), Answer::Trade(Some(&newest)));
            }
        }
    }
    asked.sort_by_key(|market| market.index());
    asked.dedup();
    assert_eq!(asked.len(), topics.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// One of many is muted: it is found and cured, and no other is touched.
    #[test]
    fn the_muted_one_of_many_is_found_and_no_other_is_touched(
        pauses in prop::collection::vec(1u64..40, 2..60), muted: prop::sample::Index, seed: u64,
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let muted = muted.index(pauses.len());
        let topics: Vec<_> = (0..pauses.len()).map(|n| (market(100 + n), Stream::Trades)).collect();
        let mut world = World::new(&topics);
        // The newest trade that the exchange has, and when it was made.
        let mut has = vec![(0u64, 0u64); topics.len()];
        let (mute_at, mut found_at) = (900, None);
        let mut cured = false;
        while world.now < 3_000 {
            for n in 0..topics.len() {
                if random.u64(0..pauses[n]) == 0 {
                    has[n] = (has[n].0 + 1, world.now);
                    let is_muted = n == muted && world.now >= mute_at && !cured;
                    if !is_muted {
                        world.event(Event::Trade(trade(topics[n].0, has[n].0, world.now)));
                    }
                }
            }
            let mut actions = world.tick();
            while let Some(action) = actions.pop() {
                match action {
                    Action::Ask(of, stream, _) => {
                        let n = topics.iter().position(|topic| topic.0 == of).unwrap();
                        let newest = trade(of, has[n].0, has[n].1);
                        let newest = (has[n].0 > 0).then_some(&newest);
                        actions.extend(world.answer((of, stream), Answer::Trade(newest)));
                    }
                    Action::Stale(of, ..) => {
                        prop_assert_eq!(of, topics[muted].0);
                        found_at.get_or_insert(world.now);
                    }
                    Action::Resubscribe(of, _) | Action::Move(of, _) => {
                        prop_assert_eq!(of, topics[muted].0);
                        cured = true;
                    }
                    Action::Missed(of) => prop_assert_eq!(of, topics[muted].0),
                    Action::Quiet(_) | Action::Cured(..) => {}
                }
            }
        }
        // 20 pauses or the floor, then a question, the grace, and others before it.
        let latest = mute_at + (3 * 20 * pauses[muted]).max(15) + 70;
        prop_assert!(found_at.is_some_and(|at| at <= latest), "{:?} {}", found_at, latest);
    }
}
