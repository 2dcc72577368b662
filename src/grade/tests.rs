//! What feeds of all kinds deserve.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::feed::ConnectTimes;
use crate::model::{
    Event, Exchange, Gap, GapReason, GapState, Origin, Price, Qty, Side, Status, StatusState,
    Ticker, Timestamp, Trade,
};

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_790_000_000 * SECOND;

fn market() -> Market {
    Market::new(Exchange::new("grade-test"), "BTC", "USD")
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

/// A trade that took 40 ms to us by the clocks as they are.
fn trade(id: u64, origin: Origin) -> Event {
    let at = START + id as i64 * SECOND / 10;
    Event::Trade(Trade {
        market: market(),
        id,
        price: price("100.0"),
        size: "1".parse::<Qty>().unwrap(),
        side: Side::Buy,
        timestamp: Timestamp::from_nanos(at),
        received_at: Timestamp::from_nanos(at + SECOND / 25),
        origin,
        replayed: false,
        suspect: false,
    })
}

fn ticker(text: &str) -> Event {
    let mut ticker = Ticker::empty(market(), Timestamp::from_nanos(START));
    ticker.price = Some(price(text));
    Event::Ticker(Arc::new(ticker))
}

fn gap(from_id: Option<u64>, state: GapState) -> Event {
    Event::Gap(Arc::new(Gap {
        market: market(),
        stream: Stream::Trades,
        from_id,
        to_id: from_id,
        from: None,
        to: None,
        missing: from_id.map(|_| 1),
        recovered: 0,
        state,
        reason: GapReason::IdHole,
    }))
}

fn status(of: Option<Market>, state: StatusState) -> Event {
    Event::Status(Arc::new(Status {
        exchange: market().exchange(),
        market: of,
        state,
        attempt: 1,
        reason: Some("because".into()),
        stand_in: None,
        timestamp: Timestamp::from_nanos(START),
    }))
}

/// A record of these events, one every 100 ms.
fn record(events: impl IntoIterator<Item = Event>) -> Recorder {
    let mut record = Recorder::new([market()]);
    for (n, event) in events.into_iter().enumerate() {
        record.see(&event, Duration::from_millis(100 * (n as u64 + 1)));
    }
    record
}

/// A ticker and a hundred trades without any trouble.
fn clean_events() -> Vec<Event> {
    let trades = (1..=100).map(|id| trade(id, Origin::Stream));
    [ticker("100.0")].into_iter().chain(trades).collect()
}

fn clean() -> Measurements {
    let millis = |n| Some(Duration::from_millis(n));
    Measurements {
        connect: Some(ConnectTimes {
            dns: millis(5),
            tcp: millis(30),
            proxy: None,
            tls: millis(60),
            upgrade: millis(40),
        }),
        settled: millis(200),
        record: record(clean_events()),
        elapsed: Duration::from_millis(10_200),
        counts: Counts {
            messages: 200,
            ..Counts::default()
        },
        clock: Some(Ok(ClockOffset {
            nanos: 0,
            error_nanos: 1_000_000,
        })),
        contiguous_ids: true,
        own_clock: false,
        behind: vec![(market(), Behind::Trades(0))],
        rest_prices: vec![(
            market(),
            RestPrice::Compared {
                rest: price("100.0").decimal(),
                low: price("99.9").decimal(),
                high: price("100.1").decimal(),
            },
        )],
        unknown: Some(Unknown::Refused("no such pair".into())),
        recovery: Some(Recovery::Cut {
            after: Ok(Duration::from_millis(400)),
            missed: Some(0),
        }),
        cost: Some(Cost {
            cpu: Duration::from_millis(20),
            memory: Some(4_096),
        }),
    }
}

#[track_caller]
fn check<'a>(report: &'a Report, rule: &Rule) -> &'a Check {
    let found = report
        .checks
        .iter()
        .find(|check| check.rule.name == rule.name);
    found.unwrap_or_else(|| panic!("no {}", rule.name))
}

/// What the check of this rule says of a feed that is clean but for this.
#[track_caller]
fn verdict(rule: &Rule, change: impl FnOnce(&mut Measurements)) -> (Option<Grade>, Grade) {
    let mut found = clean();
    change(&mut found);
    let report = judge(&found);
    (check(&report, rule).grade, report.grade())
}

#[test]
fn a_clean_feed_is_an_a_in_everything_that_counts() {
    let report = judge(&clean());
    for check in &report.checks {
        assert!(
            check.grade.is_none_or(|grade| grade == Grade::A),
            "{check:?}"
        );
    }
    assert_eq!(report.grade(), Grade::A);
    let places = report.checks.iter().map(|check| {
        let place = RULES.iter().position(|rule| rule.name == check.rule.name);
        place.expect("every check has a rule")
    });
    assert!(places.is_sorted(), "in the order of the rules");
}

