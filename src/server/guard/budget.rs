//! How often each address may ask, and how often it may be wrong about the token.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// Wrong tokens of one address in a [`WINDOW`].
const FAILURES: u32 = 5;

/// How long they are remembered, from the first one on.
const WINDOW: Duration = Duration::from_secs(60);

/// Requests at once, in seconds of the allowed rate.
const BURST: f64 = 10.0;

/// Addresses that are told apart at one time. Those beyond share one budget, so that whoever has many addresses
/// fills no memory.
const ADDRESSES: usize = 4_096;

/// The machine behind an address: in IPv6 each has 2^64 of them.
pub(in crate::server) fn machine(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[derive(Debug, Clone, Copy)]
struct Budget {
    /// Requests that it may send at once.
    left: f64,
    at: Instant,
    failures: u32,
    since: Instant,
}

impl Budget {
    fn new(rate: f64, now: Instant) -> Self {
        Self {
            left: rate * BURST,
            at: now,
            failures: 0,
            since: now,
        }
    }

    fn refill(&mut self, rate: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * rate).min(rate * BURST);
        self.at = now;
        if now.saturating_duration_since(self.since) >= WINDOW {
            self.failures = 0;
        }
    }

    /// Nothing to remember.
    fn is_fresh(&self, rate: f64) -> bool {
        self.failures == 0 && self.left >= rate * BURST
    }
}

/// All addresses.
#[derive(Debug, Default)]
pub(super) struct Budgets(HashMap<IpAddr, Budget>);

impl Budgets {
    /// Takes one request. Errors: how long to wait for the next.
    pub fn spend(&mut self, address: IpAddr, rate: u32, now: Instant) -> Result<(), Duration> {
        let budget = self.of(address, rate, now);
        if budget.left < 1.0 {
            let wait = (1.0 - budget.left) / f64::from(rate.max(1));
            return Err(Duration::from_secs_f64(wait));
        }
        budget.left -= 1.0;
        Ok(())
    }

    /// Whether it may still try tokens. Errors: how long not.
    pub fn may_try(&mut self, address: IpAddr, rate: u32, now: Instant) -> Result<(), Duration> {
        let budget = self.of(address, rate, now);
        if budget.failures < FAILURES {
            return Ok(());
        }
        Err((budget.since + WINDOW).saturating_duration_since(now))
    }

    /// It showed a wrong one.
    pub fn on_failure(&mut self, address: IpAddr, rate: u32, now: Instant) {
        let budget = self.of(address, rate, now);
        if budget.failures == 0 {
            budget.since = now;
        }
        budget.failures += 1;
    }

    fn of(&mut self, address: IpAddr, rate: u32, now: Instant) -> &mut Budget {
        let rate = f64::from(rate.max(1));
        let mut key = machine(address);
        if self.0.len() >= ADDRESSES && !self.0.contains_key(&key) {
            self.0.retain(|_, budget| {
                budget.refill(rate, now);
                !budget.is_fresh(rate)
            });
            if self.0.len() >= ADDRESSES {
                key = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            }
        }
        let budget = self.0.entry(key).or_insert_with(|| Budget::new(rate, now));
        budget.refill(rate, now);
        budget
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn a_burst_of_ten_seconds_is_let_through_then_the_rate() {
        let (mut budgets, start) = (Budgets::default(), Instant::now());
        for n in 0..20 {
            assert_eq!(budgets.spend(HERE, 2, start), Ok(()), "{n}");
        }
        let wait = Duration::from_millis(500);
        assert_eq!(budgets.spend(HERE, 2, start), Err(wait));
        assert_eq!(budgets.spend(THERE, 2, start), Ok(()));
        assert_eq!(budgets.spend(HERE, 2, start + wait), Ok(()));
        assert!(budgets.spend(HERE, 2, start + wait).is_err());
    }

    #[test]
    fn after_five_wrong_tokens_an_address_waits_for_the_minute_to_end() {
        let (mut budgets, start) = (Budgets::default(), Instant::now());
        let later = |seconds| start + Duration::from_secs(seconds);
        for n in 0..5 {
            assert_eq!(budgets.may_try(HERE, 100, later(n)), Ok(()), "{n}");
            budgets.on_failure(HERE, 100, later(n));
        }
        assert_eq!(
            budgets.may_try(HERE, 100, later(10)),
            Err(Duration::from_secs(50))
        );
        assert_eq!(budgets.may_try(THERE, 100, later(10)), Ok(()));
        assert_eq!(budgets.may_try(HERE, 100, later(60)), Ok(()));
    }

    #[test]
    fn all_addresses_of_one_ipv6_network_are_one() {
        let of = |text: &str| machine(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), THERE);
    }

    #[test]
    fn many_addresses_fill_no_memory_and_those_at_rest_make_room() {
        let (mut budgets, start) = (Budgets::default(), Instant::now());
        let address = |n: usize| IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n as u32));
        for n in 0..ADDRESSES + 100 {
            budgets.on_failure(address(n), 100, start);
        }
        assert!(budgets.0.len() <= ADDRESSES + 1, "{}", budgets.0.len());
        // Those that found no place share one budget, and it is spent.
        assert!(
            budgets
                .may_try(address(ADDRESSES + 500), 100, start)
                .is_err()
        );
        let later = start + WINDOW;
        assert_eq!(
            budgets.may_try(address(ADDRESSES + 501), 100, later),
            Ok(())
        );
        assert_eq!(budgets.0.len(), 1);
    }
}
