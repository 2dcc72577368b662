//! A feed that tells its own holes: each is told once, in its place.

use proptest::prelude::*;

use super::*;
use crate::model::GapState;

/// A hole that the feed tells, of which `recovered` trades came.
fn hole(from: u64, until: u64, recovered: u64) -> Gap {
    let missing = until - from + 1;
    Gap {
        market: trade(0).market,
        stream: crate::model::Stream::Trades,
        from_id: Some(from),
        to_id: Some(until),
        from: Some(at(from - 1)),
        to: Some(at(until + 1)),
        missing: Some(missing),
        recovered,
        state: match recovered {
            0 => GapState::Unrepairable,
            n if n == missing => GapState::Repaired,
            _ => GapState::Partial,
        },
        reason: GapReason::Reconnect,
    }
}

fn tell(probe: &mut Probe, gap: Gap) -> &mut Probe {
    probe.with(|sequence, now, to| sequence.on_told(Arc::new(gap), now, to))
}

fn recovered(id: u64) -> Trade {
    Trade {
        origin: Origin::Repair,
        ..trade(id)
    }
}

#[test]
fn what_the_feed_calls_lost_is_told_at_once_and_not_looked_for() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    tell(&mut probe, hole(6, 8, 0)).stream([9, 10]);
    assert_eq!(probe.told(), "5 [6..8 0/3 unrepairable reconnect] 9 10");
    probe.wait(30_000);
    assert_eq!((probe.told().as_str(), probe.asked.len()), ("", 0));
    assert!(probe.sequence.is_calm());
    assert_eq!((probe.stats.gaps, probe.stats.missing), (1, 3));
}

#[test]
fn what_the_feed_recovered_comes_before_its_gap() {
    let mut probe = Probe::after(4);
    probe.stream([5]).feed(recovered(6));
    tell(&mut probe, hole(6, 6, 1)).stream([7]);
    assert_eq!(probe.told(), "5 +6 [6..6 1/1 repaired reconnect] 7");
    // of which not all was found
    probe.feed(recovered(9)).feed(recovered(11));
    tell(&mut probe, hole(8, 12, 2)).stream([13]);
    assert_eq!(probe.told(), "+9 +11 [8..12 2/5 partial reconnect] 13");
    assert!(probe.wait(30_000).asked.is_empty());
    assert!(probe.sequence.is_calm());
}

#[test]
fn what_was_lost_on_the_way_to_us_is_repaired_before_it() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    // 6 to 8 did not reach us; 10 to 12 nobody has
    tell(probe.stream([9]), hole(10, 12, 0))
        .stream([13, 14])
        .patience();
    assert_eq!((probe.told().as_str(), &probe.asked[..]), ("5", &[5][..]));
    probe.answer(has([6, 7, 8, 9, 13, 14]));
    assert_eq!(
        probe.told(),
        "+6 +7 +8 [6..8 3/3 repaired id_hole] 9 [10..12 0/3 unrepairable reconnect] 13 14"
    );
    assert!(probe.wait(30_000).sequence.is_calm());
    assert_eq!(probe.told(), "");
}

#[test]
fn a_hole_after_which_nothing_comes_is_told_when_what_is_before_it_is_there() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    // 6 to 8 did not reach us, and the market is silent from now on
    tell(&mut probe, hole(9, 10, 0)).patience();
    assert_eq!(probe.asked, [5]);
    let missing = vec![(9, 10)];
    probe.answer(has([6, 7, 8]).map(|replay| Replay { missing, ..replay }));
    assert_eq!(
        probe.told(),
        "5 +6 +7 +8 [6..8 3/3 repaired id_hole] [9..10 0/2 unrepairable reconnect]"
    );
    probe.stream([11]);
    assert_eq!(probe.told(), "11");
    assert!(probe.sequence.is_calm());
}

#[test]
fn a_source_that_knows_of_its_losses_leaves_none_of_them_untold() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    probe.sequence.interrupt(GapReason::Reconnect);
    // it lost 7 and 8 itself while we were away
    probe.subscribed_at(at(0)).stream([10]).patience();
    let missing = vec![(7, 8)];
    probe.answer(has([6, 9, 10]).map(|replay| Replay { missing, ..replay }));
    assert_eq!(probe.told(), "5 +6 +9 [6..9 2/4 partial reconnect] 10");
}

#[test]
fn a_hole_without_ids_is_where_the_order_begins_anew() {
    let gap = Gap {
        from_id: None,
        to_id: None,
        missing: None,
        ..hole(6, 8, 0)
    };
    let mut probe = Probe::after(1_000);
    probe.stream([1_001]);
    tell(&mut probe, gap).stream([1, 2]).patience();
    probe.stream([3]);
    assert_eq!(probe.told(), "1001 [?..? 0/? unrepairable reconnect] 1 2 3");
    assert!(probe.wait(30_000).sequence.is_calm());
    assert_eq!((probe.told().as_str(), probe.stats.duplicates), ("", 0));
}

#[test]
fn a_repaired_trade_that_did_not_reach_us_is_asked_for() {
    let mut probe = Probe::after(4);
    // the feed has repaired 6 and 7, and told 8 as lost: of that only 7 came
    tell(probe.stream([5]).feed(recovered(7)), hole(6, 8, 2));
    probe.stream([9]).patience();
    assert_eq!(probe.asked, [5]);
    let missing = vec![(8, 8)];
    probe.answer(has([6, 7, 9]).map(|replay| Replay { missing, ..replay }));
    let told = probe.told();
    assert!(told.starts_with("5 +6 "), "{told}");
    assert!(told.contains("[8..8 0/1 unrepairable"), "{told}");
    assert!(told.ends_with(" 9"), "{told}");
}

