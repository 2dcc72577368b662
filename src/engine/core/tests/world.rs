//! A market whose line loses, repeats and swaps trades and breaks, and whose REST side lags, fails and forgets:
//! whatever happens, each trade is told once and in order, or its absence is.

mod script;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::engine::sequence::{REPAIR_BUDGET_NANOS, REPAIR_TRIES};
use crate::model::{Gap, GapState};
use script::{Journey, Outage, Rest, Script, any_rest, healthy, script};

/// Between two trades.
const STEP: u64 = 20;

enum Happening {
    Trade(Trade),
    Lost,
    Subscribed,
    Newest(u64),
    Answer(u64, Result<Replay, ProviderError>),
}

struct World {
    ledger: Vec<Trade>,
    script: Script,
    agenda: BTreeMap<(u64, usize), Happening>,
    core: Core,
    out: Vec<Event>,
    questions: usize,
    /// When each streamed trade came first, and how long the one that waited most has waited.
    arrivals: BTreeMap<u64, u64>,
    longest_wait: u64,
}

fn market() -> Market {
    Market::new(Exchange::new("core-world"), "BTC", "USD")
}

impl World {
    fn new(script: Script) -> Self {
        let mut id = 100;
        let ledger = script.journeys.iter().enumerate().map(|(n, journey)| {
            id += journey.ids;
            // Two share their time now and then.
            let moment = (n as u64 - u64::from(n % 5 == 4)) * STEP;
            trade(market(), id, moment)
        });
        let mut world = Self {
            ledger: ledger.collect(),
            script,
            agenda: BTreeMap::new(),
            core: Core::default(),
            out: Vec::new(),
            questions: 0,
            arrivals: BTreeMap::new(),
            longest_wait: 0,
        };
        world.core.add(market(), Stream::Trades, true);
        world.plan();
        world
    }

    fn at(&mut self, millis: u64, happening: Happening) {
        let key = (millis, self.agenda.len());
        self.agenda.insert(key, happening);
    }

    fn plan(&mut self) {
        self.at(0, Happening::Subscribed);
        let is_down = |outages: &[Outage], n: usize| {
            let mut outages = outages.iter();
            outages.any(|o| (o.from..o.from + o.length).contains(&n))
        };
        let Script {
            journeys, outages, ..
        } = self.script.clone();
        for (n, journey) in journeys.iter().enumerate() {
            let (now, trade) = (n as u64 * STEP, self.ledger[n]);
            if self.script.heartbeats && n % 25 == 24 && !is_down(&outages, n) {
                self.at(now + 5, Happening::Newest(trade.id));
            }
            if self.script.has_lies && n % 40 == 39 {
                self.at(now + 7, Happening::Newest(trade.id + 1_000_000_000_000));
            }
            if journey.is_lost || is_down(&outages, n) {
                continue;
            }
            self.at(now + journey.delay, Happening::Trade(trade));
            if let Some(later) = journey.repeated {
                self.at(now + journey.delay + later, Happening::Trade(trade));
            }
        }
        for outage in &outages {
            let end = (outage.from + outage.length).min(self.ledger.len());
            self.at(outage.from as u64 * STEP, Happening::Lost);
            // Before the first trade after it.
            let up = (end as u64 * STEP).saturating_sub(1);
            for place in end.saturating_sub(outage.snapshot)..end {
                let replayed = true;
                let trade = Trade {
                    replayed,
                    ..self.ledger[place]
                };
                self.at(up, Happening::Trade(trade));
            }
            self.at(up, Happening::Subscribed);
        }
    }

    /// Lets everything happen, and then more time pass than any repair may take.
    fn run(&mut self) {
        let mut now = 0;
        loop {
            let next = self.agenda.first_key_value().map(|(key, _)| key.0 * MILLI);
            let timer = self.core.deadline().map(|at| at.max(now));
            let seen = self.out.len();
            match (next, timer) {
                (Some(next), timer) if timer.is_none_or(|timer| next <= timer) => {
                    now = next;
                    let (_, happening) = self.agenda.pop_first().expect("there is one");
                    self.happen(happening, now);
                    self.core.on_timer(now, &mut self.out);
                }
                (_, Some(timer)) => {
                    assert!(timer < 1_000_000 * MILLI, "there is no end to it");
                    now = timer;
                    self.core.on_timer(now, &mut self.out);
                }
                _ => break,
            }
            self.note_waits(now, seen);
            for effect in self.core.take_effects() {
                self.answer(effect, now / MILLI);
            }
        }
        self.core.finish(&mut self.out);
    }

    fn note_waits(&mut self, now: u64, seen: usize) {
        for event in &self.out[seen..] {
            if let Event::Trade(trade) = event
                && trade.origin == Origin::Stream
            {
                let waited = now - self.arrivals[&trade.id];
                self.longest_wait = self.longest_wait.max(waited);
            }
        }
    }

