//! When the table will be full: its net fill rate, how certain that is, and the time that follows from both.
//!
//! The rate is the slope of the number of entries over the last seconds, estimated at five scales: the last 2, 4, 8, 16 and 32
//! seconds. Each scale has at most 17 points, which are means of the samples in slots of equal length. So neither the cost nor
//! the result depends on the sampling interval. When samples are less frequent than slots, each sample is a point, and the last 4
//! to 16 are used, however old.
//!
//! At each scale the slope is the median of the slopes between all pairs of points, with the confidence interval of its rank
//! statistic (H. Theil, 1950; P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968). A
//! burst shorter than about a quarter of the scale does not move it. The rank statistic assumes independent errors, but arrivals
//! and removals are random, and their sum is a random walk. So the interval is widened to that of the slope of a random walk,
//! whose variance is 6/5 s²/T, with s estimated from the steps (median absolute deviation); the steps of a walk sampled as slot
//! means have 2/3 of its variance.
//!
//! The scales are combined as by A. Goldenshluger and A. Nemirovski ("On spatially adaptive estimation of nonparametric
//! regression", 1997; the intersection of confidence intervals, after O. Lepski): from the shortest scale up, for as long as the
//! narrow intervals intersect. The estimate is that of the longest such scale, clamped to the intersection of the narrow
//! intervals; the range is the intersection of their wide intervals. So a fill that has just started shows after 2 s, and one
//! that continues is measured ever more exactly.
//!
//! Each wide interval has a confidence of 99 %, so that all five hold together with 95 % (Bonferroni).

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

/// Length of a slot at the shortest scale; it doubles with each further scale.
const SLOT: Duration = Duration::from_millis(125);

/// Slots of a scale, besides the current one.
const SLOTS: u128 = 16;

/// The most points of a scale: those of the slots, and of the current one.
const MOST_POINTS: usize = SLOTS as usize + 1;

/// The number of scales.
const SCALES: usize = 5;

/// The fewest points for a slope.
const LEAST_POINTS: usize = 4;

/// The shortest time for a slope.
const LEAST_SPAN_S: f64 = 1.0;

/// The half-width of an interval in standard deviations.
#[derive(Clone, Copy)]
struct Reach {
    /// For the rank statistic, which is approximately normal.
    rank: f64,
    /// For the random walk: Student's t with 6 degrees of freedom, about what a median absolute deviation of 16 steps has.
    walk: f64,
}

/// 99 %: the range is made of these.
const WIDE: Reach = Reach {
    rank: 2.576,
    walk: 3.71,
};

/// 87 %: the scales must agree within these. Wider ones would include too much from before a change.
const NARROW: Reach = Reach {
    rank: 1.5,
    walk: 1.75,
};

/// The standard deviation of a normal distribution divided by its median absolute deviation.
const PER_MAD: f64 = 1.4826;

/// A scale is used if it looks back farther than the previous one by this factor.
const FARTHER: f64 = 1.25;

/// If the latest time exceeds the estimate by this factor, the forecast is useless.
const MEANINGFUL: f64 = 4.0;

/// The forecast horizon: a day.
pub const HORIZON_S: f64 = 86_400.0;

/// Seconds until the table is full if it keeps filling at this rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeToFull {
    /// The best estimate; 0 when the table is full.
    pub estimate: f64,
    /// The earliest; at most the estimate.
    pub low: f64,
    /// The latest; at most 4 times the estimate.
    pub high: f64,
}

/// The forecast for a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outlook {
    /// The table fills, and will be full within a day.
    Fills(TimeToFull),
    /// It does not fill, or so slowly that the rate cannot be distinguished from noise.
    Steady,
    /// There is no forecast, for this reason.
    Unknown(&'static str),
}

impl Outlook {
    /// The time until the table is full, if it fills.
    #[must_use]
    pub fn time_to_full(self) -> Option<TimeToFull> {
        match self {
            Self::Fills(time) => Some(time),
            Self::Steady | Self::Unknown(_) => None,
        }
    }
}

/// Net change of the number of entries, per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The best estimate; negative while the table empties.
    pub estimate: f64,
    /// The lower end of the range.
    pub low: f64,
    /// The upper end of the range.
    pub high: f64,
}

