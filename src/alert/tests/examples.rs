use super::*;
use Suppression::{Cooldown, MaxFires as TooMany};
use Truth::{False, True, Unknown};

/// Verdicts over `(time, condition)`, re-armed by a false condition.
fn run(policy: &Policy, path: &[(i64, Truth)]) -> Vec<Verdict> {
    let mut memory = Memory::default();
    path.iter()
        .filter_map(|&(time, truth)| memory.observe(policy, at(time), truth, negated(truth)))
        .collect()
}

#[test]
fn no_memory_yet_counts_as_false() {
    let path = [(1, True), (2, True), (3, False), (4, True)];
    assert_eq!(run(&Policy::default(), &path), [fired(1), fired(4)]);
}

#[test]
fn unknown_neither_fires_nor_arms() {
    let path = [
        (1, Unknown),
        (2, True),
        (3, Unknown),
        (4, True),
        (5, Unknown),
    ];
    assert_eq!(run(&Policy::default(), &path), [fired(2)]);
}

#[test]
fn a_rule_is_armed_only_where_the_condition_is_false_and_the_rearm_condition_true() {
    for (condition, rearm, arms) in [
        (False, True, true),
        (False, False, false),
        (False, Unknown, false),
        (Unknown, True, false),
        (True, True, false),
    ] {
        let mut memory = Memory::default();
        memory.observe(&Policy::default(), at(1), True, False);
        assert!(!memory.is_armed());
        memory.observe(&Policy::default(), at(2), condition, rearm);
        assert_eq!(memory.is_armed(), arms, "{condition:?} {rearm:?}");
    }
}

#[test]
fn an_edge_within_the_cooldown_is_swallowed_and_does_not_fire_later() {
    let policy = Policy {
        cooldown: nanos(10),
        ..Policy::default()
    };
    let path = [
        (0, True),
        (1, False),
        (9, True),
        (10, True),
        (50, True),
        (51, False),
        (52, True),
    ];
    assert_eq!(
        run(&policy, &path),
        [fired(0), suppressed(9, Cooldown), fired(52)]
    );
}

#[test]
fn the_cooldown_counts_from_the_last_firing_not_from_a_swallowed_edge() {
    let policy = Policy {
        cooldown: nanos(10),
        ..Policy::default()
    };
    let path = [(0, True), (1, False), (9, True), (9, False), (10, True)];
    assert_eq!(
        run(&policy, &path),
        [fired(0), suppressed(9, Cooldown), fired(10)]
    );
}

#[test]
fn max_fires_counts_in_a_sliding_window() {
    let policy = Policy {
        max_fires: fires(2, 10),
        ..Policy::default()
    };
    let path: Vec<_> = [0, 4, 9, 10, 13, 14]
        .into_iter()
        .flat_map(|time| [(time, True), (time, False)])
        .collect();
    assert_eq!(
        run(&policy, &path),
        [
            fired(0),
            fired(4),
            suppressed(9, TooMany),
            fired(10),
            suppressed(13, TooMany),
            fired(14),
        ]
    );
}

#[test]
fn a_hold_fires_when_it_is_over_also_where_the_next_event_comes_later() {
    let policy = Policy {
        hold: nanos(5),
        ..Policy::default()
    };
    for (path, verdicts) in [
        (vec![(0, True), (4, True), (5, True)], vec![fired(5)]),
        (vec![(0, True), (99, True)], vec![fired(5)]),
        (vec![(0, True), (99, False)], vec![fired(5)]),
        // Exactly then: it held.
        (vec![(0, True), (5, False)], vec![fired(5)]),
        (vec![(0, True), (4, False), (6, True), (10, True)], vec![]),
        (
            vec![(0, True), (4, Unknown), (5, True), (10, True)],
            vec![fired(10)],
        ),
        // The event that ends the hold arms the rule again at once.
        (
            vec![(0, True), (9, False), (10, True), (15, True)],
            vec![fired(5), fired(15)],
        ),
    ] {
        assert_eq!(run(&policy, &path), verdicts, "{path:?}");
    }
}

#[test]
fn a_hold_of_nothing_fires_at_once() {
    let policy = Policy {
        hold: nanos(0),
        ..Policy::default()
    };
    assert_eq!(run(&policy, &[(3, True)]), [fired(3)]);
}

#[test]
fn a_hold_is_due_while_it_lasts_and_time_alone_ends_it_once() {
    let policy = Policy {
        hold: nanos(5),
        ..Policy::default()
    };
    let mut memory = Memory::default();
    assert_eq!(memory.due(&policy), None);
    memory.observe(&policy, at(1), True, False);
    assert_eq!(memory.due(&policy), Some(at(6)));
    assert_eq!(memory.on_time(&policy, at(5)), None);
    assert_eq!(memory.on_time(&policy, at(9)), Some(fired(6)));
    assert_eq!(memory.on_time(&policy, at(9)), None);
    assert_eq!(memory.due(&policy), None);
    assert_eq!(memory.last_fired(), Some(at(6)));
}

#[test]
fn a_hold_that_ends_after_all_time_is_never_due() {
    let policy = Policy {
        hold: Some(Duration::MAX),
        cooldown: Some(Duration::MAX),
        max_fires: None,
    };
    let mut memory = Memory::default();
    assert_eq!(memory.observe(&policy, at(1), True, False), None);
    assert_eq!(memory.due(&policy), None);
    assert_eq!(memory.on_time(&policy, at(i64::MAX)), None);
}

#[test]
fn time_never_goes_back() {
    let policy = Policy {
        hold: nanos(5),
        ..Policy::default()
    };
    let mut memory = Memory::default();
    memory.observe(&policy, at(100), False, True);
    memory.observe(&policy, at(50), True, False);
    assert_eq!(memory.due(&policy), Some(at(105)));
    // A hold that is shortened between two runs ends at the last observation, not before it.
    memory.observe(&policy, at(104), True, False);
    let shorter = Policy {
        hold: nanos(1),
        ..policy
    };
    assert_eq!(memory.on_time(&shorter, at(200)), Some(fired(104)));
}

#[test]
fn times_at_the_ends_of_the_range_do_no_harm() {
    let policy = Policy {
        cooldown: nanos(1),
        hold: None,
        max_fires: fires(2, u64::MAX),
    };
    let path = [(i64::MIN, True), (0, False), (i64::MAX, True)];
    assert_eq!(run(&policy, &path), [fired(i64::MIN), fired(i64::MAX)]);
}

#[test]
fn only_as_many_firings_are_remembered_as_the_policy_counts() {
    for (policy, kept) in [
        (Policy::default(), 1),
        (
            Policy {
                max_fires: fires(3, 1),
                ..Policy::default()
            },
            3,
        ),
    ] {
        let mut memory = Memory::default();
        for time in 0..50 {
            memory.observe(&policy, at(time), True, False);
            memory.observe(&policy, at(time), False, True);
        }
        let json = serde_json::to_value(&memory).unwrap();
        assert_eq!(json["fired"].as_array().unwrap().len(), kept);
    }
}