#[test]
fn every_rule_is_used_and_says_what_it_measures() {
    let report = judge(&clean());
    for rule in RULES {
        check(&report, rule);
        assert!(
            rule.about.len() > 10 && !rule.about.ends_with('.'),
            "{rule:?}"
        );
    }
    let mut names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), RULES.len());
}

#[test]
fn the_grade_of_all_is_the_worst_that_counts() {
    let (slow, all) = verdict(&rules::TCP, |found| {
        found.connect.as_mut().unwrap().tcp = Some(Duration::from_millis(700));
    });
    assert_eq!((slow, all), (Some(Grade::C), Grade::C));
}

#[test]
fn the_text_of_a_rule_is_what_it_grades_by() {
    assert_eq!(
        rules::GAPS.text(),
        "A ≤ 0 gaps, D ≤ 1 gaps, else F",
        "grades that cannot be reached are left out"
    );
    assert_eq!(rules::GAPS.grade(0.0), Some(Grade::A));
    assert_eq!(rules::GAPS.grade(1.0), Some(Grade::D));
    assert_eq!(rules::GAPS.grade(2.0), Some(Grade::F));
    assert_eq!(
        rules::ID_DENSITY.text(),
        "A ≥ 100 %, B ≥ 99.99 %, C ≥ 99.9 %, D ≥ 99 %, else F"
    );
    assert_eq!(rules::ID_DENSITY.grade(99.95), Some(Grade::C));
    assert_eq!(
        rules::UNKNOWN_SYMBOL.text(),
        "refused: A, silent: A, answered: F, disturbed: F"
    );
    assert_eq!(rules::RATE.text(), "informs, does not count");
    assert_eq!(rules::RATE.grade(0.0), None);
}

#[test]
fn a_hole_that_stays_costs_more_than_one_that_was_repaired() {
    let events = |hole: u64, repaired: bool| {
        let mut events = vec![ticker("100.0")];
        for id in 1..=100 {
            if id != hole {
                events.push(trade(id, Origin::Stream));
            } else if repaired {
                events.push(trade(id, Origin::Repair));
                events.push(gap(Some(id), GapState::Repaired));
            } else {
                events.push(gap(Some(id), GapState::Unrepairable));
            }
        }
        record(events)
    };
    let report = |repaired| {
        judge(&Measurements {
            record: events(50, repaired),
            ..clean()
        })
    };
    let (mended, open) = (report(true), report(false));
    assert_eq!(check(&mended, &rules::REPAIRED).grade, Some(Grade::B));
    assert_eq!(check(&mended, &rules::GAPS).grade, Some(Grade::A));
    let note = check(&mended, &rules::GAPS).note.as_deref();
    assert_eq!(note, Some("1 more repaired"));
    assert_eq!(mended.grade(), Grade::B);
    assert_eq!(check(&open, &rules::GAPS).grade, Some(Grade::D));
    assert_eq!(
        check(&open, &rules::ID_DENSITY).value,
        Some(Value::Number(99.0))
    );
    assert_eq!(open.grade(), Grade::D);
}

#[test]
fn many_holes_that_stay_are_an_f() {
    let events = (1..=100).filter(|id| id % 10 != 0).flat_map(|id| {
        let hole = (id > 1 && id % 10 == 1).then(|| gap(Some(id - 1), GapState::Unrepairable));
        hole.into_iter().chain([trade(id, Origin::Stream)])
    });
    let record = record([ticker("100.0")].into_iter().chain(events));
    let (gaps, all) = verdict(&rules::GAPS, |found| found.record = record);
    assert_eq!((gaps, all), (Some(Grade::F), Grade::F));
}

#[test]
fn a_trade_handed_on_twice_or_backwards_is_an_f() {
    for again in [100, 99, 1] {
        let mut events = clean_events();
        events.push(trade(again, Origin::Stream));
        let (order, _) = verdict(&rules::TOLD_IN_ORDER, |found| found.record = record(events));
        assert_eq!(order, Some(Grade::F), "{again}");
    }
}

#[test]
fn an_exchange_that_counts_anew_is_not_out_of_order() {
    let mut events = clean_events();
    events.push(gap(None, GapState::Unrepairable));
    events.extend((1..=3).map(|id| trade(id, Origin::Stream)));
    let (order, _) = verdict(&rules::TOLD_IN_ORDER, |found| found.record = record(events));
    assert_eq!(order, Some(Grade::A));
}

