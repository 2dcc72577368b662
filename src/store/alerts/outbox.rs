//! Who does which action of the outbox.
//!
//! An action is claimed under the lock, done without it, and told done or failed under the lock again. A process
//! that dies in between leaves a claim that counts no more, or, where its death cannot be seen, ends by time: the
//! action is done at least once, and its firing's id tells the receiver of a second time.

use crate::model::Timestamp;

use super::state::{Past, PendingAction, State};

/// The right to do one action for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The firing's id.
    pub id: String,
    /// The action's key.
    pub key: String,
    /// When the right ends.
    pub until: Timestamp,
    /// The process that has it.
    pub by: u32,
}

impl PendingAction {
    fn is_free(&self, now: Timestamp, is_alive: &dyn Fn(u32) -> bool) -> bool {
        let over = self.claimed_until.is_none_or(|until| until <= now);
        over || self.claimed_by.is_some_and(|pid| !is_alive(pid))
    }

    fn is_held_by(&self, claim: &Claim) -> bool {
        self.claimed_until == Some(claim.until) && self.claimed_by == Some(claim.by)
    }
}

impl State {
    /// Claims up to `n` actions that nobody works on until `until`, oldest firing first. Save before acting.
    /// `is_alive` says of a process that has claimed one whether it still runs.
    pub fn claim(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        pid: u32,
        n: usize,
        is_alive: &dyn Fn(u32) -> bool,
    ) -> Vec<Claim> {
        let mut claims = Vec::new();
        for pending in &mut self.outbox {
            for action in pending
                .actions
                .iter_mut()
                .filter(|a| a.is_free(now, is_alive))
            {
                if claims.len() == n {
                    return claims;
                }
                action.claimed_until = Some(until);
                action.claimed_by = Some(pid);
                claims.push(Claim {
                    id: pending.id.clone(),
                    key: action.key.clone(),
                    until,
                    by: pid,
                });
            }
        }
        claims
    }

    /// The action was done: it leaves the outbox, also where the claim had ended and another process has one now.
    pub fn done(&mut self, claim: &Claim) {
        for pending in self.outbox.iter_mut().filter(|p| p.id == claim.id) {
            pending.actions.retain(|action| action.key != claim.key);
        }
        self.outbox.retain(|pending| !pending.actions.is_empty());
    }

    /// The action failed: it is free again, unless another process has claimed it meanwhile. After
    /// `give_up_after` failures it leaves the outbox for the history as a dead letter; says whether it did.
    pub fn failed(&mut self, claim: &Claim, now: Timestamp, give_up_after: u32) -> bool {
        let Some(pending) = self.outbox.iter_mut().find(|p| p.id == claim.id) else {
            return false;
        };
        let market = pending.market.clone();
        let Some(action) = pending.actions.iter_mut().find(|a| a.key == claim.key) else {
            return false;
        };
        action.attempts = action.attempts.saturating_add(1);
        if action.attempts < give_up_after {
            if action.is_held_by(claim) {
                action.claimed_until = None;
                action.claimed_by = None;
            }
            return false;
        }
        self.done(claim);
        self.remember(Past {
            id: claim.id.clone(),
            market,
            at: now,
            price: None,
            outcome: format!("dead letter: {}", claim.key),
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{HISTORY_MAX, Pending};

    /// Nobody has died.
    const ALL: fn(u32) -> bool = |_| true;

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn pending(id: &str, keys: &[&str]) -> Pending {
        Pending {
            id: id.into(),
            market: "kraken:BTC/USD".into(),
            event: "{}".into(),
            fired_at: at(0),
            actions: keys.iter().map(|key| PendingAction::new(*key)).collect(),
        }
    }

    fn state() -> State {
        let mut state = State::new("rule");
        state.outbox = vec![pending("1", &["line", "exec"]), pending("2", &["line"])];
        state
    }

    fn whats(claims: &[Claim]) -> Vec<(&str, &str)> {
        claims.iter().map(|c| (&*c.id, &*c.key)).collect()
    }

    #[test]
    fn the_oldest_are_claimed_first_and_none_twice_until_the_claim_ends() {
        let mut state = state();
        let first = state.claim(at(0), at(10), 7, 2, &ALL);
        assert_eq!(whats(&first), [("1", "line"), ("1", "exec")]);
        assert_eq!(
            whats(&state.claim(at(9), at(19), 8, 9, &ALL)),
            [("2", "line")]
        );
        assert_eq!(whats(&state.claim(at(9), at(19), 8, 9, &ALL)), []);
        let again = state.claim(at(10), at(20), 9, 1, &ALL);
        assert_eq!(whats(&again), [("1", "line")]);
        assert_eq!(state.claim(at(10), at(20), 9, 0, &ALL), []);
    }

    #[test]
    fn the_claim_of_a_dead_process_counts_no_more() {
        let mut state = state();
        state.claim(at(0), at(10), 7, 1, &ALL);
        let claims = state.claim(at(1), at(11), 8, 1, &|pid| pid != 7);
        assert_eq!(whats(&claims), [("1", "line")]);
    }

    #[test]
    fn done_leaves_the_outbox_with_its_last_action() {
        let mut state = state();
        for claim in state.claim(at(0), at(10), 7, 9, &ALL) {
            state.done(&claim);
            // Twice does no harm: two processes may both have done it.
            state.done(&claim);
        }
        assert_eq!(state.outbox, []);
    }

    #[test]
    fn a_failure_frees_the_action_until_it_is_given_up() {
        let mut state = state();
        for attempt in 1..3 {
            let claim = state.claim(at(0), at(10), 7, 1, &ALL).remove(0);
            assert!(!state.failed(&claim, at(1), 3));
            assert_eq!(state.outbox[0].actions[0].attempts, attempt);
        }
        let claim = state.claim(at(0), at(10), 7, 1, &ALL).remove(0);
        assert!(state.failed(&claim, at(5), 3));
        assert_eq!(state.outbox[0].actions.len(), 1);
        let past = state.history.back().unwrap();
        assert_eq!((&*past.id, past.at), ("1", at(5)));
        assert_eq!(past.outcome, "dead letter: line");
        // Nobody is told twice.
        assert!(!state.failed(&claim, at(6), 3));
        assert_eq!(state.history.len(), 1);
    }

    #[test]
    fn a_late_failure_does_not_free_what_another_process_works_on() {
        let mut state = state();
        let late = state.claim(at(0), at(10), 7, 1, &ALL).remove(0);
        let current = state.claim(at(10), at(20), 8, 1, &ALL).remove(0);
        assert!(!state.failed(&late, at(11), 9));
        assert_eq!(
            whats(&state.claim(at(12), at(22), 9, 1, &ALL)),
            [("1", "exec")]
        );
        state.failed(&current, at(13), 9);
        assert_eq!(
            whats(&state.claim(at(14), at(24), 9, 1, &ALL)),
            [("1", "line")]
        );
        assert_eq!(state.outbox[0].actions[0].attempts, 2);
    }

    #[test]
    fn the_history_forgets_its_oldest() {
        let mut state = State::new("rule");
        for n in 0..150 {
            state.remember(Past {
                id: n.to_string(),
                market: "kraken:BTC/USD".into(),
                at: at(n),
                price: None,
                outcome: "fired".into(),
            });
        }
        assert_eq!(state.history.len(), HISTORY_MAX);
        assert_eq!(state.history.front().unwrap().id, "50");
        assert_eq!(state.history.back().unwrap().id, "149");
    }
}
