//! Delays buckets until no late count can change them.

use std::collections::VecDeque;

use crate::{
    model::rates::series::Series,
    reading::buckets::{Epoch, LATE},
};

/// The last buckets of one counter, to which late counts may still be added.
///
/// It returns the same buckets, each once and in order, however a run is cut into batches.
#[derive(Clone, Debug)]
pub struct Settling {
    /// The bucket number of the first of `counts`.
    first: Epoch,
    counts: VecDeque<u64>,
}

impl Settling {
    /// Starts at bucket `first`.
    #[must_use]
    pub fn from(first: Epoch) -> Self {
        Self {
            first,
            counts: VecDeque::new(),
        }
    }

    /// The bucket after the last one that was added.
    #[must_use]
    pub fn end(&self) -> Epoch {
        self.first + self.counts.len() as Epoch
    }

    /// Adds the series of the batch that ends before `end`; returns the buckets that have settled.
    pub fn take(&mut self, series: &Series, end: Epoch) -> Vec<u64> {
        let past = |at: Epoch, first: Epoch| usize::try_from(at - first).unwrap_or(usize::MAX);
        let end = end.max(self.end());
        self.counts.resize(past(end, self.first), 0);
        for (epoch, &count) in (series.start..).zip(&series.counts) {
            // A count that is too late for its bucket goes to the oldest open one.
            let at = past(epoch.max(self.first), self.first);
            match self.counts.get_mut(at) {
                Some(bucket) => *bucket += count,
                None if count > 0 => {
                    self.counts.resize(at, 0);
                    self.counts.push_back(count);
                }
                None => {}
            }
        }
        let settled = self.end().saturating_sub(LATE).saturating_sub(self.first);
        let settled = usize::try_from(settled).unwrap_or(usize::MAX);
        self.first += settled as Epoch;
        self.counts.drain(..settled).collect()
    }

    /// The buckets that have not settled.
    pub fn pending(&self) -> impl Iterator<Item = u64> + '_ {
        self.counts.iter().copied()
    }

    /// Returns the open buckets; the next one will be `first`.
    pub fn flush(&mut self, first: Epoch) -> Vec<u64> {
        self.first = first;
        std::mem::take(&mut self.counts).into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(start: Epoch, counts: &[u64]) -> Series {
        Series {
            start,
            counts: counts.to_vec(),
        }
    }

    #[test]
    fn a_bucket_settles_with_its_late_counts() {
        let mut settling = Settling::from(100);
        assert!(settling.take(&series(101, &[5, 0, 7]), 110).is_empty());
        assert!(settling.take(&series(101, &[1]), 100 + LATE).is_empty());
        assert_eq!(settling.take(&series(103, &[2]), 104 + LATE), [0, 6, 0, 9]);
        assert_eq!(settling.pending().count() as u64, LATE);
        assert_eq!(settling.flush(500).len() as u64, LATE);
        assert_eq!((settling.end(), settling.pending().count()), (500, 0));
    }

    #[test]
    fn counts_that_are_too_late_are_not_lost() {
        let mut settling = Settling::from(100);
        assert_eq!(settling.take(&series(90, &[3]), 101 + LATE), [3]);
    }

    #[test]
    fn counts_after_the_end_of_a_batch_are_not_lost_either() {
        let mut settling = Settling::from(100);
        settling.take(&series(100, &[1, 0, 0]), 101);
        assert_eq!(settling.end(), 101);
        settling.take(&series(101, &[2, 0, 3, 0]), 102);
        assert_eq!(settling.end(), 104);
        assert_eq!(settling.flush(104), [1, 2, 0, 3]);
    }

    proptest! {
        /// The buckets do not depend on how a run is cut into batches, nor on late counts.
        #[test]
        fn cuts_make_no_difference(
            counts in prop::collection::vec(0_u64..100, 1..800),
            cuts in prop::collection::btree_set(0_usize..800, 0..50),
            late in 0_u64..=20,
        ) {
            let mut settling = Settling::from(1000);
            let mut out: Vec<u64> = Vec::new();
            // The counts of each bucket that are still to come.
            let mut rest = counts.clone();
            let mut from = 0;
            let cuts = cuts.into_iter().filter(|&cut| cut < counts.len());
            for to in cuts.chain([counts.len(), counts.len()]) {
                let open = from - from.min(LATE as usize);
                let last = from == to;
                let batch: Vec<u64> = (open..to)
                    .map(|i| {
                        // A part of each open bucket comes with the next batch.
                        let open = i >= from && i + LATE as usize >= to && !last;
                        let later = if open { late.min(rest[i]) } else { 0 };
                        std::mem::replace(&mut rest[i], later) - later
                    })
                    .collect();
                out.extend(settling.take(&series(1000 + open as u64, &batch), 1000 + to as u64));
                from = to;
            }
            out.extend(settling.flush(0));
            prop_assert_eq!(out, counts);
        }
    }
}