#[test]
fn duplicates_reordering_and_garbage_are_graded_by_their_share() {
    let counts = |duplicates, reordered, bad_frames| Counts {
        messages: 200,
        duplicates,
        reordered,
        bad_frames,
        interruptions: 0,
    };
    let cases: [(&Rule, Counts, Grade); 6] = [
        (&rules::DUPLICATES, counts(1, 0, 0), Grade::C),
        (&rules::DUPLICATES, counts(30, 0, 0), Grade::F),
        (&rules::REORDERED, counts(0, 1, 0), Grade::C),
        (&rules::REORDERED, counts(0, 15, 0), Grade::D),
        (&rules::BAD_FRAMES, counts(0, 0, 2), Grade::C),
        (&rules::BAD_FRAMES, counts(0, 0, 100), Grade::F),
    ];
    for (rule, counts, grade) in cases {
        let found = verdict(rule, |found| found.counts = counts);
        assert_eq!(found, (Some(grade), grade), "{}", rule.name);
    }
}

#[test]
fn a_ticker_that_never_comes_is_an_f_but_a_quiet_market_is_none() {
    let nothing = Measurements {
        record: record([]),
        ..clean()
    };
    let report = judge(&nothing);
    assert_eq!(check(&report, &rules::FIRST_DATA).grade, Some(Grade::F));
    let quiet = Measurements {
        record: record([ticker("100.0")]),
        ..clean()
    };
    assert_eq!(judge(&quiet).grade(), Grade::A);
}

#[test]
fn a_stream_that_does_not_tell_what_rest_knows_is_an_f() {
    let behind = |behind| move |found: &mut Measurements| found.behind = vec![(market(), behind)];
    let found = verdict(&rules::BEHIND, behind(Behind::Trades(1)));
    assert_eq!(found, (Some(Grade::F), Grade::F));
    let found = verdict(&rules::BEHIND, behind(Behind::Unknown("no history".into())));
    assert_eq!(found, (None, Grade::A));
}

#[test]
fn latencies_are_corrected_by_the_clocks_and_count_only_where_these_are_known() {
    let clock = |clock| Measurements { clock, ..clean() };
    let offset = |nanos, error_nanos| Some(Ok(ClockOffset { nanos, error_nanos }));
    let p50 = |found: &Measurements| {
        let report = judge(found);
        let check = check(&report, &rules::LATENCY_P50);
        (check.value, check.grade)
    };
    let number = |millis| Some(Value::Number(millis));
    assert_eq!(p50(&clock(offset(0, 0))), (number(40.0), Some(Grade::A)));
    // The exchange's clock is ahead: its trades are older than their times say.
    assert_eq!(
        p50(&clock(offset(SECOND, 0))),
        (number(1_040.0), Some(Grade::D))
    );
    assert_eq!(
        p50(&clock(offset(SECOND, SECOND / 2))),
        (number(1_040.0), None)
    );
    let refused = Some(Err("tells no time".to_string()));
    assert_eq!(p50(&clock(refused)), (number(40.0), None));
    let own_clock = Measurements {
        own_clock: true,
        ..clock(None)
    };
    assert_eq!(p50(&own_clock), (None, None));
}

#[test]
fn repaired_trades_say_nothing_about_latency() {
    let events = (1..=100).map(|id| trade(id, Origin::Repair));
    let report = judge(&Measurements {
        record: record(events),
        ..clean()
    });
    assert_eq!(check(&report, &rules::LATENCY_P99).value, None);
    assert_eq!(check(&report, &rules::REPAIRED).grade, Some(Grade::F));
}

#[test]
fn a_rest_price_is_judged_by_how_far_it_is_outside_of_the_streams() {
    let compared = |rest: &str| RestPrice::Compared {
        rest: price(rest).decimal(),
        low: price("100").decimal(),
        high: price("200").decimal(),
    };
    let cases = [
        (compared("100"), Some(Grade::A)),
        (compared("150"), Some(Grade::A)),
        (compared("200.02"), Some(Grade::A)),
        (compared("99.96"), Some(Grade::B)),
        (compared("99.9"), Some(Grade::C)),
        (compared("202"), Some(Grade::D)),
        (compared("50"), Some(Grade::F)),
        (RestPrice::NoAnswer("HTTP 500".into()), Some(Grade::D)),
        (RestPrice::Unknown("asked too often".into()), None),
    ];
    for (price, grade) in cases {
        let text = format!("{price:?}");
        let found = verdict(&rules::REST_PRICE, |found| {
            found.rest_prices = vec![(market(), price)];
        });
        assert_eq!(found.0, grade, "{text}");
    }
}

#[test]
fn an_unknown_symbol_may_be_refused_or_ignored_but_must_not_harm() {
    let cases = [
        (Unknown::Refused("no".into()), Some(Grade::A)),
        (Unknown::Silent, Some(Grade::A)),
        (Unknown::Answered, Some(Grade::F)),
        (Unknown::Disturbed("closed".into()), Some(Grade::F)),
        (Unknown::NotTried("busy".into()), None),
    ];
    for (unknown, grade) in cases {
        let text = format!("{unknown:?}");
        let found = verdict(&rules::UNKNOWN_SYMBOL, |found| {
            found.unknown = Some(unknown)
        });
        assert_eq!(found.0, grade, "{text}");
    }
}