/// The slope at one scale, or at several that agree.
#[derive(Clone, Copy, Debug)]
struct Slope {
    estimate: f64,
    narrow: SlopeRange,
    /// Contains the narrow one.
    wide: SlopeRange,
    /// Seconds from the first point to the last.
    span_s: f64,
    /// Variance per second of a random walk with these steps.
    diffusion: f64,
}

#[derive(Clone, Copy, Debug)]
struct SlopeRange {
    low: f64,
    high: f64,
}

impl SlopeRange {
    /// The intersection of two ranges, if there is one.
    fn and(self, other: Self) -> Option<Self> {
        let (low, high) = (self.low.max(other.low), self.high.min(other.high));
        (low <= high).then_some(Self { low, high })
    }
}

/// Forecasts from the number of entries of one table.
#[derive(Clone, Debug)]
pub struct Forecast {
    scales: [Scale; SCALES],
}

impl Forecast {
    /// Starts without samples.
    #[must_use]
    pub fn new() -> Self {
        Self {
            scales: std::array::from_fn(|i| Scale {
                slot: SLOT * (1 << i),
                least: (LEAST_POINTS << i).min(SLOTS as usize),
                points: VecDeque::new(),
            }),
        }
    }

    /// Adds the number of entries at `now`, on any monotonic clock.
    pub fn observe(&mut self, now: Duration, entries: u64) {
        for scale in &mut self.scales {
            scale.push(now, entries as f64);
        }
    }

    /// The net fill rate; `None` before the fourth sample and the first second.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        let mut agreed = self.scales[0].slope(0.0)?;
        for scale in &self.scales[1..] {
            // A scale that hardly looks back farther than the one before adds no information.
            if scale.span_s() <= FARTHER * agreed.span_s {
                continue;
            }
            let Some(slope) = scale.slope(agreed.diffusion) else {
                continue;
            };
            let wide = agreed.wide.and(slope.wide);
            let Some((narrow, wide)) = agreed.narrow.and(slope.narrow).zip(wide) else {
                break;
            };
            agreed = Slope {
                estimate: slope.estimate.clamp(narrow.low, narrow.high),
                narrow,
                wide,
                ..slope
            };
        }
        Some(Rate {
            estimate: agreed.estimate,
            low: agreed.wide.low,
            high: agreed.wide.high,
        })
    }

    /// When a table with `entries` of `max` entries (0: no limit) is full.
    #[must_use]
    pub fn outlook(&self, entries: Option<u64>, max: Option<u64>) -> Outlook {
        let Some(entries) = entries else {
            return Outlook::Unknown("the number of entries cannot be read");
        };
        let room = match max {
            None => return Outlook::Unknown("nf_conntrack_max cannot be read"),
            Some(0) => {
                return Outlook::Unknown("the table has no limit (nf_conntrack_max is 0 or -1)");
            }
            Some(max) => max.saturating_sub(entries) as f64,
        };
        if room == 0.0 {
            return Outlook::Fills(TimeToFull {
                estimate: 0.0,
                low: 0.0,
                high: 0.0,
            });
        }
        let too_few = Outlook::Unknown("too few readings yet");
        self.rate().map_or(too_few, |rate| rate.until_full(room))
    }
}

impl Rate {
    /// When a table is full that has room for so many entries, at least one.
    fn until_full(self, room: f64) -> Outlook {
        // So the lowest rate is above 0, too: it is no higher than the estimate.
        if self.estimate > MEANINGFUL * self.low || room / self.estimate > HORIZON_S {
            return Outlook::Steady;
        }
        Outlook::Fills(TimeToFull {
            estimate: room / self.estimate,
            low: room / self.high,
            high: room / self.low,
        })
    }
}

impl Default for Forecast {
    fn default() -> Self {
        Self::new()
    }
}

/// The sum of the samples in one slot.
#[derive(Clone, Copy, Debug)]
struct Point {
    slot: u128,
    samples: f64,
    time_s: f64,
    entries: f64,
}

impl Point {
    fn time_s(&self) -> f64 {
        self.time_s / self.samples
    }

    fn entries(&self) -> f64 {
        self.entries / self.samples
    }

