//! Time buckets of 2^20 ns (1.05 ms): their numbers, and a batch of them as it is read from the probes' maps.

use std::{collections::BTreeMap, time::Duration};

use conntrack_ebpf::{BUCKET_NS, COUNTER_SLOTS};

/// Length of a bucket in seconds.
pub const BUCKET_SECONDS: f64 = BUCKET_NS as f64 / 1e9;

/// Length of a bucket in milliseconds.
pub const BUCKET_MS: f64 = BUCKET_NS as f64 / 1e6;

/// How many buckets back a late count is still found: a CPU may be held up (by an interrupt, or by
/// its hypervisor) between reading the clock and counting.
pub const LATE: u64 = 64;

/// The most buckets that a sample can have: 137 s. Rings are shorter, and what is before that is lost.
pub const MOST_BUCKETS: i64 = 1 << 17;

/// Number of a bucket: `CLOCK_MONOTONIC` in nanoseconds, shifted by [`conntrack_ebpf::BUCKET_SHIFT`].
pub type Epoch = u64;

/// Events of one bucket by [`conntrack_ebpf::ProbeCounter`] index, summed over CPUs.
pub type BucketCounts = [u64; COUNTER_SLOTS];

/// When a bucket starts, on the monotonic clock.
#[must_use]
pub fn start_of(epoch: Epoch) -> Duration {
    Duration::from_nanos(epoch.saturating_mul(BUCKET_NS))
}

/// The bucket a moment falls in.
#[must_use]
pub fn epoch_of(monotonic: Duration) -> Epoch {
    u64::try_from(monotonic.as_nanos()).unwrap_or(u64::MAX) / BUCKET_NS
}

/// The grid of buckets on the wall clock, by the start of one of them, in nanoseconds since 1970.
///
/// All buckets of a reading are on one grid, but the wall clock drifts against the kernel's, and the grid must follow: otherwise two
/// buckets would be merged into one, with twice the rate. The numbers of buckets on it are its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallGrid {
    /// Buckets start at their number times [`BUCKET_NS`] plus this. `None` before the first one.
    phase: Option<i64>,
}

impl WallGrid {
    const STEP: i64 = BUCKET_NS as i64;

    /// Aligns the grid to buckets of which one starts at `start`.
    pub fn align(&mut self, start: i64) {
        match self.phase {
            None => self.phase = Some(start.rem_euclid(Self::STEP)),
            Some(phase) => {
                let off = start - self.start_of(self.nearest(start));
                if off.abs() > Self::STEP / 4 {
                    self.phase = Some(phase + off);
                }
            }
        }
    }

    /// The bucket that starts nearest to a time.
    #[must_use]
    pub fn nearest(&self, time: i64) -> i64 {
        (time - self.phase.unwrap_or_default() + Self::STEP / 2).div_euclid(Self::STEP)
    }

    /// When a bucket starts.
    #[must_use]
    pub fn start_of(&self, bucket: i64) -> i64 {
        bucket * Self::STEP + self.phase.unwrap_or_default()
    }

    /// The first bucket that starts at or after a time.
    #[must_use]
    pub fn first_in(&self, time: i64) -> i64 {
        let from_phase = time - self.phase.unwrap_or_default();
        -(-from_phase).div_euclid(Self::STEP)
    }
}

/// Buckets that were read together: all those in `first..end`, and what arrived late for earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketBatch {
    /// The first bucket of the span.
    pub first: Epoch,
    /// The bucket after the last of the span.
    pub end: Epoch,
    /// Events by bucket; buckets without events are left out. Keys below `first` are late arrivals
    /// (a CPU held up between reading the clock and counting): add them to what was known.
    pub counts: BTreeMap<Epoch, BucketCounts>,
    /// Buckets of the span that had been overwritten before they could be read.
    pub lost: u64,
}

impl BucketBatch {
    /// Whether it covers no time.
    #[must_use]
    pub fn covers_nothing(&self) -> bool {
        self.first == self.end
    }

    /// Adds the batch that was read right after this one.
    pub fn append(&mut self, later: Self) {
        self.end = later.end;
        self.lost += later.lost;
        for (epoch, more) in later.counts {
            let counts = self.counts.entry(epoch).or_insert([0; COUNTER_SLOTS]);
            for (count, more) in counts.iter_mut().zip(more) {
                *count += more;
            }
        }
    }
}
