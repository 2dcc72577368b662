//! How far a rule has seen, as it is kept and as it is used.

use std::collections::{BTreeMap, HashMap};

use crate::alert::{Mark, Tracker};
use crate::model::Market;
use crate::store::{MarketState, Watermark};

/// The marks of what this rule reads.
pub fn marks(known: &MarketState, tracker: &Tracker) -> HashMap<Market, Mark> {
    let priced = tracker.priced_markets().into_iter();
    priced
        .filter_map(|market| {
            let mark = known.watermarks.get(&market.to_string())?;
            let mark = Mark {
                id: mark.id,
                time: mark.time,
                price: mark.price.as_deref().and_then(|digits| digits.parse().ok()),
            };
            Some((market, mark))
        })
        .collect()
}

/// Marks as they are kept.
pub fn watermarks(marks: &HashMap<Market, Mark>) -> BTreeMap<String, Watermark> {
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
