//! Time series of buckets of about 1 ms: events by time.

use crate::reading::buckets::{BucketBatch, Epoch};

use conntrack_ebpf::ProbeCounter;

use crate::{model::kernel::per_counter::PerCounter, reading::selector::Selector};

/// The counts of one counter in one batch, without leading and trailing zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// The bucket number of the first count.
    pub start: Epoch,
    /// Events per bucket.
    pub counts: Vec<u64>,
}

impl Series {
    /// The busiest bucket (the first of equals) and its count; `None` without events.
    #[must_use]
    pub fn busiest(&self) -> Option<(Epoch, u64)> {
        let max = *self.counts.iter().max()?;
        let at = self.counts.iter().position(|&n| n == max)?;
        (max > 0).then(|| (self.start + at as u64, max))
    }
}

/// Computes the series of each counter from consecutive batches.
///
/// Only differences of two probes have state: when the two events of a flow fall into different buckets, the count of the later
/// bucket would be negative. It is subtracted from the next events instead, so sums stay exact.
#[derive(Clone, Debug, Default)]
pub struct SeriesMaker {
    debt: PerCounter<u64>,
}

impl SeriesMaker {
    /// Computes the series of every counter in `sources`.
    pub fn series(
        &mut self,
        batch: &BucketBatch,
        sources: &PerCounter<Selector>,
    ) -> PerCounter<Series> {
        PerCounter::from_fn(|spec| {
            let source = *sources.get(spec.id)?;
            let mut debt = self.debt.get(spec.id).copied().unwrap_or_default();
            let series = trimmed(batch.counts.iter().map(|(&epoch, counts)| {
                let sum = |counters: &[ProbeCounter]| -> u64 {
                    counters.iter().map(|counter| counts[counter.index()]).sum()
                };
                let have = sum(source.plus);
                let owed = debt + sum(source.minus);
                debt = owed.saturating_sub(have);
                let count = have.saturating_sub(owed);
                (epoch, count)
            }));
            self.debt.set(spec.id, Some(debt));
            Some(series.unwrap_or(Series {
                start: batch.first,
                counts: Vec::new(),
            }))
        })
    }
}

/// A dense series from sparse points in ascending order; `None` if all are zero.
fn trimmed(points: impl Iterator<Item = (Epoch, u64)>) -> Option<Series> {
    let mut series: Option<Series> = None;
    for (epoch, count) in points.filter(|&(_, count)| count > 0) {
        let series = series.get_or_insert_with(|| Series {
            start: epoch,
            counts: Vec::new(),
        });
        let at = usize::try_from(epoch - series.start).unwrap_or(usize::MAX);
        series.counts.resize(at, 0);
        series.counts.push(count);
    }
    series
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::kernel::counters::Counter;
    use conntrack_ebpf::COUNTER_SLOTS;

    fn batch(first: Epoch, rows: &[(Epoch, u64, u64)]) -> BucketBatch {
        let counts = rows
            .iter()
            .map(|&(epoch, made, expected)| {
                let mut counts = [0; COUNTER_SLOTS];
                counts[ProbeCounter::AllocCallPacket.index()] = made;
                counts[ProbeCounter::ExpectNew.index()] = expected;
                (epoch, counts)
            })
            .collect();
        BucketBatch {
            first,
            end: first + 100,
            counts,
            lost: 0,
        }
    }

    #[test]
    fn batches_read_one_after_the_other_add_up() {
        let mut whole = batch(100, &[(150, 1, 0), (199, 2, 1)]);
        let mut later = batch(200, &[(199, 3, 0), (250, 4, 0)]);
        later.lost = 5;
        whole.append(later);
        let mut expected = batch(100, &[(150, 1, 0), (199, 5, 1), (250, 4, 0)]);
        (expected.end, expected.lost) = (300, 5);
        assert_eq!(whole, expected);
    }

    fn new_and_expected() -> PerCounter<Selector> {
        PerCounter::from_fn(|spec| {
            matches!(spec.id, Counter::New | Counter::ExpectNew)
                .then_some(spec.probe)
                .flatten()
        })
    }

    #[test]
    fn zeros_are_trimmed_at_the_ends_and_kept_between() {
        let series = SeriesMaker::default().series(
            &batch(10, &[(10, 0, 0), (12, 3, 0), (15, 5, 0), (16, 0, 0)]),
            &new_and_expected(),
        );
        let new = series.get(Counter::New).unwrap();
        assert_eq!(
            (new.start, new.counts.as_slice()),
            (12, [3, 0, 0, 5].as_slice())
        );
        assert_eq!(new.busiest(), Some((15, 5)));
        let expected = series.get(Counter::ExpectNew).unwrap();
        assert_eq!((expected.start, expected.counts.len()), (10, 0));
        assert_eq!(expected.busiest(), None);
        let nothing = Series {
            start: 10,
            counts: vec![0, 0],
        };
        assert_eq!(nothing.busiest(), None);
    }

    #[test]
    fn an_expected_flow_split_over_two_buckets_is_not_new() {
        let mut maker = SeriesMaker::default();
        let first = maker.series(&batch(0, &[(1, 1, 0), (2, 0, 1)]), &new_and_expected());
        assert_eq!(first.get(Counter::New).unwrap().counts, [1]);
        let second = maker.series(&batch(100, &[(101, 4, 0)]), &new_and_expected());
        assert_eq!(second.get(Counter::New).unwrap().counts, [3]);
    }

    proptest! {
        #[test]
        fn a_difference_keeps_its_sum(rows in prop::collection::btree_map(0u64..1000, (0u64..50, 0u64..3), 1..60)) {
            let rows: Vec<_> = rows.into_iter().map(|(e, (a, b))| (e, a, b)).collect();
            let mut maker = SeriesMaker::default();
            let series = maker.series(&batch(0, &rows), &new_and_expected());
            let sum: u64 = series.get(Counter::New).unwrap().counts.iter().sum();
            let made: u64 = rows.iter().map(|r| r.1).sum();
            let expected: u64 = rows.iter().map(|r| r.2).sum();
            let debt = maker.debt.get(Counter::New).copied().unwrap_or_default();
            prop_assert_eq!(sum + expected, made + debt);
        }
    }
}
