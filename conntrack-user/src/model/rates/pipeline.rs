//! The bucket pipeline: once the buckets of a counter have settled, they go to its histogram and its burst detector.

use crate::{
    model::{
        burst::{BurstSettings, DetectedBurst, Detector},
        kernel::{counters::Counter, per_counter::PerCounter},
        rates::{percentiles::BucketHistogram, series::Series, settling::Settling},
        record::Percentiles,
    },
    reading::buckets::{BucketBatch, Epoch},
};

/// The bucket pipelines of all counters of one instance.
#[derive(Clone, Debug)]
pub struct BucketPipeline {
    settings: BurstSettings,
    counters: PerCounter<Stage>,
}

/// The pipeline of one counter.
#[derive(Clone, Debug)]
struct Stage {
    settling: Settling,
    histogram: BucketHistogram,
    detector: Detector,
}

impl Stage {
    fn new(settings: BurstSettings, first: Epoch) -> Self {
        Self {
            settling: Settling::from(first),
            histogram: BucketHistogram::default(),
            detector: Detector::new(settings, first),
        }
    }

    fn settled(&mut self, counts: &[u64]) {
        for run in counts.chunk_by(|a, b| *a == 0 && *b == 0) {
            match run {
                [0, ..] => {
                    self.histogram.record_empty(run.len() as u64);
                    self.detector.add_empty(run.len());
                }
                _ => run.iter().for_each(|&count| {
                    self.histogram.record(count);
                    self.detector.add(count);
                }),
            }
        }
    }

    /// Skips to bucket `first`: those before it were lost.
    fn resume_at(&mut self, first: Epoch) {
        let rest = self.settling.flush(first);
        self.settled(&rest);
        self.detector.resume_at(first);
    }
}

impl BucketPipeline {
    /// Starts without buckets.
    #[must_use]
    pub fn new(settings: BurstSettings) -> Self {
        Self {
            settings,
            counters: PerCounter::default(),
        }
    }

    /// Takes a batch of buckets, as `series` by counter; returns the bursts that are over, in the order of their ends.
    pub fn take(
        &mut self,
        batch: &BucketBatch,
        series: &PerCounter<Series>,
    ) -> Vec<(Counter, DetectedBurst)> {
        let known = batch.first + batch.lost;
        for (counter, series) in series.iter() {
            let settings = self.settings;
            let buckets = self
                .counters
                .get_or_insert_with(counter, || Stage::new(settings, known));
            if buckets.settling.end() != known {
                buckets.resume_at(known);
            }
            let settled = buckets.settling.take(series, batch.end);
            buckets.settled(&settled);
        }
        self.found()
    }

    /// Ends the series, and with it a burst that is not over.
    pub fn finish(&mut self) -> Vec<(Counter, DetectedBurst)> {
        for (_, buckets) in self.counters.iter_mut() {
            let end = buckets.settling.end();
            buckets.resume_at(end);
        }
        self.found()
    }

    /// The distribution of a counter's buckets so far.
    #[must_use]
    pub fn percentiles(&self, counter: Counter) -> Option<Percentiles> {
        let buckets = self.counters.get(counter)?;
        let mut histogram = buckets.histogram.clone();
        buckets
            .settling
            .pending()
            .for_each(|count| histogram.record(count));
        histogram.percentiles()
    }

    fn found(&mut self) -> Vec<(Counter, DetectedBurst)> {
        let mut found: Vec<(Counter, DetectedBurst)> = Vec::new();
        for (counter, buckets) in self.counters.iter_mut() {
            found.extend(buckets.detector.found().into_iter().map(|b| (counter, b)));
        }
        found.sort_by_key(|(_, burst)| burst.end);
        found
    }
}

/// The distribution of a counter's buckets in one batch, as known at its end. Late counts for its buckets are not included.
#[must_use]
pub fn of_batch(batch: &BucketBatch, series: &Series) -> Option<Percentiles> {
    let known = batch.first + batch.lost;
    let busy = (series.start..)
        .zip(&series.counts)
        .filter(|&(epoch, &count)| epoch >= known && count > 0)
        .map(|(_, &count)| count)
        .collect();
    Percentiles::of(busy, batch.end.saturating_sub(known))
}

#[cfg(test)]
mod tests {
    use conntrack_ebpf::{COUNTER_SLOTS, ProbeCounter};
    use proptest::prelude::*;

    use super::*;
    use crate::{model::rates::series::SeriesMaker, reading::selector::Selector};

    const SETTINGS: BurstSettings = BurstSettings {
        threshold: 3.0,
        least: 20,
        longest: std::time::Duration::from_secs(1),
    };

    fn inserted() -> PerCounter<Selector> {
        let spec = Counter::Inserted.spec();
        let mut sources = PerCounter::default();
        sources.set(spec.id, spec.probe);
        sources
    }

    /// The first bucket, the end (exclusive), and the counts by bucket.
    type Rows = (Epoch, Epoch, Vec<(Epoch, u64)>);

