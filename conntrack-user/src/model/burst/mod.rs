//! Bursts: far more events than usual, for up to a second.
//!
//! # Method
//!
//! Each counter's buckets go through a cumulative sum: `S = max(0, S + count − k)`. This is Page's
//! test for a rise (E. S. Page, *Continuous inspection schemes*, Biometrika 41, 1954) in the form for
//! counts (J. M. Lucas, *Counted data CUSUM's*, Technometrics 27, 1985), whose reference value
//! `k = (d − a) / (ln d − ln a)` makes `S` the evidence for a burst rate `d` against the usual rate
//! `a`. A burst starts after the last zero of `S` and ends at its maximum, which are the most likely
//! start and end; it is over when `S` has fallen from there by as much as 16 buckets (17 ms) at the
//! usual rate subtract. That makes it the most likely path through an automaton of two states with a
//! cost for changing between them (J. Kleinberg, *Bursty and hierarchical structure in streams*,
//! 2002), found online.
//!
//! - **Usual rate** (`a`): the rate of the last two seconds without their bursts, estimated robustly
//!   (see `baseline`), and never less than about one event a second.
//! - **Burst rate**: `d = threshold · a + 5 √(a φ) + φ / 2` events per bucket, where φ is the usual
//!   index of dispersion: the threshold and five standard deviations above the usual rate, and half an
//!   event for where hardly anything is usual. Nothing is tuned to a host: both come from the counter
//!   itself.
//! - **Evidence**: `S` must reach `φ · 23 / ln(d / a)`. Independent events at the usual rate reach that
//!   at most once in e²³ ≈ 10¹⁰ buckets (118 days; G. Lorden, *Procedures for reacting to a change in
//!   distribution*, 1971). Multiplying by φ is quasi-likelihood: each of several events that come in a
//!   clump is less evidence.
//! - **Size**: a burst has at least `least` events more than usual.
//! - **Rate**: on average it has at least `threshold · a + φ / 2` events per bucket. So on an idle
//!   system a load of less than 477 events a second is no burst, however it is distributed.
//!
//! # What it decides
//!
//! A rate that stays up for [`BurstSettings::longest`] is not a burst but a new level: it becomes the usual
//! rate, and only what stands out of the new level is reported, for which its buckets are processed again.
//! The same is done with the first half second, before which the usual rate is not known. Bursts that
//! fill more than half of the last two seconds become the usual rate, too.
//!
//! # What it costs
//!
//! Constant memory: 64 blocks of the baseline, and the counts of the stretch that may become a burst, at
//! most [`BurstSettings::longest`] long. A bucket is processed once, and a second time if it comes right after
//! a burst or is in a new level.

mod baseline;

use std::time::Duration;

use self::baseline::Baseline;
use crate::reading::buckets::{BUCKET_SECONDS, Epoch};

/// A burst is over after so many buckets at the usual rate. Bursts closer than this (17 ms) are one.
const GAP: f64 = 16.0;

/// The natural logarithm of the average number of buckets between two false bursts, at least.
const EVIDENCE: f64 = 23.0;

/// How far the burst rate is above the usual rate, in standard deviations of a bucket.
const DEVIATIONS: f64 = 5.0;

/// Events per bucket that a burst has at least when the usual rate is 0.
const FLOOR: f64 = 0.5;

/// The lowest usual rate, in events per bucket: about one a second.
const IDLE: f64 = 1e-3;

/// Buckets from which the first baseline is learned: 0.54 s.
const LEARNING: usize = 512;

/// What counts as a burst.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurstSettings {
    /// Its least rate, as a multiple of the usual rate; more than 1.
    pub threshold: f64,
    /// The fewest events that it has beyond the usual number.
    pub least: u64,
    /// Its greatest length; what lasts longer is a new level.
    pub longest: Duration,
}

impl Default for BurstSettings {
    fn default() -> Self {
        Self {
            threshold: 3.0,
            least: 50,
            longest: Duration::from_secs(1),
        }
    }
}

