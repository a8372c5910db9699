//! Differences of the kernel's own counters between two snapshots of `/proc/net/stat/nf_conntrack`.
//!
//! Each cell is a `u32` that wraps on its own, so the order matters: first the difference of each row modulo 2^32, then the sum
//! of the rows in 64 bits. The other way round the total would drop by 2^32 whenever one CPU wraps, and the interval would be
//! lost.

use std::rc::Rc;

use crate::reading::proc_stat::{ENTRIES, ProcStat};

/// A cell that moved this far did not wrap but was reset: the difference is negative, modulo 2^32. No CPU counts 2^31 events
/// between two samples.
const BACKWARDS: u32 = 1 << 31;

/// Events per column between two snapshots, and the rows that could not be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatDelta {
    /// The columns of both snapshots, in the order of the later one.
    columns: Vec<(String, u64)>,
    /// Rows that only the later snapshot has. They start at their first value.
    pub rows_appeared: usize,
    /// Rows that only the earlier snapshot has. What they counted since is unknown, and not included.
    pub rows_vanished: usize,
    /// Rows that were reset, by a reload of the module or a new network namespace with the same name. Since they start at 0, they
    /// contribute their current values; what they counted before the reset is unknown.
    pub resets: usize,
}

impl StatDelta {
    /// Events that `column` counted, summed over rows.
    ///
    /// `None` if either snapshot lacks the column, and for the gauge `entries`. Whether 0 means "nothing happened" or "no longer
    /// counted" is decided by [`crate::model::kernel::era::Era`].
    #[cfg(test)]
    pub fn get(&self, column: &str) -> Option<u64> {
        self.iter()
            .find_map(|(name, events)| (name == column).then_some(events))
    }

    /// Every counter of both snapshots, with its events.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.columns
            .iter()
            .map(|(name, events)| (name.as_str(), *events))
    }
}

/// The difference from `prev` to `cur`: columns are matched by name, rows by index.
///
/// Rows belong to possible CPUs, a set that is fixed at boot, so the index of a CPU never changes.
#[must_use]
pub fn delta(prev: &ProcStat, cur: &ProcStat) -> StatDelta {
    let rows = RowDelta::new(prev, cur);
    let sum = |column: &SharedColumn| rows.of(column).sum();
    StatDelta {
        columns: rows
            .shared
            .iter()
            .map(|column| (column.name.to_owned(), sum(column)))
            .collect(),
        rows_appeared: cur.row_count().saturating_sub(prev.row_count()),
        rows_vanished: prev.row_count().saturating_sub(cur.row_count()),
        resets: rows.reset.iter().filter(|&&reset| reset).count(),
    }
}

/// The difference of two snapshots by row: the events of each possible CPU, in the order of their ids.
pub struct RowDelta<'a> {
    prev: &'a ProcStat,
    cur: &'a ProcStat,
    shared: Vec<SharedColumn<'a>>,
    /// Whether a row was reset, for each row of both snapshots.
    reset: Vec<bool>,
}

impl<'a> RowDelta<'a> {
    /// The difference from `prev` to `cur`.
    #[must_use]
    pub fn new(prev: &'a ProcStat, cur: &'a ProcStat) -> Self {
        let shared = shared_counters(prev, cur);
        // All counters of a CPU are in one struct: if one of them was reset, so were the others, even those that have since
        // passed their old values.
        let backwards = |(before, after): (&[u32], &[u32])| {
            let mut places = shared.iter().map(|column| &column.place);
            places.any(|place| place.is_backwards(before, after))
        };
        let reset = prev.rows().zip(cur.rows()).map(backwards).collect();
        Self {
            prev,
            cur,
            shared,
            reset,
        }
    }

    /// Events that `column` counted, by row; `None` if either snapshot lacks the column.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<Vec<u64>> {
        let column = self.shared.iter().find(|shared| shared.name == column)?;
        Some(self.of(column).collect())
    }

    fn of(&self, column: &SharedColumn<'_>) -> impl Iterator<Item = u64> {
        let rows = self.prev.rows().zip(self.cur.rows()).zip(&self.reset);
        let place = column.place.clone();
        rows.map(move |((before, after), &reset)| place.events(before, after, reset))
    }
}