    fn run(batches: &[Rows]) -> (Vec<(Counter, DetectedBurst)>, BucketPipeline) {
        let mut inside = BucketPipeline::new(SETTINGS);
        let mut maker = SeriesMaker::default();
        let mut found = Vec::new();
        for (first, end, rows) in batches {
            let mut batch = BucketBatch {
                first: *first,
                end: *end,
                ..BucketBatch::default()
            };
            for (epoch, count) in rows {
                let counts = batch.counts.entry(*epoch).or_insert([0; COUNTER_SLOTS]);
                counts[ProbeCounter::Inserted.index()] += count;
            }
            found.extend(inside.take(&batch, &maker.series(&batch, &inserted())));
        }
        found.extend(inside.finish());
        (found, inside)
    }

    #[test]
    fn a_burst_over_several_batches_with_late_counts_is_one() {
        let (found, inside) = run(&[
            (0, 1000, vec![]),
            (1000, 1010, vec![(1005, 40), (1008, 30)]),
            (1010, 1020, vec![(1006, 5), (1012, 40)]),
            (1020, 1100, vec![(1012, 3), (1022, 2)]),
            (1100, 1300, vec![]),
        ]);
        let expected = DetectedBurst {
            first: 1005,
            end: 1023,
            count: 120,
            peak: 43,
            usual: 0.0,
        };
        assert_eq!(found, [(Counter::Inserted, expected)]);
        let max = inside.percentiles(Counter::Inserted).map(|p| p.max);
        assert_eq!(max, Percentiles::of(vec![43], 1).map(|p| p.max));
    }

    #[test]
    fn a_burst_that_is_not_over_ends_with_the_series() {
        let (found, _) = run(&[
            (0, 1000, vec![]),
            (1000, 1010, vec![(1008, 30), (1009, 40)]),
        ]);
        let ends: Vec<_> = found
            .iter()
            .map(|(_, b)| (b.first, b.end, b.count))
            .collect();
        assert_eq!(ends, [(1008, 1010, 70)]);
    }

    #[test]
    fn a_batch_has_the_percentiles_of_its_buckets_that_were_not_lost() {
        let batch = BucketBatch {
            first: 10,
            end: 20,
            lost: 5,
            ..BucketBatch::default()
        };
        let series = Series {
            start: 14,
            counts: vec![9, 3, 0, 4, 5, 6],
        };
        // Of the buckets 15 to 19; the 9 were in one that was lost.
        assert_eq!(
            of_batch(&batch, &series),
            Percentiles::of(vec![3, 4, 5, 6], 5)
        );
    }

    #[test]
    fn lost_buckets_are_not_counted_as_zero() {
        let mut inside = BucketPipeline::new(SETTINGS);
        let mut batch = BucketBatch {
            first: 0,
            end: 1000,
            ..BucketBatch::default()
        };
        let mut maker = SeriesMaker::default();
        inside.take(&batch, &maker.series(&batch, &inserted()));
        batch.counts.insert(1001, [50; COUNTER_SLOTS]);
        (batch.first, batch.end) = (1000, 1010);
        assert_eq!(inside.take(&batch, &maker.series(&batch, &inserted())), []);
        batch.counts.clear();
        (batch.first, batch.end, batch.lost) = (1010, 9000, 7900);
        let found = inside.take(&batch, &maker.series(&batch, &inserted()));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].1.first, found[0].1.end), (1001, 1002));
        let p = of_batch(&batch, &Series::default()).unwrap();
        assert_eq!(p.max, 0.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The bursts and the distribution do not depend on how a run is cut into batches, nor on late counts.
        #[test]
        fn cuts_and_late_counts_make_no_difference(
            pulses in prop::collection::vec((0_u64..4000, 1_u64..60, 1_u64..40), 0..8),
            cuts in prop::collection::btree_set(1_u64..5000, 0..60),
            late in 0_u64..=3,
        ) {
            let mut counts = vec![0; 5000];
            for (first, buckets, height) in pulses {
                counts[first as usize..(first + buckets) as usize].iter_mut().for_each(|n| *n += height);
            }
            let rows: Vec<(Epoch, u64)> = (0..).zip(counts.iter().copied()).filter(|r| r.1 > 0).collect();
            let whole = run(&[(0, 5000, rows.clone())]);
            let mut batches: Vec<Rows> = Vec::new();
            let mut from = 0;
            for to in cuts.into_iter().chain([5000]) {
                let mut now: Vec<(Epoch, u64)> = rows.iter().copied().filter(|(e, _)| (from..to).contains(e)).collect();
                // Some counts for the last batch's last 64 buckets come with this one.
                if let Some((first, end, before)) = batches.last_mut() {
                    let open = end.saturating_sub(crate::reading::buckets::LATE).max(*first);
                    for (epoch, count) in before.iter_mut().filter(|(e, _)| *e >= open) {
                        let later = late.min(*count);
                        *count -= later;
                        now.push((*epoch, later));
                    }
                }
                batches.push((from, to, now));
                from = to;
            }
            let cut = run(&batches);
            prop_assert_eq!(&whole.0, &cut.0);
            let whole = whole.1.percentiles(Counter::Inserted).unwrap();
            let cut = cut.1.percentiles(Counter::Inserted).unwrap();
            prop_assert_eq!(whole, cut);
        }
    }
}
