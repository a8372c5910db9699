//! The baseline of a counter: its usual rate over the last two seconds, and how much that varies, without the bursts.

use std::collections::VecDeque;

/// Buckets in a block: 33.6 ms.
const BLOCK: usize = 32;

/// Blocks in the baseline: 2.15 s. Bursts that fill less than half of them do not change it.
const BLOCKS: usize = 64;

/// Blocks that are above the median by more than so many standard deviations are left out.
const CLIP: f64 = 3.0;

/// A robust estimate of the mean per bucket, and of its index of dispersion.
///
/// The mean is taken over the blocks within three standard deviations of their median. It is as robust against bursts as the median,
/// but, unlike the median, it is also right for a few events a second, when most blocks are empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Baseline {
    blocks: VecDeque<Block>,
    /// Blocks with events in them.
    busy: usize,
    open: Moments,
    mean: f64,
    dispersion: f64,
}

/// A block that is complete.
#[derive(Clone, Copy, Debug)]
struct Block {
    mean: f64,
    /// Variance divided by mean; `None` without events.
    dispersion: Option<f64>,
}

/// The sums from which a mean and a variance are computed.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    buckets: usize,
    sum: u64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, count: u64) {
        self.buckets += 1;
        self.sum += count;
        self.squares += count as f64 * count as f64;
    }

    fn block(&self) -> Block {
        let n = self.buckets as f64;
        let mean = self.sum as f64 / n;
        let variance = self.squares / n - mean * mean;
        Block {
            mean,
            dispersion: (self.sum > 0).then(|| variance / mean),
        }
    }
}

impl Baseline {
    /// The baseline of these counts, when nothing was known before; there may be few.
    pub(super) fn of(counts: &[u64]) -> Self {
        let mut baseline = Self::default();
        let length = (counts.len() / 8).clamp(1, BLOCK);
        for chunk in counts.chunks_exact(length) {
            let mut block = Moments::default();
            chunk.iter().for_each(|&count| block.add(count));
            baseline.push(block);
        }
        baseline.estimate();
        baseline
    }

    /// Mean per bucket.
    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    /// Index of dispersion (variance divided by mean) of a bucket; at least 1, which is that of independent events.
    pub(super) fn dispersion(&self) -> f64 {
        self.dispersion.max(1.0)
    }

    /// Adds the next bucket; returns whether the estimate may have changed.
    pub(super) fn add(&mut self, count: u64) -> bool {
        self.open.add(count);
        let changed = self.close_full_block();
        self.estimate_if(changed)
    }

    /// The same as adding so many buckets without events, one after the other.
    pub(super) fn add_empty(&mut self, mut buckets: usize) -> bool {
        let mut changed = false;
        while buckets > 0 {
            let fitting = buckets.min(BLOCK - self.open.buckets);
            self.open.buckets += fitting;
            buckets -= fitting;
            changed |= self.close_full_block();
        }
        self.estimate_if(changed)
    }

    fn estimate_if(&mut self, changed: bool) -> bool {
        if changed {
            self.estimate();
        }
        changed
    }

    /// Returns whether the estimate may change with the block that is full, if it is.
    fn close_full_block(&mut self) -> bool {
        if self.open.buckets < BLOCK {
            return false;
        }
        let block = std::mem::take(&mut self.open);
        let idle = self.busy == 0 && block.sum == 0;
        self.push(block);
        !idle
    }

    fn push(&mut self, moments: Moments) {
        self.busy += usize::from(moments.sum > 0);
        self.blocks.push_back(moments.block());
        if self.blocks.len() > BLOCKS
            && let Some(oldest) = self.blocks.pop_front()
        {
            self.busy -= usize::from(oldest.dispersion.is_some());
        }
    }

    fn estimate(&mut self) {
        // A block without events counts as one of independent events. Where most blocks are empty, the events in the others are
        // bursts, and must not raise the dispersion.
        let dispersions = self.blocks.iter().map(|block| block.dispersion);
        let dispersions = dispersions.map(|dispersion| dispersion.unwrap_or(1.0));
        self.dispersion = median(dispersions.collect()).unwrap_or(1.0);
        let middle = median(self.blocks.iter().map(|block| block.mean).collect());
        let middle = middle.unwrap_or_default();
        let length = BLOCK as f64;
        let deviation = (self.dispersion() * middle.max(1.0 / length) / length).sqrt();
        let kept = |block: &&Block| block.mean <= middle + CLIP * deviation;
        let (sum, number) = self
            .blocks
            .iter()
            .filter(kept)
            .fold((0.0, 0.0), |(sum, number), block| {
                (sum + block.mean, number + 1.0)
            });
        self.mean = if number > 0.0 { sum / number } else { 0.0 };
    }
}

