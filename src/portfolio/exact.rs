//! Products and quotients of decimals without a rounding on the way.

use crate::model::{Decimal, exact_sub};
use rust_decimal::RoundingStrategy;

/// Decimal places that are kept of what cannot be held exactly.
pub(super) const PLACES: u32 = 12;

const MAX_SCALE: u32 = 28;

/// Words of a [`Wide`]. Four factors above the line are 4 × 96 bits, and below it two scales of 28 and [`PLACES`] are a
/// power of ten of 226 bits: together 610.
const WORDS: usize = 10;

/// `up[0] × up[1] × … / (down[0] × …)`.
///
/// Exactly, with the digits of all factors, where nothing is divided and that can be held; else rounded half-even to 12
/// places, without trailing zeros. Invariant: four factors above at most, and two below.
///
/// Returns: `None` for a zero below, and for a number that is too large to be held.
pub(super) fn fraction(up: &[Decimal], down: &[Decimal]) -> Option<Decimal> {
    let exact = down.is_empty().then(|| product(up)).flatten();
    exact.or_else(|| Some(rounded(up, down, PLACES)?.normalize()))
}

/// `part / whole × 100`, rounded half-even to 4 places; `None` for a zero whole.
pub(super) fn percent(part: Decimal, whole: Decimal) -> Option<Decimal> {
    rounded(&[part, Decimal::ONE_HUNDRED], &[whole], 4)
}

/// `a − b`: exactly where that can be held, else of both rounded half-even to 12 places.
pub(super) fn difference(a: Decimal, b: Decimal) -> Option<Decimal> {
    exact_sub(a, b).or_else(|| exact_sub(round(a), round(b)))
}

/// The sum: exactly where that can be held, else of all rounded half-even to 12 places.
pub(super) fn sum(numbers: &[Decimal]) -> Option<Decimal> {
    let add = |each: fn(Decimal) -> Decimal| {
        let mut numbers = numbers.iter().map(|number| each(*number));
        numbers.try_fold(Decimal::ZERO, |sum, number| exact_sub(sum, -number))
    };
    add(|number| number).or_else(|| add(round))
}

fn round(number: Decimal) -> Decimal {
    number.round_dp_with_strategy(PLACES, RoundingStrategy::MidpointNearestEven)
}

/// With the digits of all factors; `None` where they are too many.
fn product(factors: &[Decimal]) -> Option<Decimal> {
    let scale: u32 = factors.iter().map(Decimal::scale).sum();
    let mut mantissa = Wide::ONE;
    for factor in factors {
        mantissa.multiply(factor.mantissa().unsigned_abs());
    }
    (scale <= MAX_SCALE).then(|| mantissa.decimal(is_negative(factors), scale))?
}

fn rounded(up: &[Decimal], down: &[Decimal], places: u32) -> Option<Decimal> {
    if down.iter().any(Decimal::is_zero) {
        return None;
    }
    let scale = |of: &[Decimal]| of.iter().map(Decimal::scale).sum::<u32>();
    let line = |of: &[Decimal], tens: u32| {
        let mut line = Wide::ONE;
        for number in of {
            line.multiply(number.mantissa().unsigned_abs());
        }
        (0..tens).for_each(|_| line.multiply(10));
        line
    };
    let (above, below) = (line(up, scale(down) + places), line(down, scale(up)));
    above
        .divided(&below)
        .decimal(is_negative(up) != is_negative(down), places)
}

fn is_negative(factors: &[Decimal]) -> bool {
    let negative = factors.iter().filter(|factor| factor.is_sign_negative());
    negative.count() % 2 == 1
}

/// A whole number that is wide enough for everything between two decimals. The least significant word comes first.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Wide([u64; WORDS]);

impl Wide {
    const ZERO: Self = Self([0; WORDS]);
    const ONE: Self = {
        let mut words = [0; WORDS];
        words[0] = 1;
        Self(words)
    };

    /// By the mantissa of a decimal, in two steps: its upper 32 bits, then its lower 64.
    fn multiply(&mut self, by: u128) {
        let mut upper = *self;
        upper.multiply_word((by >> 64) as u64);
        self.multiply_word(by as u64);
        let mut carry = false;
        for at in 1..WORDS {
            let (sum, over) = self.0[at].overflowing_add(upper.0[at - 1]);
            let (sum, again) = sum.overflowing_add(carry.into());
            (self.0[at], carry) = (sum, over || again);
        }
        debug_assert!(!carry && upper.0[WORDS - 1] == 0, "wide enough");
    }

    fn multiply_word(&mut self, by: u64) {
        let mut carry = 0;
        for word in &mut self.0 {
            let product = u128::from(*word) * u128::from(by) + carry;
            *word = product as u64;
            carry = product >> 64;
        }
        debug_assert_eq!(carry, 0, "wide enough");
    }

    /// The quotient, rounded half-even. Bit by bit: this is done a few times a second.
    fn divided(self, by: &Self) -> Self {
        let (mut quotient, mut rest) = (Self::ZERO, Self::ZERO);
        for bit in (0..WORDS * 64).rev() {
            rest.double(self.0[bit / 64] >> (bit % 64) & 1);
            if !rest.is_less(by) {
                rest.subtract(by);
                quotient.0[bit / 64] |= 1 << (bit % 64);
            }
        }
        let mut twice = rest;
        twice.double(0);
        let is_odd = quotient.0[0] & 1 == 1;
        if by.is_less(&twice) || twice == *by && is_odd {
            quotient.increment();
        }
        quotient
    }

    fn double(&mut self, mut carry: u64) {
        for word in &mut self.0 {
            let next = *word >> 63;
            *word = *word << 1 | carry;
            carry = next;
        }
    }

    fn increment(&mut self) {
        for word in &mut self.0 {
            let (sum, over) = word.overflowing_add(1);
            *word = sum;
            if !over {
                return;
            }
        }
    }

    fn is_less(&self, other: &Self) -> bool {
        self.0.iter().rev().lt(other.0.iter().rev())
    }

    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (word, other) in self.0.iter_mut().zip(other.0) {
            let (difference, under) = word.overflowing_sub(other);
            let (difference, again) = difference.overflowing_sub(borrow.into());
            (*word, borrow) = (difference, under || again);
        }
    }

    /// `None` where it does not fit into the 96 bits of a decimal.
    fn decimal(self, negative: bool, scale: u32) -> Option<Decimal> {
        let [low, high, rest @ ..] = self.0;
        if high >> 32 != 0 || rest.iter().any(|&word| word != 0) {
            return None;
        }
        let mantissa = i128::from(high) << 64 | i128::from(low);
        let mantissa = if negative { -mantissa } else { mantissa };
        Some(Decimal::from_i128_with_scale(mantissa, scale))
    }
}