#[test]
fn a_hole_that_we_have_found_first_is_not_told_again() {
    let mut probe = Probe::after(4);
    probe.stream([5]).feed(recovered(7)).patience();
    let missing = vec![(6, 8)];
    probe.answer(has([7]).map(|replay| Replay { missing, ..replay }));
    tell(&mut probe, hole(6, 7, 1)).stream([8]);
    let told = probe.told();
    assert_eq!(told.matches("[6..").count(), 1, "{told}");
    assert!(told.ends_with(" 8"), "{told}");
}

#[test]
fn the_end_leaves_no_hole_untold() {
    let mut probe = Probe::after(4);
    tell(probe.stream([5]), hole(9, 10, 0));
    probe.finish();
    assert!(probe.told().contains("[9..10 0/2 unrepairable reconnect]"));
}

#[test]
fn a_feed_that_tells_holes_without_end_is_not_waited_for() {
    let mut probe = Probe::after(4);
    probe.stream([5]);
    for n in 0..10_000 {
        let from = 100 + 3 * n;
        tell(&mut probe, hole(from, from, 0));
    }
    assert!(probe.sequence.told_holes.len() <= 64);
    probe.finish();
    assert_eq!(probe.told().matches("unrepairable").count(), 10_000);
}

/// What the feed says, in order.
#[derive(Debug, Clone)]
enum Said {
    Trade(u64),
    Recovered(u64),
    Gap(Gap),
}

/// Runs of trades with holes between them, of which parts were recovered.
fn feed() -> impl Strategy<Value = Vec<Said>> {
    let part = (1u64..4, prop::collection::vec(any::<bool>(), 0..4));
    prop::collection::vec(part, 1..8).prop_map(|parts| {
        let (mut said, mut next) = (Vec::new(), 5);
        for (run, holes) in parts {
            said.extend((next..next + run).map(Said::Trade));
            next += run;
            let from = next;
            for is_recovered in &holes {
                if *is_recovered {
                    said.push(Said::Recovered(next));
                }
                next += 1;
            }
            if next > from {
                let recovered = holes.iter().filter(|is| **is).count() as u64;
                said.push(Said::Gap(hole(from, next - 1, recovered)));
            }
        }
        said.push(Said::Trade(next));
        said
    })
}

proptest! {
    /// Whatever part of the feed does not reach us: ids rise, and each one is a trade or in exactly one gap as missing.
    #[test]
    fn every_id_is_told_once_as_a_trade_or_as_missing(
        said in feed(), cut in 0usize..40, length in 0usize..12, waits in prop::collection::vec(0u64..400, 60),
    ) {
        let lost = cut..cut + length;
        let has_trade: Vec<u64> = said.iter().filter_map(|said| match said {
            Said::Trade(id) | Said::Recovered(id) => Some(*id),
            Said::Gap(_) => None,
        }).collect();
        let gaps: Vec<(u64, u64)> = said.iter().filter_map(|said| match said {
            Said::Gap(gap) => gap.from_id.zip(gap.to_id),
            _ => None,
        }).collect();
        let last = *has_trade.last().unwrap();
        let mut probe = Probe::after(4);
        let mut answered = 0;
        let mut answer = |probe: &mut Probe| {
            while answered < probe.asked.len() {
                answered = probe.asked.len();
                let after = *probe.asked.last().unwrap();
                let trades = has_trade.iter().copied().filter(|id| *id > after);
                let missing = gaps.clone();
                probe.answer(has(trades).map(|replay| Replay { missing, ..replay }));
            }
        };
        for (n, said) in said.iter().enumerate() {
            // the last one arrives, so that what is before it can be known
            let arrives = !lost.contains(&n) || matches!(said, Said::Trade(id) if *id == last);
            match said {
                _ if !arrives => {}
                Said::Trade(id) => { probe.feed(trade(*id)); }
                Said::Recovered(id) => { probe.feed(recovered(*id)); }
                Said::Gap(gap) => { tell(&mut probe, gap.clone()); }
            }
            // A hole, and what was recovered of it, are told at once.
            if matches!(said, Said::Trade(_)) {
                probe.wait(waits[n % waits.len()]);
                answer(&mut probe);
            }
        }
        for _ in 0..20 {
            probe.wait(1_000);
            answer(&mut probe);
        }
        probe.finish();
        let (mut told, mut missing) = (Vec::new(), Vec::new());
        for event in &probe.out {
            match event {
                Event::Trade(trade) => told.push(trade.id),
                Event::Gap(gap) => {
                    let ends = gap.from_id.zip(gap.to_id).filter(|_| gap.is_loss());
                    missing.extend(ends.into_iter().flat_map(|(from, until)| from..=until));
                }
                other => panic!("{other:?}"),
            }
        }
        prop_assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
        for id in 5..=last {
            let (is_told, is_missing) = (told.contains(&id), missing.iter().filter(|m| **m == id).count());
            prop_assert!(is_told || is_missing > 0, "{id} is silently missing: {:?}", probe.out);
            prop_assert!(is_missing <= 1, "{id} is missing twice: {:?}", probe.out);
            prop_assert_eq!(is_told, has_trade.contains(&id), "{}", id);
        }
    }
}
