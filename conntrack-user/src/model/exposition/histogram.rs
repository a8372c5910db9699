//! How many buckets had how many events, by powers: what Prometheus calls a native histogram, of which the classic one is a part.

use std::collections::BTreeMap;

/// Buckets of the native histogram double over 2 to this power of steps: each is 9 % wider than the one before.
pub const NATIVE_SCHEMA: i32 = 3;

/// Steps from one power of two to the next.
const STEPS: i32 = 1 << NATIVE_SCHEMA;

/// The bounds of the classic histogram: no event, and powers of four, up to 65,536 events in a bucket, which are 62 million a
/// second. Each is a bound of the native one too.
pub const CLASSIC_BOUNDS: [u64; 10] = [0, 1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536];

/// How many buckets had how many events. It only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PowerHistogram {
    /// Buckets without events.
    pub empty: u64,
    /// Events in all buckets.
    pub events: u64,
    /// Buckets with events, by the index of the native bucket, whose upper bound is 2^(index / 2^[`NATIVE_SCHEMA`]).
    busy: BTreeMap<i32, u64>,
}

impl PowerHistogram {
    /// Adds a bucket with events.
    pub fn record(&mut self, count: u64) {
        match index(count) {
            None => self.empty += 1,
            Some(index) => {
                self.events = self.events.saturating_add(count);
                *self.busy.entry(index).or_default() += 1;
            }
        }
    }

    /// The number of buckets.
    #[must_use]
    pub fn buckets(&self) -> u64 {
        self.empty + self.busy.values().sum::<u64>()
    }

    /// The number of buckets up to each of [`CLASSIC_BOUNDS`], without those up to the bound before, and of those above the last.
    #[must_use]
    pub fn classic(&self) -> [u64; CLASSIC_BOUNDS.len() + 1] {
        let mut counts = [0; CLASSIC_BOUNDS.len() + 1];
        counts[0] = self.empty;
        for (&at, &count) in &self.busy {
            let within = CLASSIC_BOUNDS[1..].iter();
            let up_to = within.take_while(|&&bound| index(bound) < Some(at)).count();
            counts[1 + up_to] += count;
        }
        counts
    }

    /// The native buckets: spans of neighbours, as (gap after the span before, length), and how much each bucket's count is above
    /// that of the one before.
    #[must_use]
    pub fn native(&self) -> (Vec<(i32, u32)>, Vec<i64>) {
        let mut spans: Vec<(i32, u32)> = Vec::new();
        let mut deltas = Vec::new();
        let (mut next, mut last) = (0, 0_i64);
        for (&at, &count) in &self.busy {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            match spans.last_mut() {
                Some((_, length)) if at == next => *length += 1,
                _ => spans.push((at - next, 1)),
            }
            deltas.push(count - last);
            (next, last) = (at + 1, count);
        }
        (spans, deltas)
    }
}

/// The index of the native bucket of a count: the least of which the upper bound is not below it. `None` for no event.
fn index(count: u64) -> Option<i32> {
    let power = i32::try_from(count.checked_ilog2()?).unwrap_or_default();
    if count.is_power_of_two() {
        return Some(power * STEPS);
    }
    // Not a bound, as those between powers of two are no whole numbers; so rounding cannot reach another power.
    let steps = ((count as f64).log2() * f64::from(STEPS)).ceil() as i32;
    Some(steps.clamp(power * STEPS + 1, (power + 1) * STEPS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(counts: &[u64]) -> PowerHistogram {
        let mut histogram = PowerHistogram::default();
        counts.iter().for_each(|&count| histogram.record(count));
        histogram
    }

    #[test]
    fn known_counts_are_where_they_belong() {
        let histogram = of(&[0, 0, 1, 2, 3, 4, 5, 70_000]);
        assert_eq!(histogram.classic(), [2, 1, 3, 1, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!((histogram.buckets(), histogram.events), (8, 70_015));
        // 1 is bucket 0, 2 is 8, 3 is 13, 4 is 16, 5 is 19, 70,000 is 129.
        let (spans, deltas) = histogram.native();
        assert_eq!(spans, [(0, 1), (7, 1), (4, 1), (2, 1), (2, 1), (109, 1)]);
        assert_eq!(deltas, [1, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn neighbours_are_one_span() {
        // 256 is bucket 64, 270 is 65, 300 is 66.
        assert_eq!(
            of(&[256, 270, 270, 300]).native(),
            (vec![(64, 3)], vec![1, 1, -1])
        );
    }

    proptest! {
        #[test]
        fn every_bucket_is_within_the_bounds_of_its_place(counts in prop::collection::vec(prop_oneof![0_u64..100, any::<u64>()], 0..40)) {
            let histogram = of(&counts);
            for &count in counts.iter().filter(|&&count| count > 0) {
                let bound = |index: i32| 2_f64.powf(f64::from(index) / f64::from(STEPS));
                let at = index(count).unwrap();
                // Beyond 2^52 a count is not exact as a floating-point number.
                let near = 1.0 + 1e-12;
                prop_assert!(count as f64 <= bound(at) * near && count as f64 * near > bound(at - 1), "{count} in {at}");
            }
            let classic = histogram.classic();
            prop_assert_eq!(classic.iter().sum::<u64>(), counts.len() as u64);
            for (i, bound) in CLASSIC_BOUNDS.iter().enumerate() {
                let expected = counts.iter().filter(|&count| count <= bound).count() as u64;
                prop_assert_eq!(classic[..=i].iter().sum::<u64>(), expected);
            }
            let (spans, deltas) = histogram.native();
            let length: u32 = spans.iter().map(|span| span.1).sum();
            prop_assert_eq!(length as usize, deltas.len());
            let (mut at, mut total) = (0, 0);
            deltas.iter().for_each(|delta| { at += delta; total += at; });
            prop_assert_eq!(total as u64 + histogram.empty, counts.len() as u64);
        }
    }
}
