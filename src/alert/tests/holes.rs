//! Trades of the past that are not to be had.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::{Mark, Past, Rule, Tracker};
use crate::expression::Expression;
use crate::model::{Exchange, Market};

use super::*;

const SECOND: i64 = 1_000_000_000;

fn market() -> Market {
    Market::new(Exchange::new("holes-test"), "BTC", "USD")
}

fn seconds(n: i64) -> Timestamp {
    at(n * SECOND)
}

/// A rule whose condition has held since 9000 s; it was last checked at 9100 s.
fn holding() -> Tracker {
    let rule = Rule {
        name: Some("holes".into()),
        condition: Expression::parse_condition("price > 1").unwrap(),
        rearm: None,
        margin: None,
        policy: Policy {
            hold: Some(Duration::from_secs(600)),
            ..Policy::default()
        },
        message: None,
    };
    let mut tracker = Tracker::new(Arc::new(rule), market(), &|_| None).unwrap();
    let policy = tracker.rule.policy;
    let verdict = tracker
        .memory
        .observe(&policy, seconds(9_000), Truth::True, Truth::False);
    assert_eq!(verdict, None);
    tracker
}

/// What is due at 9200 s after a past with this hole.
fn due_after(hole: (i64, i64)) -> Option<Timestamp> {
    let mut tracker = holding();
    let mark = Mark {
        id: None,
        time: seconds(9_100),
        price: Some("5".parse().unwrap()),
    };
    let past = Past {
        trades: Vec::new(),
        uncovered: vec![(seconds(hole.0), seconds(hole.1))],
        newest: None,
        ..Past::default()
    };
    let pasts = HashMap::from([(market(), Arc::new(past))]);
    let marks = HashMap::from([(market(), mark)]);
    let mut outcomes = Vec::new();
    tracker.catch_up(&marks, &pasts, &[], seconds(9_200), &mut outcomes);
    assert_eq!(outcomes, []);
    tracker.memory.due(&tracker.rule.policy)
}

#[test]
fn a_hole_before_the_last_check_of_a_rule_does_not_break_its_hold() {
    let due = holding().memory.due(&holding().rule.policy);
    assert_eq!(due, Some(seconds(9_600)));
    for hole in [(100, 5_000), (5_000, 9_050), (100, 9_100)] {
        assert_eq!(due_after(hole), due, "{hole:?}");
    }
}

#[test]
fn a_hole_after_the_last_check_of_a_rule_breaks_its_hold() {
    for hole in [(9_100, 9_150), (9_120, 9_200), (100, 9_101)] {
        assert_eq!(due_after(hole), None, "{hole:?}");
    }
}