    fn happen(&mut self, happening: Happening, now: u64) {
        // The exchange's clock and ours agree, but for what comes at one moment.
        let at = Timestamp::from_nanos(now as i64 - 1);
        let topics = || vec![(market(), Stream::Trades)];
        match happening {
            Happening::Trade(trade) => {
                if !trade.replayed {
                    self.arrivals.entry(trade.id).or_insert(now);
                }
                self.core.apply(Event::Trade(trade), now, &mut self.out);
            }
            Happening::Lost => self.core.on_sign(&Sign::Lost(topics()), now, at),
            Happening::Subscribed => self.core.on_sign(&Sign::Subscribed(topics()), now, at),
            Happening::Newest(id) => {
                let market = market();
                let time = None;
                let newest = Sign::Newest { market, id, time };
                self.core.on_sign(&newest, now, at);
            }
            Happening::Answer(ticket, answer) => {
                let out = &mut self.out;
                self.core.on_repaired(market(), ticket, answer, now, out);
            }
        }
    }

    fn answer(&mut self, effect: Effect, millis: u64) {
        let Effect::Repair { ticket, after, .. } = effect;
        let rest = self.script.rest[self.questions % self.script.rest.len()].clone();
        self.questions += 1;
        let (at, answer) = match rest {
            Rest::Hangs => return,
            Rest::Fails => (millis + 50, Err(ProviderError::Unreachable("no".into()))),
            Rest::Refuses => (millis + 1, Err(ProviderError::Refused("no".into()))),
            Rest::Answers {
                after: pause,
                lag,
                reach,
                has_hole,
            } => {
                let seen_at = (millis + pause / 2).saturating_sub(lag);
                let replay = self.replay(after, seen_at, reach, has_hole);
                (millis + pause, Ok(replay))
            }
        };
        self.at(at, Happening::Answer(ticket, answer));
    }

    /// Whether the line was lost before any trade came.
    fn is_lost_at_first(&self) -> bool {
        let outage = self.script.outages.first();
        outage.is_some_and(|outage| outage.from == 0)
    }

    /// What an honest provider says: see `exchange::history`.
    fn replay(&self, after: TradeMark, seen_at: u64, reach: usize, has_hole: bool) -> Replay {
        let first = self.ledger[0].id;
        let is_after = |trade: &Trade| match after.id {
            Some(known) => trade.id > known,
            None => trade.timestamp > after.time,
        };
        let reaches = |trade: &Trade| match after.id {
            Some(known) => trade.id <= known + 1,
            None => trade.id <= first || trade.timestamp <= after.time,
        };
        let seen = self
            .ledger
            .iter()
            .take_while(|t| t.timestamp.nanos() as u64 <= seen_at * MILLI);
        let seen: Vec<_> = seen.copied().collect();
        let held = &seen[seen.len().saturating_sub(reach)..];
        let (mut trades, mut uncovered) = (held.to_vec(), Vec::new());
        trades.retain(is_after);
        let mut lost: Vec<_> = seen.iter().copied().filter(is_after).collect();
        if !held.iter().any(reaches) {
            let until = held
                .first()
                .map_or(after.time, |t| t.timestamp.max(after.time));
            uncovered.push((after.time, until));
        }
        if has_hole && trades.len() > 8 {
            let place = trades.len() / 2;
            trades.drain(place..place + 3);
            uncovered.push((trades[place - 1].timestamp, trades[place].timestamp));
        }
        // Where the mark has no id, none are known before the first trade.
        let from = after.id.or(trades.first().map(|trade| trade.id));
        lost.retain(|trade| Some(trade.id) > from && !trades.contains(trade));
        let missing = lost.into_iter().map(|trade| (trade.id, trade.id));
        Replay {
            missing: missing.filter(|_| self.script.has_ids).collect(),
            newest: held.last().copied(),
            trades,
            uncovered,
        }
    }
}

