//! Bursts: far more events than usual, for up to a second.
//!
//! # Method
//!
//! Each counter's buckets go through a cumulative sum: `S = max(0, S + count − k)`. This is Page's
//! test for a rise (E. S. Page, *Continuous inspection schemes*, Biometrika 41, 1954) in the form for
//! counts (J. M. Lucas, *Counted data CUSUM's*, Technometrics 27, 1985), whose reference value
//! `k = (d − a) / (ln d − ln a)` makes `S` the evidence for a burst rate `d` against the usual rate
//! `a`. A burst begins after the last zero of `S` and ends at its maximum, which is where the
//! likelihood puts both; it is over when `S` has fallen from there by what 16 buckets (17 ms) at the
//! usual rate take away. That makes it the most likely path through an automaton of two states with a
//! price on changing between them (J. Kleinberg, *Bursty and hierarchical structure in streams*,
//! 2002), found online.
//!
//! - **Usual** (`a`) is what the last two seconds were like without their bursts, estimated robustly
//!   (see `baseline`), and never less than about one event a second.
//! - **Burst rate**: `d = threshold · a + 5 √(a φ) + φ / 2` events per bucket, where φ is the usual
//!   index of dispersion: five standard deviations and the threshold above the usual, and half an event
//!   for where hardly anything is usual. Nothing is tuned to a host: both come from the counter itself.
//! - **Evidence**: `S` must reach `φ · 23 / ln(d / a)`. Independent events at the usual rate get there
//!   once in e²³ ≈ 10¹⁰ buckets (118 days) or less often (G. Lorden, *Procedures for reacting to a
//!   change in distribution*, 1971). Dividing by φ is quasi-likelihood: events that come in clumps are
//!   less evidence each.
//! - **Size**: there must be at least `least` more events than usual.
//! - **Rate**: and on the whole at least `threshold · a + φ / 2` events per bucket. So where nothing was
//!   usual, a load of less than 477 events a second is no burst, however it is broken up.
//!
//! # What it decides
//!
//! A rate that stays up for [`BurstSettings::longest`] is no burst but a new level: it becomes the usual, and
//! nothing is reported but what stands out of the new level, for which the stretch is gone through again.
//! The same is done with the first half second, of which nobody knows what was usual before. Bursts that
//! fill more than half of the last two seconds become the usual, too.
//!
//! # What it costs
//!
//! Constant memory: 64 blocks of the baseline, and the counts of the stretch that may become a burst, at
//! most [`BurstSettings::longest`] long. A bucket is looked at once, and again when what comes after a burst
//! or in a new level is.

mod baseline;

use std::time::Duration;

use self::baseline::Baseline;
use crate::reading::buckets::{BUCKET_SECONDS, Epoch};

/// A burst is over after so many buckets at the usual rate. Bursts closer than this (17 ms) are one.
const GAP: f64 = 16.0;

/// The natural logarithm of the buckets, at least, between two bursts that are none.
const EVIDENCE: f64 = 23.0;

/// How far above the usual a burst must be, in standard deviations of a bucket.
const DEVIATIONS: f64 = 5.0;

/// Events per bucket that a burst has where nothing is usual.
const FLOOR: f64 = 0.5;

/// Events per bucket that are always usual: about one a second.
const IDLE: f64 = 1e-3;

/// Buckets from which the first baseline is learned: 0.54 s.
const LEARNING: usize = 512;

/// What counts as a burst.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurstSettings {
    /// How many times the usual rate it has, at least; more than 1.
    pub threshold: f64,
    /// How many more events than usual it has, at least.
    pub least: u64,
    /// What lasts longer is a new level.
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

/// A burst of one counter. All in buckets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectedBurst {
    /// Its first bucket.
    pub first: Epoch,
    /// The bucket after its last.
    pub end: Epoch,
    /// Events in it.
    pub count: u64,
    /// Events in its busiest bucket.
    pub peak: u64,
    /// Events per bucket that were usual.
    pub usual: f64,
}

/// Finds the bursts of one counter. Buckets come in order, each complete.
#[derive(Clone, Debug)]
pub struct Detector {
    settings: BurstSettings,
    /// Buckets after which a stretch is a new level.
    longest: usize,
    /// The next bucket.
    next: Epoch,
    baseline: Baseline,
    limits: BurstLimits,
    phase: Phase,
    found: Vec<DetectedBurst>,
}

/// Where the sum stands.
#[derive(Clone, Debug)]
enum Phase {
    /// Nothing is known yet but these counts.
    Learning(Vec<u64>),
    /// At zero.
    Usual,
    /// Above zero.
    Above(Stretch),
}

/// The buckets since the sum was last zero.
#[derive(Clone, Debug, Default)]
struct Stretch {
    counts: Vec<u64>,
    sum: f64,
    top: f64,
    /// Buckets up to and with the one in which the sum was highest.
    top_at: usize,
}

/// What the baseline makes of the settings. In events.
#[derive(Clone, Copy, Debug)]
struct BurstLimits {
    /// What each bucket takes from the sum.
    reference: f64,
    /// How far the sum falls until a burst is over.
    fall: f64,
    /// How high it must have been.
    evidence: f64,
    /// Events per bucket that a burst has on the whole.
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

    /// Takes in the next bucket.
    pub fn add(&mut self, count: u64) {
        self.step(count);
        match &self.phase {
            Phase::Learning(counts) if counts.len() >= LEARNING => self.relearn(),
            Phase::Above(stretch) if stretch.counts.len() >= self.longest => self.relearn(),
            _ => {}
        }
    }

    /// The bursts that are over since this was last asked, in the order of their ends.
    pub fn found(&mut self) -> Vec<DetectedBurst> {
        std::mem::take(&mut self.found)
    }

    /// Nothing is known of the buckets from the next one up to `first`, or there are none. A burst that
    /// is not over ends here, and what is usual is learned anew.
    pub fn resume_at(&mut self, first: Epoch) {
        let known = match &self.phase {
            Phase::Learning(counts) => counts.len(),
            Phase::Above(stretch) => stretch.counts.len(),
            Phase::Usual => 0,
        };
        // Half a level is judged like a whole one: that it is none is no more likely.
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

    /// There are no more buckets: a burst that is not over ends with the last one.
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

    /// The baseline takes in a bucket.
    fn is_usual(&mut self, count: u64) {
        if self.baseline.add(count) {
            self.limits = BurstLimits::new(&self.baseline, &self.settings);
        }
    }

    /// A stretch is over: up to its top it is a burst, or not; what comes after is gone through again.
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

    /// The buckets since the sum was last zero, or all if nothing was known, are what is usual now.
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

    /// Goes through the last buckets again.
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
