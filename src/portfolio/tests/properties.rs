//! What holds for all numbers, checked with whole numbers of any length.

use proptest::prelude::*;

use super::super::exact::{fraction, percent};
use super::*;

/// A whole number: decimal digits, the lowest first, without leading zeros. Slow and plain on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Whole(Vec<u8>);

impl Whole {
    fn new(number: u128) -> Self {
        Self::trimmed(
            number
                .to_string()
                .bytes()
                .rev()
                .map(|digit| digit - b'0')
                .collect(),
        )
    }

    fn trimmed(mut digits: Vec<u8>) -> Self {
        while digits.last() == Some(&0) {
            digits.pop();
        }
        Self(digits)
    }

    fn times(&self, other: &Self) -> Self {
        let mut sums = vec![0u32; self.0.len() + other.0.len() + 1];
        for (i, a) in self.0.iter().enumerate() {
            for (j, b) in other.0.iter().enumerate() {
                sums[i + j] += u32::from(*a) * u32::from(*b);
            }
        }
        for at in 0..sums.len() - 1 {
            sums[at + 1] += sums[at] / 10;
            sums[at] %= 10;
        }
        Self::trimmed(sums.into_iter().map(|digit| digit as u8).collect())
    }

    fn tens(&self, n: u32) -> Self {
        let mut digits = vec![0; n as usize];
        digits.extend(&self.0);
        Self::trimmed(digits)
    }

    /// The distance to another.
    fn from(&self, other: &Self) -> Self {
        let (large, small) = if self.is_less(other) {
            (other, self)
        } else {
            (self, other)
        };
        let (mut digits, mut borrow) = (Vec::new(), 0i8);
        for (at, digit) in large.0.iter().enumerate() {
            let mut left = *digit as i8 - borrow - small.0.get(at).copied().unwrap_or(0) as i8;
            borrow = i8::from(left < 0);
            left += 10 * borrow;
            digits.push(left as u8);
        }
        Self::trimmed(digits)
    }

    fn is_less(&self, other: &Self) -> bool {
        let order = self.0.len().cmp(&other.0.len());
        order
            .then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
            .is_lt()
    }
}

/// Mantissas multiplied, and their scales added.
fn multiplied(numbers: &[Decimal]) -> (Whole, u32) {
    let product = numbers.iter().fold(Whole::new(1), |product, number| {
        product.times(&Whole::new(number.mantissa().unsigned_abs()))
    });
    (product, numbers.iter().map(Decimal::scale).sum())
}

/// Whether `result` is `up / down` to `places`, the even one of two that are as near.
fn is_rounded(result: Decimal, up: &[Decimal], down: &[Decimal], places: u32) -> bool {
    let ((above, above_scale), (below, below_scale)) = (multiplied(up), multiplied(down));
    let mut scaled = result;
    scaled.rescale(places);
    let quotient = Whole::new(scaled.mantissa().unsigned_abs());
    // above / 10^a ÷ (below / 10^b) against quotient / 10^places, without any division.
    let exact = above.tens(below_scale + places);
    let unit = below.tens(above_scale);
    let twice = exact.from(&quotient.times(&unit)).times(&Whole::new(2));
    let is_even = scaled.mantissa() % 2 == 0;
    twice.is_less(&unit) || twice == unit && is_even
}

fn decimal() -> impl Strategy<Value = Decimal> {
    let large = (0..1i128 << 95, 0..=28u32);
    let usual = (0..10_000_000_000i128, 0..=10u32);
    let short = (0..200i128, 0..=3u32);
    prop_oneof![large, usual, short]
        .prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale))
}

fn usual() -> impl Strategy<Value = Decimal> {
    (1..10_000_000_000i128, 0..=8u32)
        .prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale))
}

/// Whose products can be added up exactly.
fn small() -> impl Strategy<Value = Decimal> {
    (1..1_000_000i128, 0..=6u32)
        .prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale))
}

proptest! {
    #[test]
    fn a_fraction_is_exact_or_the_nearest_of_12_places(
        up in proptest::collection::vec(decimal(), 1..=4),
        down in proptest::collection::vec(decimal(), 0..=2),
    ) {
        let result = fraction(&up, &down);
        if down.iter().any(Decimal::is_zero) {
            prop_assert_eq!(result, None);
        } else if let Some(result) = result {
            let (product, scale) = multiplied(&up);
            let is_exact = down.is_empty()
                && result.scale() == scale
                && Whole::new(result.mantissa().unsigned_abs()) == product;
            prop_assert!(is_exact || result.scale() <= 12 && is_rounded(result, &up, &down, 12), "{}", result);
        } else {
            // Too large: the quotient is more than the largest mantissa with 12 places.
            let ((above, above_scale), (below, below_scale)) = (multiplied(&up), multiplied(&down));
            let most = Whole::new((1 << 96) - 1);
            prop_assert!(most.times(&below.tens(above_scale)).is_less(&above.tens(below_scale + 12)));
        }
    }

    #[test]
    fn what_can_be_held_is_exact(a in usual(), b in usual()) {
        prop_assert_eq!(fraction(&[a, b], &[]), Some(a * b));
    }

    #[test]
    fn percentages_are_the_nearest_of_4_places(part in usual(), whole in usual(), negative: bool) {
        let signed = if negative { -part } else { part };
        if let Some(result) = percent(signed, whole) {
            prop_assert!(is_rounded(result, &[part, Decimal::ONE_HUNDRED], &[whole], 4), "{}", result);
            prop_assert!(result.is_zero() || result.is_sign_negative() == negative);
        }
    }

    #[test]
    fn the_total_is_the_sum_of_its_parts(
        held in proptest::collection::vec((small(), small(), small(), 0..4), 0..12)
    ) {
        let assets: Vec<String> = (0..held.len()).map(|n| format!("A{n}")).collect();
        let holdings = assets.iter().zip(&held).map(|(asset, (amount, ..))| {
            (asset.clone(), Holding { amount: *amount, cost: None })
        });
        let portfolio = Portfolio { quote: "Q".into(), holdings: holdings.collect() };
        let pairs: Vec<String> = assets.iter().map(|asset| format!("{asset}/Q")).collect();
        let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
        let routes = portfolio.routes(&Pairs::new(&listed(&pairs)));
        let valuation = Valuation::new(&portfolio, &routes, &|market| {
            let (_, price, open, kind) = held[market.base()[1..].parse::<usize>().unwrap()];
            if kind == 0 { Err(Unpriced::Stale) } else { Ok(Rate { price, open: Some(open) }) }
        });
        let parts = || valuation.holdings.iter();
        let value: Decimal = parts().filter_map(|held| held.value).sum();
        let change: Decimal = parts().filter_map(|held| held.change_24h).sum();
        let unpriced = parts().filter(|held| held.unpriced.is_some()).count();
        prop_assert_eq!(valuation.partial, unpriced > 0);
        if unpriced < held.len() || held.is_empty() {
            prop_assert_eq!(valuation.total_value, Some(value));
            prop_assert_eq!(valuation.total_change_24h, Some(change));
        } else {
            prop_assert_eq!(valuation.total_value, None);
        }
    }

    #[test]
    fn there_and_back_again_is_where_it_began(amount in usual(), price in 1..1_000_000_000i64, places in 0..=4u32) {
        let price = Decimal::new(price, places);
        let there = fraction(&[amount, price], &[]).unwrap();
        prop_assert_eq!(fraction(&[there], &[price]), Some(amount.normalize()));
    }
}