/// Everything that the promise says, of what was told.
fn check(world: &World) -> Result<BTreeSet<u64>, TestCaseError> {
    let ids: BTreeSet<u64> = world.ledger.iter().map(|trade| trade.id).collect();
    let (mut told, mut absent) = (BTreeSet::new(), BTreeSet::new());
    let (mut last, mut repaired) = (None, BTreeSet::new());
    // Without an outage, what is lost before the first trade that comes is not known of.
    let mut has_begun = !world.is_lost_at_first();
    for (place, event) in world.out.iter().enumerate() {
        match event {
            Event::Trade(trade) => {
                prop_assert!(ids.contains(&trade.id) && !trade.replayed);
                prop_assert!(
                    last.is_none_or(|last| trade.id > last),
                    "order at {}",
                    trade.id
                );
                if trade.origin == Origin::Repair {
                    repaired.insert(trade.id);
                } else {
                    prop_assert!(repaired.is_empty(), "{repaired:?} have no gap");
                }
                last = Some(trade.id);
                told.insert(trade.id);
            }
            Event::Gap(gap) => {
                check_gap(gap, &ids, &repaired, &told)?;
                has_begun |= gap.from_id.is_none();
                let (from, until) = match gap.from_id.zip(gap.to_id) {
                    Some(ends) => ends,
                    None => {
                        // Before the first trade nobody knows which there were.
                        let is_first = told.iter().all(|id| repaired.contains(id));
                        prop_assert!(is_first && gap.missing.is_none(), "{:?}", gap);
                        let next = world.out[place..].iter().find_map(|event| match event {
                            Event::Trade(trade) => Some(trade.id),
                            _ => None,
                        });
                        (
                            0,
                            next.map_or(told.last().copied(), |id| Some(id - 1))
                                .unwrap_or(0),
                        )
                    }
                };
                last = last.max(Some(until));
                absent.extend((from..=until).filter(|id| ids.contains(id) && !told.contains(id)));
                repaired.clear();
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
    prop_assert!(repaired.is_empty(), "{repaired:?} have no gap");
    if let (Some(&first), Some(&last)) = (told.first(), told.last()) {
        let first = if has_begun { first } else { world.ledger[0].id };
        let silent: Vec<_> = ids
            .range(first..=last)
            .filter(|id| !told.contains(id) && !absent.contains(id))
            .collect();
        prop_assert!(silent.is_empty(), "missing without a word: {silent:?}");
    }
    prop_assert!(absent.is_disjoint(&told));
    prop_assert!(
        world.longest_wait <= REPAIR_BUDGET_NANOS,
        "{}",
        world.longest_wait
    );
    let repairs = world.core.sequence.repairs;
    prop_assert!(world.questions as u64 <= repairs * u64::from(REPAIR_TRIES));
    prop_assert_eq!(world.core.sequence.recovered, told_as_repaired(world));
    Ok(absent)
}

fn check_gap(
    gap: &Gap,
    ids: &BTreeSet<u64>,
    repaired: &BTreeSet<u64>,
    told: &BTreeSet<u64>,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(gap.recovered, repaired.len() as u64, "{:?}", gap);
    let Some((from, until)) = gap.from_id.zip(gap.to_id) else {
        let state = match gap.recovered {
            0 => GapState::Unrepairable,
            _ => GapState::Partial,
        };
        prop_assert_eq!(gap.state, state, "{:?}", gap);
        return Ok(());
    };
    let missing = gap.missing.unwrap();
    prop_assert!(repaired.iter().all(|id| (from..=until).contains(id)));
    prop_assert!(missing >= 1 && missing <= until - from + 1);
    let lost = ids
        .range(from..=until)
        .filter(|id| !told.contains(id))
        .count() as u64;
    prop_assert!(missing >= lost + gap.recovered, "{:?} lacks {}", gap, lost);
    let state = match (missing == gap.recovered, gap.recovered) {
        (true, _) => GapState::Repaired,
        (false, 0) => GapState::Unrepairable,
        (false, _) => GapState::Partial,
    };
    prop_assert_eq!(gap.state, state, "{:?}", gap);
    Ok(())
}

fn told_as_repaired(world: &World) -> u64 {
    let is_repaired =
        |event: &&Event| matches!(event, Event::Trade(t) if t.origin == Origin::Repair);
    world.out.iter().filter(is_repaired).count() as u64
}

proptest! {
    #[test]
    fn every_trade_is_told_once_and_in_order_or_told_as_missing(script in script(any_rest())) {
        let mut world = World::new(script);
        world.run();
        check(&world)?;
    }

    #[test]
    fn where_the_exchange_answers_nothing_is_missing(script in script(healthy())) {
        let mut world = World::new(script);
        world.run();
        let missing = check(&world)?;
        prop_assert!(missing.is_empty(), "{missing:?}");
        let stats = world.core.sequence;
        prop_assert_eq!((stats.missing, stats.late), (0, 0));
    }
}

#[test]
fn the_check_finds_what_is_planted() {
    let journey = Journey {
        ids: 1,
        is_lost: false,
        delay: 1,
        repeated: None,
    };
    let script = Script {
        journeys: vec![journey; 30],
        outages: Vec::new(),
        rest: vec![Rest::Refuses],
        heartbeats: false,
        has_lies: false,
        has_ids: true,
    };
    let run = |change: fn(&mut Vec<Event>)| {
        let mut world = World::new(script.clone());
        world.run();
        assert_eq!(world.out.len(), 30);
        change(&mut world.out);
        check(&world).is_ok()
    };
    assert!(run(|_| {}));
    assert!(!run(|out| drop(out.remove(10))), "a loss");
    assert!(!run(|out| out.insert(10, out[9].clone())), "a repetition");
    assert!(!run(|out| out.swap(10, 11)), "disorder");
    let as_repaired = |out: &mut Vec<Event>| {
        if let Event::Trade(trade) = &mut out[10] {
            trade.origin = Origin::Repair;
        }
    };
    assert!(!run(as_repaired), "a repair without a gap");
}
