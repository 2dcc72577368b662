use proptest::prelude::*;

use super::*;

/// One print: how long after the one before, and the price; none is "unknown".
#[derive(Debug, Clone)]
struct Print {
    gap: i64,
    price: Option<i64>,
    /// The run ends after this print, so much of the gap to the next one later (in per cent).
    run_ends: Option<i64>,
}

/// `price > threshold` with one of the ways to be armed again.
#[derive(Debug, Clone)]
struct Rule {
    threshold: i64,
    rearm: Rearm,
    policy: Policy,
}

#[derive(Debug, Clone)]
enum Rearm {
    NotCondition,
    Hysteresis(i64),
    Below(i64),
}

impl Rule {
    fn truths(&self, price: Option<i64>) -> (Truth, Truth) {
        let truth = |holds: fn(i64, i64) -> bool, level: i64| match price {
            None => Truth::Unknown,
            Some(price) if holds(price, level) => Truth::True,
            Some(_) => Truth::False,
        };
        let condition = truth(|price, level| price > level, self.threshold);
        let rearm = match self.rearm {
            Rearm::NotCondition => negated(condition),
            Rearm::Hysteresis(margin) => {
                truth(|price, level| price <= level, self.threshold - margin)
            }
            Rearm::Below(level) => truth(|price, level| price < level, level),
        };
        (condition, rearm)
    }
}

fn print() -> impl Strategy<Value = Print> {
    (
        0..12i64,
        prop::option::weighted(0.9, 0..10i64),
        prop::option::weighted(0.3, 0..=100i64),
    )
        .prop_map(|(gap, price, run_ends)| Print {
            gap,
            price,
            run_ends,
        })
}

fn rule() -> impl Strategy<Value = Rule> {
    let rearm = prop_oneof![
        Just(Rearm::NotCondition),
        (0..5i64).prop_map(Rearm::Hysteresis),
        (0..10i64).prop_map(Rearm::Below),
    ];
    let length = || prop::option::of((0..40u64).prop_map(Duration::from_nanos));
    let max_fires = prop::option::of((1..4u32, 1..80u64).prop_map(|(count, within)| MaxFires {
        count,
        within: Duration::from_nanos(within),
    }));
    (2..8i64, rearm, length(), length(), max_fires).prop_map(
        |(threshold, rearm, cooldown, hold, max_fires)| Rule {
            threshold,
            rearm,
            policy: Policy {
                cooldown,
                hold,
                max_fires,
            },
        },
    )
}

/// What happens between two runs.
#[derive(Clone, Copy, PartialEq)]
enum Between {
    /// Nothing: one run that does not even look at the clock.
    Nothing,
    /// One run that looks at the clock.
    Clock,
    /// A new run: the clock, then the memory is written down and read back.
    Written,
}

/// One look at the market, for the properties that speak about what was seen.
struct Step {
    at: Timestamp,
    truths: (Truth, Truth),
    verdict: Option<Verdict>,
}

fn walk(rule: &Rule, path: &[Print], between: Between) -> Vec<Step> {
    let mut memory = Memory::default();
    let mut steps = Vec::new();
    let mut now = 0;
    let on_time = |memory: &mut Memory, now, steps: &mut Vec<Step>| {
        steps.push(Step {
            at: at(now),
            truths: (Truth::Unknown, Truth::Unknown),
            verdict: memory.on_time(&rule.policy, at(now)),
        });
    };
    for (index, print) in path.iter().enumerate() {
        now += print.gap;
        let truths = rule.truths(print.price);
        let verdict = memory.observe(&rule.policy, at(now), truths.0, truths.1);
        steps.push(Step {
            at: at(now),
            truths,
            verdict,
        });
        let Some(share) = print.run_ends.filter(|_| between != Between::Nothing) else {
            continue;
        };
        let gap = path.get(index + 1).map_or(10, |next| next.gap);
        on_time(&mut memory, now + gap * share / 100, &mut steps);
        if between == Between::Written {
            let written = serde_json::to_string(&memory).unwrap();
            memory = serde_json::from_str(&written).unwrap();
        }
    }
    on_time(&mut memory, now + 100, &mut steps);
    steps
}

