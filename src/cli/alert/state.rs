//! What a rule remembers, as it is kept and as it is used.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::alert::{CLOCKS, Mark, Memory, Tracker};
use crate::model::{Market, Timestamp};
use crate::store::{AlertStore, Locked, MarketState, StoreError, Watermark};

use super::super::Ctx;
use super::super::error::CliError;

/// How long another run is waited for that has the same rule in hand.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Older values are no answer, unless `--max-age` says otherwise.
pub const MAX_AGE: Duration = Duration::from_secs(60);

/// The memory of a rule and how far it has seen. What lies in the future comes from a clock that was wrong, and
/// is not believed.
pub fn recall(
    known: &MarketState,
    tracker: &Tracker,
    now: Timestamp,
) -> (Memory, HashMap<Market, Mark>) {
    let remembered = tracker.remembered_markets().into_iter();
    let marks = remembered.filter_map(|market| {
        let mark = known.watermarks.get(&market.to_string())?;
        let mark = Mark {
            id: mark.id,
            time: mark.time,
            price: mark.price.as_deref().and_then(|digits| digits.parse().ok()),
        };
        mark.is_plausible(now).then_some((market, mark))
    });
    let latest = now.plus_nanos(CLOCKS.as_nanos() as i64);
    (known.memory.clone().not_after(latest, now), marks.collect())
}

/// Tells of marks that are not believed.
pub fn tell_of_future(
    known: &MarketState,
    tracker: &Tracker,
    believed: &HashMap<Market, Mark>,
    ctx: &Ctx,
) {
    for market in tracker.remembered_markets() {
        if known.watermarks.contains_key(&market.to_string()) && !believed.contains_key(&market) {
            let title = tracker.rule.title();
            let message = format!(
                "tickwire: alert `{title}`: its last check of {market} lies in the future, by a clock that was \
                 wrong: what happened since then is not known"
            );
            ctx.notices.warn("clock", &message);
        }
    }
}

/// The marks of markets whose prices it reads: only what was traded there counts.
pub fn priced(tracker: &Tracker, mut marks: HashMap<Market, Mark>) -> HashMap<Market, Mark> {
    let priced = tracker.priced_markets();
    marks.retain(|market, _| priced.contains(market));
    marks
}

/// Adds marks to those from which trades are asked for: of two for one market the one that reaches further back.
pub fn keep_oldest(oldest: &mut HashMap<Market, Mark>, marks: HashMap<Market, Mark>) {
    for (market, mark) in marks {
        let kept = oldest.entry(market).or_insert(mark);
        if mark.age_key() < kept.age_key() {
            *kept = mark;
        }
    }
}

/// Marks as they are kept, over what is kept of the rule already.
pub fn watermarks_over(
    known: Option<&MarketState>,
    marks: &HashMap<Market, Mark>,
    tracker: &Tracker,
) -> BTreeMap<String, Watermark> {
    let mut watermarks = watermarks(marks);
    if tracker.home() != tracker.market {
        // Whoever stands in knows nothing of how far the one stood in for was seen.
        for (market, mark) in known.iter().flat_map(|known| &known.watermarks) {
            watermarks
                .entry(market.clone())
                .or_insert_with(|| mark.clone());
        }
    }
    watermarks
}

fn watermarks(marks: &HashMap<Market, Mark>) -> BTreeMap<String, Watermark> {
    let kept = marks.iter().map(|(market, mark)| {
        let mark = Watermark {
            id: mark.id,
            time: mark.time,
            price: mark.price.map(|price| price.to_string()),
        };
        (market.to_string(), mark)
    });
    kept.collect()
}

/// Takes a rule's lock and tells if its memory was lost.
pub async fn lock(store: &AlertStore, name: &str, ctx: &Ctx) -> Result<Locked, CliError> {
    let locked = store.lock(name, PATIENCE).await.map_err(unwritten)?;
    if let Some(path) = locked.set_aside() {
        let message = format!(
            "alert `{name}`: its memory could not be read and was put aside as {}; it starts anew",
            path.display()
        );
        ctx.notices.warn("alert_memory", &message);
    }
    Ok(locked)
}

/// An error of the store: busy is "not known", the rest could not be done.
pub fn unwritten(error: StoreError) -> CliError {
    match &error {
        StoreError::Busy { .. } => CliError::unknown("busy", error.to_string()),
        _ => CliError::failed("state", error.to_string()).hint(error.hint()),
    }
}

/// Tells that what was remembered is of no use any more.
pub fn starts_anew(title: &str, market: &str, ctx: &Ctx) {
    let message = format!(
        "tickwire: alert `{title}`: its condition has changed: its memory of {market} starts anew"
    );
    ctx.notices.say("alert", &message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Policy, Rule};
    use crate::expression::{Expression, Reference};
    use crate::model::Exchange;

    #[test]
    fn how_far_a_rule_over_functions_has_seen_is_recalled_for_each_market_of_its_candles() {
        let market = |base| Market::new(Exchange::new("recalled"), base, "USD");
        let rule = Rule {
            name: Some("mean".into()),
            condition: Expression::parse_condition("sma(2) > 1 and ETH/USD.sma(2) > price")
                .unwrap(),
            rearm: None,
            margin: None,
            policy: Policy::default(),
            message: None,
        };
        let other = |_: &Reference| Some(market("ETH"));
        let tracker = Tracker::new(rule.into(), market("BTC"), &other).unwrap();
        let now = Timestamp::from_nanos(1_000_000_000_000);
        let mark = |time| Mark {
            id: None,
            time,
            price: None,
        };
        let kept = HashMap::from([
            (market("BTC"), mark(now)),
            (market("ETH"), mark(now.plus_nanos(-1))),
            (market("SOL"), mark(now)),
        ]);
        let known = MarketState {
            hash: String::new(),
            memory: Memory::default(),
            watermarks: watermarks_over(None, &kept, &tracker),
            generation: 1,
            checked_at: now,
        };
        let (_, mut marks) = recall(&known, &tracker, now);
        assert_eq!(marks.remove(&market("BTC")), Some(mark(now)));
        assert_eq!(marks.remove(&market("ETH")), Some(mark(now.plus_nanos(-1))));
        assert!(marks.is_empty(), "nothing is read of others");
    }
}