/// A burst of one counter. Times are bucket numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectedBurst {
    /// Its first bucket.
    pub first: Epoch,
    /// The bucket after its last one.
    pub end: Epoch,
    /// Events in it.
    pub count: u64,
    /// Events in its busiest bucket.
    pub peak: u64,
    /// The usual rate before it, in events per bucket.
    pub usual: f64,
}

/// Finds the bursts of one counter. Buckets are added in order, each complete.
#[derive(Clone, Debug)]
pub struct Detector {
    settings: BurstSettings,
    /// The number of buckets after which a raised rate is a new level.
    longest: usize,
    /// The next bucket.
    next: Epoch,
    baseline: Baseline,
    limits: BurstLimits,
    phase: Phase,
    found: Vec<DetectedBurst>,
}

/// The state of the cumulative sum.
#[derive(Clone, Debug)]
enum Phase {
    /// The usual rate is not known yet; these are the counts so far.
    Learning(Vec<u64>),
    /// The sum is zero.
    Usual,
    /// The sum is above zero: this may become a burst.
    Above(Stretch),
}

/// The buckets since the sum was last zero.
#[derive(Clone, Debug, Default)]
struct Stretch {
    counts: Vec<u64>,
    sum: f64,
    top: f64,
    /// Number of buckets up to the one in which the sum was highest, that one included.
    top_at: usize,
}

/// The detector's limits for the current baseline, in events.
#[derive(Clone, Copy, Debug)]
struct BurstLimits {
    /// What is subtracted from the sum for each bucket.
    reference: f64,
    /// A burst is over when the sum has fallen this far from its maximum.
    fall: f64,
    /// The height that the sum must have reached in a burst.
    evidence: f64,
    /// The average events per bucket that a burst has at least.
    rate: f64,
}

impl BurstLimits {
    fn new(baseline: &Baseline, settings: &BurstSettings) -> Self {
        let usual = baseline.mean().max(IDLE);
        let dispersion = baseline.dispersion();
        let rate = settings.threshold * usual + FLOOR * dispersion;
        let burst = rate + DEVIATIONS * (usual * dispersion).sqrt();
        let slope = (burst / usual).ln();
        let reference = (burst - usual) / slope;
        Self {
            reference,
            fall: GAP * (reference - usual),
            evidence: dispersion * EVIDENCE / slope,
            rate,
        }
    }
}

impl Detector {
    /// A detector whose first bucket is `first`.
    #[must_use]
    pub fn new(settings: BurstSettings, first: Epoch) -> Self {
        let baseline = Baseline::default();
        Self {
            settings,
            longest: (settings.longest.as_secs_f64() / BUCKET_SECONDS) as usize,
            next: first,
            limits: BurstLimits::new(&baseline, &settings),
            baseline,
            phase: Phase::Learning(Vec::new()),
            found: Vec::new(),
        }
    }

    /// Adds the next bucket.
    pub fn add(&mut self, count: u64) {
        self.step(count);
        match &self.phase {
            Phase::Learning(counts) if counts.len() >= LEARNING => self.relearn(),
            Phase::Above(stretch) if stretch.counts.len() >= self.longest => self.relearn(),
            _ => {}
        }
    }

    /// The same as adding so many buckets without events, one after the other. Most counters have nothing to count most of the time.
    pub fn add_empty(&mut self, mut buckets: usize) {
        while buckets > 0 {
            if matches!(self.phase, Phase::Usual) {
                // No rate is so low that its absence is a rise.
                self.next += buckets as Epoch;
                if self.baseline.add_empty(buckets) {
                    self.limits = BurstLimits::new(&self.baseline, &self.settings);
                }
                return;
            }
            self.add(0);
            buckets -= 1;
        }
    }

    /// The bursts that were completed since the last call, in the order of their ends.
    pub fn found(&mut self) -> Vec<DetectedBurst> {
        std::mem::take(&mut self.found)
    }

