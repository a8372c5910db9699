//! The limit of a table over the time of a recording.

use std::ops::Range;

use crate::model::report::track::Micros;

/// The most changes that are kept. Nobody sets a limit that often; a damaged or hostile recording may say so.
const CHANGES: usize = 500;

/// A time during which the limit was the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSpan {
    /// The start.
    pub from: Micros,
    /// The end.
    pub to: Micros,
    /// `nf_conntrack_max`.
    pub max: u64,
}

/// The limit by time. There is no span where there was none, or where it could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    spans: Vec<LimitSpan>,
}

impl Limits {
    /// Adds the limit in an interval; 0 is no limit.
    pub(super) fn add(&mut self, interval: Range<Micros>, max: Option<u64>) {
        let Some(max) = max.filter(|max| *max > 0) else {
            return;
        };
        // Nearly adjacent, as recorded times are rounded.
        let gap = (interval.end - interval.start) / 2;
        if let Some(last) = self.spans.last_mut()
            && last.max == max
            && interval.start - last.to <= gap
        {
            last.to = last.to.max(interval.end);
        } else if self.spans.len() < CHANGES {
            self.spans.push(LimitSpan {
                from: interval.start,
                to: interval.end,
                max,
            });
        }
    }

    /// The spans in order of time.
    #[must_use]
    pub fn spans(&self) -> &[LimitSpan] {
        &self.spans
    }

    /// Each limit with the time from which it held: the first, and those that differ from the one before.
    #[must_use]
    pub fn changes(&self) -> Vec<(Micros, u64)> {
        let mut changes: Vec<(Micros, u64)> = Vec::new();
        for span in &self.spans {
            if changes.last().is_none_or(|(_, max)| *max != span.max) {
                changes.push((span.from, span.max));
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_until_it_changes_or_cannot_be_read() {
        let mut limits = Limits::default();
        for (start, max) in [
            (0, Some(900)),
            (10, Some(900)),
            (20, None),
            (30, Some(0)),
            (50, Some(900)),
            (60, Some(8192)),
        ] {
            limits.add(start..start + 10, max);
        }
        let spans: Vec<_> = limits
            .spans()
            .iter()
            .map(|s| (s.from, s.to, s.max))
            .collect();
        assert_eq!(spans, [(0, 20, 900), (50, 60, 900), (60, 70, 8192)]);
        assert_eq!(limits.changes(), [(0, 900), (60, 8192)]);
    }

    #[test]
    fn a_limit_that_always_changes_is_bounded() {
        let mut limits = Limits::default();
        for n in 0..10_000 {
            limits.add(n..n + 1, Some(1 + n as u64 % 2));
        }
        assert_eq!(limits.spans().len(), CHANGES);
    }
}