/// The lower median; `None` without values.
fn median(mut values: Vec<f64>) -> Option<f64> {
    let middle = values.len().checked_sub(1)? / 2;
    let (_, median, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*median)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(counts: impl IntoIterator<Item = u64>) -> Baseline {
        let mut baseline = Baseline::default();
        for count in counts {
            baseline.add(count);
        }
        baseline
    }

    #[test]
    fn a_constant_is_its_own_baseline() {
        for count in [0, 1, 7, 1000] {
            for baseline in [fed(vec![count; 3000]), Baseline::of(&vec![count; 500])] {
                assert_eq!(baseline.mean(), count as f64);
                assert_eq!(baseline.dispersion(), 1.0);
            }
        }
    }

    #[test]
    fn a_few_events_a_second_are_not_zero() {
        // One in 50 buckets: 19 a second.
        let baseline = fed((0..4096).map(|i| u64::from(i % 50 == 0)));
        assert!(
            (baseline.mean() - 0.02).abs() < 0.002,
            "{}",
            baseline.mean()
        );
    }

    #[test]
    fn bursts_in_less_than_half_of_the_window_do_not_move_it() {
        // 40 of 400 buckets at 100, the others at 2.
        let baseline = fed((0..4096).map(|i| if i % 400 < 40 { 100 } else { 2 }));
        assert_eq!(baseline.mean(), 2.0);
        assert_eq!(baseline.dispersion(), 1.0);
    }

    #[test]
    fn bursts_in_an_idle_window_do_not_move_it() {
        let baseline = fed((0..4096).map(|i| if i % 400 < 40 { 100 } else { 0 }));
        assert_eq!((baseline.mean(), baseline.dispersion()), (0.0, 1.0));
    }

    #[test]
    fn it_follows_a_new_level_within_its_window() {
        let step = |after: usize| fed((0..4096 + after).map(|i| if i < 4096 { 2 } else { 50 }));
        assert_eq!(step(BLOCK * BLOCKS / 2 - BLOCK).mean(), 2.0);
        assert_eq!(step(BLOCK * BLOCKS).mean(), 50.0);
    }

    #[test]
    fn clumps_increase_the_dispersion() {
        // 40 in every fourth bucket.
        let baseline = fed((0..4096).map(|i| if i % 4 == 0 { 40 } else { 0 }));
        assert_eq!(baseline.mean(), 10.0);
        assert_eq!(baseline.dispersion(), 30.0);
    }

    #[test]
    fn few_counts_have_a_baseline_and_none_have_that_of_silence() {
        assert_eq!(Baseline::of(&[5; 10]).mean(), 5.0);
        assert_eq!(Baseline::of(&[7]).mean(), 7.0);
        let nothing = Baseline::of(&[]);
        assert_eq!((nothing.mean(), nothing.dispersion()), (0.0, 1.0));
    }

    #[test]
    fn silence_changes_the_estimate_until_the_last_event_has_left_the_window() {
        let mut baseline = Baseline::default();
        // Adds a block with so many events in its first bucket; whether the estimate may have changed.
        let mut block = |events| {
            let counts = (0..BLOCK).map(|at| if at == 0 { events } else { 0 });
            let changed: Vec<_> = counts.map(|count| baseline.add(count)).collect();
            assert!(!changed[..BLOCK - 1].contains(&true));
            (changed[BLOCK - 1], baseline.mean())
        };
        assert_eq!(block(0), (false, 0.0));
        assert_eq!(block(1), (true, 0.5 / BLOCK as f64));
        // The first block leaves the window at last, and then that with the event.
        for _ in 2..BLOCKS {
            assert!(block(0).0);
        }
        let one_of_all = 1.0 / (BLOCK * BLOCKS) as f64;
        assert_eq!(block(0), (true, one_of_all));
        assert_eq!(block(0), (true, 0.0));
        assert_eq!(block(0), (false, 0.0));
    }

    #[test]
    fn blocks_far_above_the_median_are_left_out() {
        // 2 in a bucket, and in every fourth block more: the standard deviation of a block's mean is 1/4.
        let mean = |odd: u64, even: u64| {
            let in_block = |i: u64| (i / BLOCK as u64).is_multiple_of(4);
            let count = |i: u64| match in_block(i) {
                true if i.is_multiple_of(2) => even,
                true => odd,
                false => 2,
            };
            fed((0..4096).map(count)).mean()
        };
        assert_eq!(mean(2, 3), 2.125);
        assert_eq!(mean(3, 3), 2.0);
        // Of silence: 1/32. Two events in a block are not far above it, four are.
        let mean = |events| {
            let first = |i: usize| i.is_multiple_of(4 * BLOCK);
            fed((0..4096).map(|i| if first(i) { events } else { 0 })).mean()
        };
        assert_eq!(mean(2), 2.0 / (4 * BLOCK) as f64);
        assert_eq!(mean(4), 0.0);
    }
}