    /// Skips the buckets before `first`, of which nothing is known. A burst that is not over ends here, and the usual rate is learned
    /// again.
    pub fn resume_at(&mut self, first: Epoch) {
        let known = match &self.phase {
            Phase::Learning(counts) => counts.len(),
            Phase::Above(stretch) => stretch.counts.len(),
            Phase::Usual => 0,
        };
        // After half of the time a raised rate is more likely a new level than a burst.
        if matches!(self.phase, Phase::Learning(_)) || known >= self.longest / 2 {
            self.relearn();
        }
        while let Phase::Above(stretch) = std::mem::replace(&mut self.phase, Phase::Usual) {
            self.close(stretch);
        }
        self.baseline = Baseline::default();
        self.limits = BurstLimits::new(&self.baseline, &self.settings);
        self.phase = Phase::Learning(Vec::new());
        self.next = first;
    }

    /// Ends a burst that is not over with the last bucket.
    #[cfg(test)]
    pub fn finish(&mut self) {
        self.resume_at(self.next);
    }

    fn step(&mut self, count: u64) {
        self.next += 1;
        match &mut self.phase {
            Phase::Learning(counts) => counts.push(count),
            Phase::Usual if count as f64 <= self.limits.reference => self.is_usual(count),
            Phase::Usual => {
                let mut stretch = Stretch::default();
                stretch.add(count, self.limits.reference);
                self.phase = Phase::Above(stretch);
            }
            Phase::Above(stretch) => {
                stretch.add(count, self.limits.reference);
                if (stretch.sum <= 0.0 || stretch.top - stretch.sum >= self.limits.fall)
                    && let Phase::Above(stretch) = std::mem::replace(&mut self.phase, Phase::Usual)
                {
                    self.close(stretch);
                }
            }
        }
    }

    /// Adds a bucket to the baseline.
    fn is_usual(&mut self, count: u64) {
        if self.baseline.add(count) {
            self.limits = BurstLimits::new(&self.baseline, &self.settings);
        }
    }

    /// Ends a stretch. Up to its top it is a burst, if it meets the limits; what comes after is processed again.
    fn close(&mut self, stretch: Stretch) {
        let Stretch {
            counts,
            top,
            top_at,
            ..
        } = stretch;
        let (risen, after) = counts.split_at(top_at);
        let first = self.next - counts.len() as Epoch;
        let count: u64 = risen.iter().sum();
        let usual = self.baseline.mean();
        let length = risen.len() as f64;
        if top >= self.limits.evidence
            && count as f64 - usual * length >= self.settings.least as f64
            && count as f64 >= self.limits.rate * length
        {
            self.found.push(DetectedBurst {
                first,
                end: first + risen.len() as Epoch,
                count,
                peak: risen.iter().copied().max().unwrap_or_default(),
                usual,
            });
        }
        risen.iter().for_each(|&count| self.is_usual(count));
        self.again(after);
    }

    /// Makes the buckets since the sum was last zero, or all if the usual rate was not known, the new baseline.
    fn relearn(&mut self) {
        let counts = match std::mem::replace(&mut self.phase, Phase::Usual) {
            Phase::Learning(counts) => counts,
            Phase::Above(stretch) => stretch.counts,
            Phase::Usual => return,
        };
        self.baseline = Baseline::of(&counts);
        self.limits = BurstLimits::new(&self.baseline, &self.settings);
        self.again(&counts);
    }

    /// Processes the last buckets again.
    fn again(&mut self, counts: &[u64]) {
        self.next -= counts.len() as Epoch;
        counts.iter().for_each(|&count| self.step(count));
    }
}

impl Stretch {
    fn add(&mut self, count: u64, reference: f64) {
        self.counts.push(count);
        self.sum += count as f64 - reference;
        if self.sum > self.top {
            self.top = self.sum;
            self.top_at = self.counts.len();
        }
    }
}

#[cfg(test)]
mod tests;
