//! Top talkers: which tables say something, and how exact they are.

use crate::model::record::top::{Top, TopRow, TopTable};

/// The share of the first row, in percent, below which nobody stands out: of thousands that have one flow
/// each, any ten would be as good.
const STANDS_OUT: f64 = 1.0;

impl Top {
    /// Whether the counts are over a time, not of what is held.
    #[must_use]
    pub(crate) fn is_of_a_window(&self) -> bool {
        self.window_s > 0.0
    }

    /// The tables that say something.
    pub(crate) fn telling_tables(&self) -> impl Iterator<Item = &TopTable> {
        self.tables.iter().filter(|table| table.is_telling())
    }
}

impl TopTable {
    /// Whether something was counted, and not all of it is the one thing that everything has (no zone, no
    /// mark).
    #[must_use]
    pub(crate) fn is_telling(&self) -> bool {
        let unset = |row: &TopRow| row.key == "0" || row.key == "0x0";
        let only_unset = matches!(self.of.raw(), "zone" | "mark") && self.rows.iter().all(unset);
        self.total > 0 && !only_unset
    }

    /// Whether somebody has far more than others.
    #[must_use]
    pub(crate) fn has_heavy_hitter(&self) -> bool {
        self.rows.first().is_some_and(|row| row.share >= STANDS_OUT)
    }

    /// Whether every count is exact, and not only a lower bound.
    #[must_use]
    pub(crate) fn is_exact(&self) -> bool {
        self.error == 0
    }
}
