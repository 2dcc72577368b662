//! What windows are made of: columns in rings.

use crate::model::Decimal;

/// Where in a ring the items lie. The columns of a window share one.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    capacity: usize,
    /// The slot of the oldest.
    first: usize,
    len: usize,
}

impl Slots {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            first: 0,
            len: 0,
        }
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The slot of the item that is the `at`th, the oldest being the 0th.
    pub fn slot(&self, at: usize) -> usize {
        let slot = self.first + at;
        if slot < self.capacity {
            slot
        } else {
            slot - self.capacity
        }
    }

    /// A slot for one more: where all are taken, that of the oldest.
    pub fn next(&mut self) -> usize {
        let slot = self.slot(self.len);
        if self.len < self.capacity {
            self.len += 1;
        } else {
            self.first = self.slot(1);
        }
        slot
    }

    /// The place of the newest `n`.
    pub fn newest(&self, n: usize) -> std::ops::Range<usize> {
        self.len.saturating_sub(n)..self.len
    }

    /// A place with an item before it that is `before` and itself not, or an end where there is none.
    pub fn boundary(&self, mut before: impl FnMut(usize) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low.midpoint(high);
            if before(self.slot(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// Writes into a slot of a column. Slots are first taken in order, so that memory is only touched as it is needed.
pub(super) fn put<T>(column: &mut Vec<T>, slot: usize, value: T) {
    match column.get_mut(slot) {
        Some(place) => *place = value,
        None => column.push(value),
    }
}

/// Decimals with the digits that they were sent with: 9 bytes each, until one comes that has more than 18 digits.
#[derive(Debug, Clone)]
pub(super) enum Decimals {
    Narrow {
        mantissas: Vec<i64>,
        scales: Vec<u8>,
    },
    /// Any, in 16 bytes.
    Wide(Vec<Decimal>),
}

impl Decimals {
    pub fn new(capacity: usize) -> Self {
        Self::Narrow {
            mantissas: Vec::with_capacity(capacity),
            scales: Vec::with_capacity(capacity),
        }
    }

    #[inline]
    pub fn put(&mut self, slot: usize, value: Decimal) {
        match self {
            Self::Narrow { mantissas, scales } => match i64::try_from(value.mantissa()) {
                Ok(mantissa) => {
                    put(mantissas, slot, mantissa);
                    put(scales, slot, value.scale() as u8);
                }
                Err(_) => {
                    self.widen();
                    self.put(slot, value);
                }
            },
            Self::Wide(values) => put(values, slot, value),
        }
    }

    #[inline]
    pub fn get(&self, slot: usize) -> Decimal {
        match self {
            Self::Narrow { mantissas, scales } => narrow(mantissas[slot], scales[slot]),
            Self::Wide(values) => values[slot],
        }
    }

    #[cold]
    fn widen(&mut self) {
        let Self::Narrow { mantissas, scales } = self else {
            return;
        };
        let mut values = Vec::with_capacity(mantissas.capacity());
        let pairs = mantissas.iter().zip(scales.iter());
        values.extend(pairs.map(|(mantissa, scale)| narrow(*mantissa, *scale)));
        *self = Self::Wide(values);
    }

    pub fn bytes(&self) -> usize {
        match self {
            Self::Narrow { mantissas, scales } => bytes(mantissas) + bytes(scales),
            Self::Wide(values) => bytes(values),
        }
    }
}

#[inline]
fn narrow(mantissa: i64, scale: u8) -> Decimal {
    Decimal::new(mantissa, scale.into())
}

/// What a column holds of memory.
pub(super) fn bytes<T>(column: &Vec<T>) -> usize {
    column.capacity() * size_of::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decimals_come_back_with_their_digits(values in proptest::collection::vec((any::<i128>(), 0u32..=28, 0u32..96), 1..40)) {
            let values: Vec<_> = values.into_iter().map(|(mantissa, scale, shift)| {
                Decimal::from_i128_with_scale((mantissa >> 32) >> shift, scale)
            }).collect();
            let mut column = Decimals::new(4);
            let mut slots = Slots::new(4);
            for value in &values {
                let slot = slots.next();
                column.put(slot, *value);
            }
            let kept = &values[values.len() - slots.len()..];
            for (at, value) in kept.iter().enumerate() {
                let told = column.get(slots.slot(at));
                prop_assert_eq!((told.mantissa(), told.scale()), (value.mantissa(), value.scale()));
            }
        }
    }

    #[test]
    fn a_ring_keeps_the_newest() {
        let mut slots = Slots::new(3);
        let mut column = Vec::new();
        for value in 0..7 {
            let slot = slots.next();
            put(&mut column, slot, value);
        }
        let kept = |places: std::ops::Range<usize>| -> Vec<i32> {
            places.map(|at| column[slots.slot(at)]).collect()
        };
        assert_eq!(kept(slots.newest(9)), [4, 5, 6]);
        assert_eq!(kept(slots.newest(2)), [5, 6]);
        assert_eq!(slots.boundary(|slot| column[slot] < 5), 1);
        assert_eq!(slots.boundary(|_| true), 3);
    }
}
