//! Many numbers in little memory, for their percentiles.

/// Beyond so many, every second one is dropped: percentiles of 100,000 are as good as those of a million.
const MOST: usize = 1 << 17;

/// An even choice of all numbers that were added.
#[derive(Debug, Clone, Default)]
pub(super) struct Samples {
    kept: Vec<i64>,
    /// One of so many (as a power of two) is kept.
    halvings: u32,
    added: u64,
}

impl Samples {
    pub fn add(&mut self, number: i64) {
        let is_due = self.added.is_multiple_of(1 << self.halvings);
        self.added += 1;
        if !is_due {
            return;
        }
        self.kept.push(number);
        if self.kept.len() == MOST {
            let mut place = 0;
            self.kept.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.halvings += 1;
        }
    }

    /// The smallest number that so many per cent of all do not exceed (nearest rank); `None` of nothing.
    pub fn percentile(&self, percent: u32) -> Option<i64> {
        let mut sorted = self.kept.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent as usize).div_ceil(100);
        sorted.get(rank.max(1) - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let mut samples = Samples::default();
        assert_eq!(samples.percentile(50), None);
        samples.add(7);
        assert_eq!([50, 95, 99].map(|p| samples.percentile(p)), [Some(7); 3]);
        let mut samples = Samples::default();
        (1..=200).rev().for_each(|n| samples.add(n));
        let found = [50, 95, 99, 100].map(|p| samples.percentile(p).unwrap());
        assert_eq!(found, [100, 190, 198, 200]);
    }

    #[test]
    fn memory_is_bounded_and_the_choice_stays_even() {
        let mut samples = Samples::default();
        let n = 10 * MOST as i64;
        (0..n).for_each(|number| samples.add(number));
        assert!(samples.kept.len() < MOST);
        for percent in [50, 95, 99] {
            let found = samples.percentile(percent).unwrap();
            let exact = n * i64::from(percent) / 100;
            assert!((found - exact).abs() < n / 1_000, "{percent}: {found}");
        }
    }
}
