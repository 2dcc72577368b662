//! Sets of ids, as ranges.

/// Ids, as ranges with both ends included, sorted and apart from one another.
#[derive(Debug, Default)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds these.
    pub fn extend(&mut self, more: impl IntoIterator<Item = (u64, u64)>) {
        self.0.extend(more);
        self.0.sort_unstable();
        self.0.dedup_by(|next, before| {
            let touches = next.0 <= before.1.saturating_add(1);
            if touches {
                before.1 = before.1.max(next.1);
            }
            touches
        });
    }

    /// Whether all of `from..=until` are in it; also where there are none.
    pub fn cover(&self, from: u64, until: u64) -> bool {
        from > until
            || self
                .from(from)
                .next()
                .is_some_and(|first| first.0 <= from && until <= first.1)
    }

    /// Those of `from..=until` that are in it.
    pub fn within(&self, from: u64, until: u64) -> impl Iterator<Item = (u64, u64)> {
        self.from(from)
            .take_while(move |range| range.0 <= until)
            .map(move |range| (range.0.max(from), range.1.min(until)))
    }

    /// Those of `from..=until` that are not in it.
    pub fn outside(&self, from: u64, until: u64) -> impl Iterator<Item = (u64, u64)> {
        let mut next = Some(from);
        let end = until.checked_add(1).map(|end| (end, end));
        let ends = self.within(from, until).map(Some).chain([end]);
        ends.filter_map(move |range| {
            let before = next?..range.map_or(u64::MAX, |range| range.0);
            next = range.and_then(|range| range.1.checked_add(1));
            (!before.is_empty()).then(|| (before.start, before.end - 1))
        })
    }

    /// Those that end at `id` or later.
    fn from(&self, id: u64) -> impl Iterator<Item = (u64, u64)> {
        let first = self.0.partition_point(|range| range.1 < id);
        self.0[first..].iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_are_the_set_of_their_ids(
            parts in prop::collection::vec((0u64..60, 0u64..6), 0..20), from in 0u64..70, length in 0u64..20,
        ) {
            let mut ranges = Ranges::default();
            let (early, late) = parts.split_at(parts.len() / 2);
            for parts in [early, late] {
                ranges.extend(parts.iter().map(|(from, length)| (*from, from + length)));
            }
            let held = |id: u64| parts.iter().any(|(from, length)| (*from..=from + length).contains(&id));
            let until = from + length;
            prop_assert_eq!(ranges.cover(from, until), (from..=until).all(held));
            let within: Vec<_> = ranges.within(from, until).flat_map(|(a, b)| a..=b).collect();
            prop_assert_eq!(within, (from..=until).filter(|id| held(*id)).collect::<Vec<_>>());
            let outside: Vec<_> = ranges.outside(from, until).flat_map(|(a, b)| a..=b).collect();
            prop_assert_eq!(outside, (from..=until).filter(|id| !held(*id)).collect::<Vec<_>>());
            prop_assert!(ranges.cover(from + 1, from));
        }
    }
}