    /// Entries per second from this point to a later one.
    fn slope_to(&self, later: &Self) -> f64 {
        (later.entries() - self.entries()) / (later.time_s() - self.time_s())
    }
}

/// The last samples, in slots of one length.
#[derive(Clone, Debug)]
struct Scale {
    slot: Duration,
    /// The fewest points to keep, however old.
    least: usize,
    points: VecDeque<Point>,
}

impl Scale {
    fn push(&mut self, now: Duration, entries: f64) {
        let slot = now.as_nanos() / self.slot.as_nanos();
        let time_s = now.as_secs_f64();
        match self.points.back_mut() {
            Some(last) if last.slot == slot => {
                last.samples += 1.0;
                last.time_s += time_s;
                last.entries += entries;
            }
            _ => self.points.push_back(Point {
                slot,
                samples: 1.0,
                time_s,
                entries,
            }),
        }
        while self.points.len() > self.least
            && self.points.front().is_some_and(|p| p.slot + SLOTS < slot)
        {
            self.points.pop_front();
        }
    }

    /// The slope of the points. `diffusion` is a lower bound from a shorter scale, which has more points.
    fn slope(&self, diffusion: f64) -> Option<Slope> {
        let span_s = self.span_s();
        if self.points.len() < LEAST_POINTS || span_s < LEAST_SPAN_S {
            return None;
        }
        let mut memory = [0.0; MOST_POINTS * (MOST_POINTS - 1) / 2];
        let from_each = self.points.iter().enumerate();
        let slopes = fill(
            &mut memory,
            from_each.flat_map(|(i, from)| {
                let later = self.points.range(i + 1..);
                later.map(|to| from.slope_to(to))
            }),
        );
        let estimate = median(slopes);
        let diffusion = self.diffusion(span_s).max(diffusion);
        let deviation = (6.0 / 5.0 * diffusion / span_s).sqrt();
        let interval = |reach: Reach| {
            let sens = sens_interval(slopes, self.points.len(), reach.rank);
            // Entries are whole numbers: no slope is more certain than one of them.
            let walk = reach.walk * deviation + 1.0 / span_s;
            SlopeRange {
                low: sens.low.min(estimate - walk),
                high: sens.high.max(estimate + walk),
            }
        };
        Some(Slope {
            estimate,
            narrow: interval(NARROW),
            wide: interval(WIDE),
            span_s,
            diffusion,
        })
    }

    /// Seconds from the first point to the last.
    fn span_s(&self) -> f64 {
        let ends = self.points.front().zip(self.points.back());
        ends.map_or(0.0, |(first, last)| last.time_s() - first.time_s())
    }

    fn diffusion(&self, span_s: f64) -> f64 {
        let mut memory = [0.0; MOST_POINTS - 1];
        let steps = self.points.iter().zip(self.points.iter().skip(1));
        let steps = fill(&mut memory, steps.map(|(from, to)| from.slope_to(to)));
        let centre = median(steps);
        for step in &mut *steps {
            *step = (*step - centre).abs();
        }
        // The variance of one step, as a slope; means of slots scatter less than samples.
        let variance = (PER_MAD * median(steps)).powi(2) * 3.0 / 2.0;
        variance * span_s / steps.len() as f64
    }
}

/// Puts values into memory that is as large as they can be many.
fn fill(memory: &mut [f64], values: impl Iterator<Item = f64>) -> &mut [f64] {
    let mut length = 0;
    for (place, value) in memory.iter_mut().zip(values) {
        *place = value;
        length += 1;
    }
    &mut memory[..length]
}

/// Sorts the values, and returns the median. They must not be empty.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// The confidence interval of the median of the sorted `slopes` between all pairs of `points`; their whole range when there are
/// too few points.
fn sens_interval(slopes: &[f64], points: usize, deviations: f64) -> SlopeRange {
    let n = points as f64;
    let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let outside = (slopes.len() as f64 - deviations * deviation) / 2.0;
    let rank = outside.max(0.0) as usize;
    SlopeRange {
        low: slopes[rank],
        high: slopes[slopes.len() - 1 - rank],
    }
}

#[cfg(test)]
mod tests;