fn verdicts(steps: &[Step]) -> Vec<Verdict> {
    steps.iter().filter_map(|step| step.verdict).collect()
}

fn moment(verdict: Verdict) -> i64 {
    match verdict {
        Verdict::Fired { at } | Verdict::Suppressed { at, .. } => at.nanos(),
    }
}

fn firings(steps: &[Step]) -> Vec<i64> {
    let fired = |verdict: &Verdict| matches!(verdict, Verdict::Fired { .. });
    verdicts(steps)
        .into_iter()
        .filter(fired)
        .map(moment)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn runs_with_memory_between_them_decide_as_one_continuous_run(
        rule in rule(),
        path in prop::collection::vec(print(), 0..60),
    ) {
        let continuous = verdicts(&walk(&rule, &path, Between::Nothing));
        prop_assert_eq!(&verdicts(&walk(&rule, &path, Between::Clock)), &continuous);
        prop_assert_eq!(&verdicts(&walk(&rule, &path, Between::Written)), &continuous);
    }

    #[test]
    fn between_two_edges_the_rule_was_armed_again(
        rule in rule(),
        path in prop::collection::vec(print(), 0..60),
    ) {
        let steps = walk(&rule, &path, Between::Written);
        let mut armed = true;
        for step in &steps {
            if step.verdict.is_some() {
                prop_assert!(armed, "an edge at {}", step.at);
                armed = false;
            }
            armed |= step.truths == (Truth::False, Truth::True);
        }
    }

    #[test]
    fn no_firing_breaks_a_limit_and_none_is_suppressed_without_one(
        rule in rule(),
        path in prop::collection::vec(print(), 0..60),
    ) {
        let Policy { cooldown, max_fires, .. } = rule.policy;
        let mut fired: Vec<i64> = Vec::new();
        for verdict in verdicts(&walk(&rule, &path, Between::Written)) {
            let now = moment(verdict);
            let within = |length: Duration| {
                fired.iter().filter(|at| now - **at < length.as_nanos() as i64).count()
            };
            let cooling = cooldown.is_some_and(|cooldown| within(cooldown) > 0);
            let full = max_fires.is_some_and(|max| within(max.within) >= max.count as usize);
            match verdict {
                Verdict::Fired { .. } => {
                    prop_assert!(!cooling && !full, "fired at {now} after {fired:?}");
                    fired.push(now);
                }
                Verdict::Suppressed { why: Suppression::Cooldown, .. } => prop_assert!(cooling),
                Verdict::Suppressed { why: Suppression::MaxFires, .. } => prop_assert!(full),
            }
        }
    }

    #[test]
    fn a_firing_means_that_the_condition_was_seen_to_hold_for_so_long(
        rule in rule(),
        path in prop::collection::vec(print(), 0..60),
    ) {
        let steps = walk(&rule, &path, Between::Nothing);
        let hold = rule.policy.hold.unwrap_or_default().as_nanos() as i64;
        let seen = &steps[..path.len()];
        for fired in firings(&steps) {
            let began = fired - hold;
            let known_since = seen.iter().any(|s| s.at.nanos() == began && s.truths.0 == Truth::True);
            prop_assert!(known_since, "nothing became true at {began}");
            let broken = seen
                .iter()
                .any(|s| began < s.at.nanos() && s.at.nanos() < fired && s.truths.0 != Truth::True);
            prop_assert!(!broken, "it did not hold from {began} to {fired}");
        }
    }

    #[test]
    fn without_limits_every_change_from_false_to_true_fires(
        path in prop::collection::vec(print(), 0..60),
    ) {
        let rule = Rule { threshold: 5, rearm: Rearm::NotCondition, policy: Policy::default() };
        let mut below = true;
        let mut expected = Vec::new();
        let mut now = 0;
        for print in &path {
            now += print.gap;
            match print.price {
                Some(price) if price > 5 && below => {
                    expected.push(now);
                    below = false;
                }
                Some(price) => below |= price <= 5,
                None => {}
            }
        }
        prop_assert_eq!(firings(&walk(&rule, &path, Between::Written)), expected);
    }
}