#[test]
fn a_recovery_has_to_be_quick_and_complete() {
    let cut = |after, missed| Some(Recovery::Cut { after, missed });
    let seconds = |n| Ok(Duration::from_secs(n));
    let time = |recovery| verdict(&rules::RECOVERY, |found| found.recovery = recovery).0;
    assert_eq!(time(cut(seconds(1), Some(0))), Some(Grade::A));
    assert_eq!(time(cut(seconds(7), Some(0))), Some(Grade::C));
    assert_eq!(time(cut(Err("never".into()), None)), Some(Grade::F));
    assert_eq!(time(Some(Recovery::NotTried("no line".into()))), None);
    let missed = |n| {
        verdict(&rules::RECOVERY_MISSED, |found| {
            found.recovery = cut(seconds(1), n);
        })
    };
    assert_eq!(missed(Some(0)).0, Some(Grade::A));
    assert_eq!(missed(Some(1)), (Some(Grade::F), Grade::F));
    assert_eq!(missed(None).0, None);
}

#[test]
fn silence_at_the_end_is_silence_and_that_before_the_first_event_is_not() {
    let report = judge(&Measurements {
        elapsed: Duration::from_secs(60),
        ..clean()
    });
    let trades = report.checks.iter().find(|check| {
        check.rule.name == rules::LONGEST_SILENCE.name && check.stream == Some(Stream::Trades)
    });
    // The last of 101 events came at 10.1 s.
    let Some(Value::Number(seconds)) = trades.unwrap().value else {
        panic!("{trades:?}");
    };
    assert!((seconds - 49.9).abs() < 1e-9, "{seconds}");
}

#[test]
fn only_trouble_of_our_own_markets_counts() {
    let other = Market::new(market().exchange(), "NOSUCH", "USD");
    let record = record([
        status(Some(other), StatusState::Failed),
        status(None, StatusState::Connected),
        status(Some(market()), StatusState::Quiet),
    ]);
    assert_eq!((record.troubles(), record.is_given_up()), (0, false));
    let record = self::record([
        status(Some(market()), StatusState::Stale),
        status(None, StatusState::Failed),
    ]);
    assert_eq!((record.troubles(), record.is_given_up()), (2, true));
    assert_eq!(record.last_trouble(), Some("because"));
}

#[test]
fn a_record_that_goes_on_knows_where_the_one_before_ended() {
    let mut next = record(clean_events()).go_on();
    assert!(!next.has_data());
    assert_eq!(next.last_trade(market()), Some(100));
    next.see(&trade(104, Origin::Stream), Duration::ZERO);
    assert_eq!(next.missing(), 3);
    assert!(next.has_data_of_all());
}

#[test]
fn the_range_of_prices_begins_with_the_one_that_is_known() {
    let mut record = record([ticker("90"), ticker("100")]);
    assert_eq!(
        record.price_range(market()),
        Some((price("100").decimal(), price("100").decimal()))
    );
    record.watch_prices();
    for text in ["101", "99.5", "100.5"] {
        record.see(&ticker(text), Duration::ZERO);
    }
    assert_eq!(
        record.price_range(market()),
        Some((price("99.5").decimal(), price("101").decimal()))
    );
}

proptest! {
    #[test]
    fn a_worse_number_is_never_graded_better(a in -10.0..1e6, b in -10.0..1e6) {
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        for rule in RULES {
            let (low, high) = (rule.grade(low), rule.grade(high));
            match rule.scale {
                Scale::AtMost(_) => prop_assert!(low <= high, "{}", rule.name),
                Scale::AtLeast(_) => prop_assert!(low >= high, "{}", rule.name),
                Scale::Words(_) | Scale::Informs => prop_assert_eq!((low, high), (None, None)),
            }
        }
    }

    #[test]
    fn no_measurement_panics(
        ids in prop::collection::vec(0_u64..50, 0..40),
        counts in prop::array::uniform5(0_u64..100),
        offset in any::<i64>(),
    ) {
        let [messages, bad_frames, duplicates, reordered, interruptions] = counts;
        let found = Measurements {
            record: record(ids.into_iter().map(|id| trade(id, Origin::Stream))),
            counts: Counts { messages, bad_frames, duplicates, reordered, interruptions },
            clock: Some(Ok(ClockOffset { nanos: offset, error_nanos: 1 })),
            ..Measurements::default()
        };
        prop_assert!(judge(&found).checks.len() > 10);
    }
}