/// A counter of two snapshots.
struct SharedColumn<'a> {
    name: &'a str,
    place: ColumnPlace,
}

/// The positions of a counter in two snapshots.
#[derive(Debug, Clone)]
struct ColumnPlace {
    prev: usize,
    cur: usize,
}

impl ColumnPlace {
    fn is_backwards(&self, before: &[u32], after: &[u32]) -> bool {
        self.moved(before, after) >= BACKWARDS
    }

    /// Events between two states of a row, which was reset or was not.
    fn events(&self, before: &[u32], after: &[u32], reset: bool) -> u64 {
        u64::from(match reset {
            true => cell(after, self.cur),
            false => self.moved(before, after),
        })
    }

    fn moved(&self, before: &[u32], after: &[u32]) -> u32 {
        cell(after, self.cur).wrapping_sub(cell(before, self.prev))
    }
}

fn shared_counters<'a>(prev: &ProcStat, cur: &'a ProcStat) -> Vec<SharedColumn<'a>> {
    counters(cur)
        .filter_map(|(index, name)| {
            Some(SharedColumn {
                name,
                place: ColumnPlace {
                    prev: prev.column_index(name)?,
                    cur: index,
                },
            })
        })
        .collect()
}

/// The columns that are counters, with their positions.
fn counters(stat: &ProcStat) -> impl Iterator<Item = (usize, &str)> {
    stat.columns()
        .iter()
        .map(String::as_str)
        .enumerate()
        .filter(|(_, name)| *name != ENTRIES)
}

/// A row has one cell per column, so the default is never taken.
fn cell(row: &[u32], index: usize) -> u32 {
    row.get(index).copied().unwrap_or_default()
}

/// 64-bit totals of the 32-bit counters in successive snapshots.
///
/// Totals start at 0 with the first snapshot, and never wrap or decrease. They are exact as long as no row counts 2^31 events
/// between two snapshots.
#[derive(Debug, Clone, Default)]
pub struct Accumulator {
    last: Option<ProcStat>,
    totals: Vec<(Rc<str>, u64)>,
    /// The counters of the last two snapshots.
    matched: Vec<MatchedColumn>,
    /// Whether those two have the same columns: then `matched` holds for the next one that has them too.
    same_columns: bool,
    resets: usize,
}

/// The positions of a counter in two snapshots, and that of its total.
#[derive(Debug, Clone)]
struct MatchedColumn {
    place: ColumnPlace,
    total: usize,
}

impl Accumulator {
    /// Adds the next snapshot.
    ///
    /// Only successive snapshots are compared: a column that disappears keeps its total, and one that comes back continues from
    /// it with its next difference.
    pub fn add(&mut self, stat: &ProcStat) {
        let last = self.last.replace(stat.clone());
        let same_columns = last
            .as_ref()
            .is_some_and(|last| last.has_columns(stat.shared_columns()));
        if !(same_columns && self.same_columns) {
            self.match_columns(last.as_ref(), stat);
            self.same_columns = same_columns;
        }
        let Some(last) = last else {
            return;
        };
        let Self {
            totals, matched, ..
        } = self;
        for (before, after) in last.rows().zip(stat.rows()) {
            // Most CPUs of a large machine have counted nothing since.
            let moved = |moved, column: &MatchedColumn| moved | column.place.moved(before, after);
            let moved = matched.iter().fold(0, moved);
            if moved == 0 {
                continue;
            }
            // Of the differences that it is made of, one or more moved that far.
            let reset = moved >= BACKWARDS;
            for column in &*matched {
                let total = &mut totals[column.total].1;
                *total = total.saturating_add(column.place.events(before, after, reset));
            }
            self.resets += usize::from(reset);
        }
    }

    /// Finds the counters of two snapshots, and starts totals for those that are new in the later one.
    fn match_columns(&mut self, last: Option<&ProcStat>, stat: &ProcStat) {
        self.matched.clear();
        for (cur, name) in counters(stat) {
            let mut known = self.totals.iter();
            let Some(total) = known.position(|(known, _)| **known == *name) else {
                // It is in no snapshot before this one.
                self.totals.push((name.into(), 0));
                continue;
            };
            if let Some(prev) = last.and_then(|last| last.column_index(name)) {
                let place = ColumnPlace { prev, cur };
                self.matched.push(MatchedColumn { place, total });
            }
        }
    }

