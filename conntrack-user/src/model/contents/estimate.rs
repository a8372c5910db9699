//! What a listing says of the whole table, and how far it can be wrong.

use crate::{model::record::Estimate, reading::entries::Listing};

/// The standard errors within which an estimate is said to be: of 99.7 %.
const Z: f64 = 3.0;

/// How much of a table was listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampling {
    listed: u64,
    /// The entries that there are.
    entries: u64,
    sampled: bool,
}

impl Sampling {
    pub(super) fn new(listing: Listing, listed: u64, entries: Option<u64>) -> Self {
        Self {
            listed,
            entries: entries.unwrap_or(listed).max(listed),
            sampled: listing == Listing::Sampled,
        }
    }

    pub(super) const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// What `count` of the listed entries say of all.
    pub(super) fn of(&self, count: u64) -> Estimate {
        if self.listed == 0 {
            return Estimate {
                error: if self.sampled { 100.0 } else { 0.0 },
                ..Estimate::default()
            };
        }
        let part = count as f64 / self.listed as f64;
        Estimate {
            count: match self.sampled {
                true => (part * self.entries as f64).round() as u64,
                false => count,
            },
            share: part * 100.0,
            error: self.error(part),
        }
    }

    /// The error of the share that is known worst, one of a half.
    pub(super) fn greatest_error(&self) -> f64 {
        match (self.sampled, self.listed) {
            (false, _) => 0.0,
            (true, 0) => 100.0,
            (true, _) => self.error(0.5),
        }
    }

    /// How far a part can be from that of all entries, in percentage points: the farther end of Wilson's interval, which also holds for
    /// parts of almost nothing, where each entry was drawn once (so a sample of nearly all of them is nearly certain).
    fn error(&self, part: f64) -> f64 {
        if !self.sampled || self.listed >= self.entries {
            return 0.0;
        }
        let (listed, entries) = (self.listed as f64, self.entries as f64);
        let drawn = listed * (entries - 1.0) / (entries - listed);
        let square = Z * Z;
        let scale = 1.0 + square / drawn;
        let middle = (part + square / (2.0 * drawn)) / scale;
        let reach =
            Z / scale * (part * (1.0 - part) / drawn + square / (4.0 * drawn * drawn)).sqrt();
        (middle + reach - part).max(part - middle + reach) * 100.0
    }
}
