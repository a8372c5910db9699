//! A time span, divided into columns.

use std::ops::Range;

use crate::model::history::time::Nanos;

/// A time span, divided into columns of equal length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The start of the first column.
    pub start: Nanos,
    /// The length of a column, at least 1.
    pub step: Nanos,
    /// The number of columns, at least 1.
    pub columns: usize,
}

impl Window {
    /// A window of about `span` whose last column contains `end`. Columns are on a fixed grid, so that their contents do not
    /// change as time goes on.
    #[must_use]
    pub fn ending(end: Nanos, span: Nanos, columns: usize) -> Self {
        let count = Nanos::try_from(columns.max(1)).unwrap_or(Nanos::MAX);
        let step = (span / count).max(1);
        let end = -(-end).div_euclid(step) * step;
        Self {
            start: end - step * count,
            step,
            columns: columns.max(1),
        }
    }

    /// The end of the last column.
    #[must_use]
    pub fn end(&self) -> Nanos {
        self.start + self.step * Nanos::try_from(self.columns).unwrap_or(Nanos::MAX)
    }

    /// The whole time span.
    #[must_use]
    pub fn range(&self) -> Range<Nanos> {
        self.start..self.end()
    }

    /// The time span of a column.
    #[must_use]
    pub fn column(&self, i: usize) -> Range<Nanos> {
        let start = self.start + self.step * Nanos::try_from(i).unwrap_or(Nanos::MAX);
        start..start + self.step
    }

    /// The columns that overlap a time span.
    #[must_use]
    pub fn columns_of(&self, span: &Range<Nanos>) -> Range<usize> {
        let at = |time: Nanos| {
            usize::try_from(time.div_euclid(self.step))
                .unwrap_or_default()
                .min(self.columns)
        };
        let first = at((span.start - self.start).max(0));
        let last = at((span.end - self.start + self.step - 1).max(0));
        first..last.max(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    #[test]
    fn columns_stay_on_their_grid_as_time_goes_on() {
        let a = Window::ending(1_000 * MS, 100 * MS, 10);
        let b = Window::ending(1_001 * MS, 100 * MS, 10);
        assert_eq!(a.range(), 900 * MS..1_000 * MS);
        assert_eq!(b.range(), 910 * MS..1_010 * MS);
        assert_eq!(a.column(1), b.column(0));
    }

    #[test]
    fn columns_of_a_span() {
        let window = Window::ending(100, 100, 10);
        assert_eq!(window.columns_of(&(0..10)), 0..1);
        assert_eq!(window.columns_of(&(5..11)), 0..2);
        assert_eq!(window.columns_of(&(-50..500)), 0..10);
        assert_eq!(window.columns_of(&(200..300)), 10..10);
        assert_eq!(window.columns_of(&(-200..-100)), 0..0);
    }
}