    /// Events that `column` counted since the first snapshot; `None` if no snapshot had it.
    #[must_use]
    pub fn total(&self, column: &str) -> Option<u64> {
        let total = self.totals.iter().find(|(name, _)| **name == *column);
        total.map(|(_, total)| *total)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reading::proc_stat::{ParseError, kernel_text};

    /// A snapshot with 50 entries and the given counters.
    fn stat<R: AsRef<[u32]>>(counters: &[&str], rows: &[R]) -> Result<ProcStat, ParseError> {
        let columns = [&[ENTRIES], counters].concat();
        let rows: Vec<_> = rows
            .iter()
            .map(|row| [&[50], row.as_ref()].concat())
            .collect();
        ProcStat::parse(&kernel_text(&columns, &rows))
    }

    /// Checks the difference of the column `found`, and the number of (appeared, vanished, reset) rows.
    fn check(
        prev: &[u32],
        cur: &[u32],
        events: u64,
        flags: (usize, usize, usize),
    ) -> Result<(), ParseError> {
        let snapshot = |cells: &[u32]| {
            stat(
                &["found"],
                &cells.iter().map(|&cell| [cell]).collect::<Vec<_>>(),
            )
        };
        let delta = delta(&snapshot(prev)?, &snapshot(cur)?);
        assert_eq!(delta.get("found"), Some(events), "{prev:?} {cur:?}");
        assert_eq!(
            (delta.rows_appeared, delta.rows_vanished, delta.resets),
            flags,
            "{prev:?} {cur:?}"
        );
        Ok(())
    }

    #[test]
    fn rows_are_differenced_then_summed() -> Result<(), ParseError> {
        check(&[10, 20], &[15, 20], 5, (0, 0, 0))?;
        check(&[u32::MAX, 7], &[4, 8], 6, (0, 0, 0))?;
        check(&[0], &[BACKWARDS - 1], (1 << 31) - 1, (0, 0, 0))?;
        check(&[u32::MAX; 3], &[0; 3], 3, (0, 0, 0))
    }

    #[test]
    fn rows_that_appear_or_vanish_count_nothing() -> Result<(), ParseError> {
        check(&[10], &[11, 4_000_000_000], 1, (1, 0, 0))?;
        check(&[10, 4_000_000_000, 9], &[11], 1, (0, 2, 0))
    }

    #[test]
    fn a_reset_row_counts_from_zero() -> Result<(), ParseError> {
        check(&[1000, 20], &[3, 25], 8, (0, 0, 1))?;
        check(&[1000, 1000], &[0, 0], 0, (0, 0, 2))
    }

    #[test]
    fn one_reset_cell_resets_its_whole_row() -> Result<(), ParseError> {
        let prev = stat(&["found", "drop"], &[[1000, 5], [7, 5]])?;
        let cur = stat(&["found", "drop"], &[[2, 9], [8, 6]])?;
        let delta = delta(&prev, &cur);
        assert_eq!(delta.get("found"), Some(2 + 1));
        assert_eq!(delta.get("drop"), Some(9 + 1));
        assert_eq!(delta.resets, 1);
        Ok(())
    }

    #[test]
    fn columns_are_matched_by_name() -> Result<(), ParseError> {
        let prev = stat(&["found", "searched", "drop"], &[[1, 2, 3]])?;
        let cur = stat(&["drop", "clashres", "found"], &[[30, 20, 10]])?;
        let delta = delta(&prev, &cur);
        assert_eq!(
            delta.iter().collect::<Vec<_>>(),
            [("drop", 27), ("found", 9)]
        );
        for absent in ["searched", "clashres", "entries", "new"] {
            assert_eq!(delta.get(absent), None, "{absent}");
        }
        Ok(())
    }

    #[test]
    fn totals_survive_resets_and_missing_columns() -> Result<(), ParseError> {
        let mut sum = Accumulator::default();
        assert_eq!(sum.total("found"), None);
        sum.add(&stat(&["found"], &[[u32::MAX]])?);
        assert_eq!(sum.total("found"), Some(0));
        assert_eq!(sum.total("entries"), None);

        sum.add(&stat(&["found"], &[[9]])?);
        assert_eq!((sum.total("found"), sum.resets), (Some(10), 0));
        sum.add(&stat(&["found"], &[[4]])?);
        assert_eq!((sum.total("found"), sum.resets), (Some(14), 1));

        sum.add(&stat(&["drop"], &[[100]])?);
        assert_eq!((sum.total("found"), sum.total("drop")), (Some(14), Some(0)));
        sum.add(&stat(&["found", "drop"], &[[50, 101]])?);
        sum.add(&stat(&["found", "drop"], &[[51, 103]])?);
        assert_eq!((sum.total("drop"), sum.total("found")), (Some(3), Some(15)));
        Ok(())
    }

    const COUNTERS: [&str; 3] = ["found", "drop", "search_restart"];
    type Row = [u32; COUNTERS.len()];

    fn any_row() -> impl Strategy<Value = Row> {
        // Half of the cells start so close to 2^32 that they wrap.
        prop::array::uniform3(prop_oneof![any::<u32>(), (u32::MAX - 1000)..])
    }

    fn increments() -> impl Strategy<Value = Row> {
        prop::array::uniform3(prop_oneof![0..2000_u32, 0..BACKWARDS])
    }

    /// Counts as the kernel does: each cell modulo 2^32.
    fn count_on(rows: &mut [Row], steps: &[Row]) {
        for (cell, step) in rows.iter_mut().flatten().zip(steps.iter().flatten()) {
            *cell = cell.wrapping_add(*step);
        }
    }

    fn column_sum(steps: &[Row], column: usize) -> u64 {
        steps.iter().map(|row| u64::from(row[column])).sum()
    }

    proptest! {
        #[test]
        fn a_delta_is_the_sum_of_the_true_increments(
            pairs in prop::collection::vec((any_row(), increments()), 1..=64),
        ) {
            let (mut rows, steps): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let prev = stat(&COUNTERS, &rows)?;
            count_on(&mut rows, &steps);
            let delta = delta(&prev, &stat(&COUNTERS, &rows)?);
            for (column, name) in COUNTERS.into_iter().enumerate() {
                prop_assert_eq!(delta.get(name), Some(column_sum(&steps, column)));
            }
            prop_assert_eq!((delta.rows_appeared, delta.rows_vanished, delta.resets), (0, 0, 0));
        }

        #[test]
        fn rows_that_appear_or_vanish_never_make_a_giant_delta(
            before in prop::collection::vec(any_row(), 1..=16),
            extra in prop::collection::vec(any_row(), 0..=16),
            small in 0..1000_u32,
        ) {
            let grown = [before.clone(), extra.clone()].concat();
            let mut after = grown.clone();
            count_on(&mut after, &vec![[small; COUNTERS.len()]; grown.len()]);
            let truth = u64::from(small) * before.len() as u64;

            let appeared = delta(&stat(&COUNTERS, &before)?, &stat(&COUNTERS, &after)?);
            prop_assert!(appeared.iter().all(|(_, events)| events == truth));
            prop_assert_eq!((appeared.rows_appeared, appeared.rows_vanished), (extra.len(), 0));

            let vanished = delta(&stat(&COUNTERS, &grown)?, &stat(&COUNTERS, &after[..before.len()])?);
            prop_assert!(vanished.iter().all(|(_, events)| events == truth));
            prop_assert_eq!((vanished.rows_appeared, vanished.rows_vanished), (0, extra.len()));
        }

        #[test]
        fn an_accumulator_is_the_sum_of_all_increments(
            mut rows in prop::collection::vec(any_row(), 1..=8),
            steps in prop::collection::vec(prop::collection::vec(increments(), 8), 0..40),
        ) {
            let mut sum = Accumulator::default();
            sum.add(&stat(&COUNTERS, &rows)?);
            let mut truth = [0_u64; COUNTERS.len()];
            for step in &steps {
                count_on(&mut rows, step);
                for (column, total) in truth.iter_mut().enumerate() {
                    *total += column_sum(&step[..rows.len()], column);
                }
                sum.add(&stat(&COUNTERS, &rows)?);
            }
            for (column, name) in COUNTERS.into_iter().enumerate() {
                prop_assert_eq!(sum.total(name), Some(truth[column]));
            }
            prop_assert_eq!(sum.resets, 0);
        }
    }
}
