//! Parser of `/proc/net/stat/nf_conntrack`.
//!
//! The kernel's `ct_cpu_seq_show()` (`net/netfilter/nf_conntrack_standalone.c`) prints a header and
//! one row of `%08x` cells per *possible* CPU:
//!
//! ```text
//! entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
//! 000001f6  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001 00000000 00000000 00000000 00000006  00000000 00000000 00000000 00000000
//! 000001f6  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001 00000000 00000000 00000000 00000004  00000000 00000000 00000000 00000000
//! ```
//!
//! What a position holds has changed over time (see [`crate::model::kernel::era`]), so cells are only ever
//! addressed by the name in the header. Rows carry no CPU id, and ids may have gaps: a row index is
//! not a CPU number.

use thiserror::Error;

/// The column that is no per-CPU counter but the size of the table, repeated on every row.
pub const ENTRIES: &str = "entries";

/// One snapshot of `/proc/net/stat/nf_conntrack`, or of the same counters from elsewhere.
///
/// Every cell is the kernel's `unsigned int` as printed; counters wrap at 2^32, each row for itself.
/// Columns this program has never heard of are carried along under their header name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcStat {
    columns: Vec<String>,
    /// Row-major; its length is a non-zero multiple of `columns.len()`.
    cells: Vec<u32>,
    entries: u32,
}

impl ProcStat {
    /// Parses the whole text of the file.
    ///
    /// Cells may have one to eight hexadecimal digits and any spacing.
    ///
    /// # Errors
    ///
    /// [`ParseError`] names the line. No partial snapshot is ever returned: a missing or misread cell
    /// would look like a counter that was set back.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut lines = text.lines();
        let columns = parse_header(lines.next().unwrap_or_default())?;
        let mut cells = Vec::with_capacity(text.len() / CELL_WIDTH);
        for (line, row) in (2..).zip(lines) {
            parse_row(line, row, &columns, &mut cells)?;
        }
        if cells.is_empty() {
            return Err(ParseError::NoRows);
        }
        reject_cut_cell(text, &columns, cells.len() / columns.len())?;

        let entries = columns
            .iter()
            .position(|column| column == ENTRIES)
            .and_then(|index| cells.get(index).copied())
            .ok_or(ParseError::NoEntriesColumn)?;
        Ok(Self {
            columns,
            cells,
            entries,
        })
    }

    /// Counters that did not come as text: `rows` per possible CPU, with a cell for each of `columns`,
    /// and `entries` told apart from them.
    ///
    /// `None` without any column or row, with a row of another length, or with two columns of one
    /// name; `entries` is not one of them.
    #[must_use]
    pub fn from_rows<R: AsRef<[u32]>>(
        columns: Vec<String>,
        rows: &[R],
        entries: u32,
    ) -> Option<Self> {
        let unique = columns
            .iter()
            .enumerate()
            .all(|(i, name)| name != ENTRIES && !columns[..i].contains(name));
        let whole = rows.iter().all(|row| row.as_ref().len() == columns.len());
        let cells: Vec<u32> = rows.iter().flat_map(|row| row.as_ref()).copied().collect();
        (unique && whole && !cells.is_empty()).then_some(Self {
            columns,
            cells,
            entries,
        })
    }

    /// Column names in file order, `entries` included where it is a column.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Position of the column `name` in this file.
    #[must_use]
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// Number of rows: one per possible CPU, at least one.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.cells.len() / self.columns.len()
    }

    /// The rows in file order, each with one cell per column.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.cells.chunks_exact(self.columns.len())
    }

    /// One cell, by row index and [`column_index`](Self::column_index).
    #[must_use]
    pub fn cell(&self, row: usize, column: usize) -> Option<u32> {
        self.rows().nth(row)?.get(column).copied()
    }

    /// Entries in this network namespace's table, unconfirmed and dying ones included.
    ///
    /// The kernel prints the same `nf_conntrack_count(net)` on every row; the first is taken, and they
    /// are never summed.
    #[must_use]
    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// Sum of a counter over all rows; `None` for a column the file lacks and for the gauge
    /// `entries`.
    ///
    /// Fit for "has this ever counted?", not for rates: the sum falls by 2^32 whenever one row
    /// wraps. Rates come from [`crate::model::rates::delta`].
    #[must_use]
    pub fn sum(&self, name: &str) -> Option<u64> {
        if name == ENTRIES {
            return None;
        }
        let index = self.column_index(name)?;
        Some(
            self.cells
                .iter()
                .skip(index)
                .step_by(self.columns.len())
                .map(|&cell| u64::from(cell))
                .sum(),
        )
    }
}

/// Why a text is no `/proc/net/stat/nf_conntrack`. Lines count from 1, the header.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseError {
    /// The file has no header, or a blank one.
    #[error("line 1: no header: the file is empty")]
    Empty,
    /// The header lacks the one column every kernel prints.
    #[error("line 1: the header has no column `{ENTRIES}`: not a conntrack statistics file")]
    NoEntriesColumn,
    /// Two columns of one name: neither can be trusted.
    #[error("line 1: column `{name}` appears twice")]
    DuplicateColumn {
        /// The repeated name.
        name: String,
    },
    /// A row is shorter or longer than the header, as after a read that was cut short.
    #[error("line {line}: {found} cells under {expected} columns")]
    CellCount {
        /// Line of the row.
        line: usize,
        /// Cells on the row.
        found: usize,
        /// Columns in the header.
        expected: usize,
    },
    /// A cell is not one to eight hexadecimal digits.
    #[error("line {line}: column `{column}`: `{cell}` is not a 32-bit hexadecimal number")]
    BadCell {
        /// Line of the cell.
        line: usize,
        /// Header name over the cell.
        column: String,
        /// The cell as read.
        cell: String,
    },
    /// The text ends inside its last cell, whose value is therefore unknown.
    #[error("line {line}: the text ends inside column `{column}`: the read was cut short")]
    CutCell {
        /// Line of the cell.
        line: usize,
        /// Header name over the cell.
        column: String,
    },
    /// A header and nothing else.
    #[error("line 2: no row: a kernel prints one per possible CPU")]
    NoRows,
}

impl ParseError {
    /// The line the error is on, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        match self {
            Self::Empty | Self::NoEntriesColumn | Self::DuplicateColumn { .. } => 1,
            Self::NoRows => 2,
            Self::CellCount { line, .. }
            | Self::BadCell { line, .. }
            | Self::CutCell { line, .. } => *line,
        }
    }
}

/// Digits of `%08x`.
const CELL_DIGITS: usize = 8;
/// A cell and the space after it.
const CELL_WIDTH: usize = CELL_DIGITS + 1;

fn parse_header(line: &str) -> Result<Vec<String>, ParseError> {
    let mut columns: Vec<String> = Vec::new();
    for name in line.split_ascii_whitespace() {
        if columns.iter().any(|column| column == name) {
            return Err(ParseError::DuplicateColumn {
                name: name.to_owned(),
            });
        }
        columns.push(name.to_owned());
    }
    if columns.is_empty() {
        return Err(ParseError::Empty);
    }
    if !columns.iter().any(|column| column == ENTRIES) {
        return Err(ParseError::NoEntriesColumn);
    }
    Ok(columns)
}

/// Appends the cells of one row to `cells`.
fn parse_row(
    line: usize,
    row: &str,
    columns: &[String],
    cells: &mut Vec<u32>,
) -> Result<(), ParseError> {
    let found = row.split_ascii_whitespace().count();
    if found != columns.len() {
        return Err(ParseError::CellCount {
            line,
            found,
            expected: columns.len(),
        });
    }
    for (column, cell) in columns.iter().zip(row.split_ascii_whitespace()) {
        let value = parse_cell(cell).ok_or_else(|| ParseError::BadCell {
            line,
            column: column.clone(),
            cell: cell.to_owned(),
        })?;
        cells.push(value);
    }
    Ok(())
}

fn parse_cell(cell: &str) -> Option<u32> {
    // Checked first because `from_str_radix` also takes a sign.
    let digits = cell.len() <= CELL_DIGITS && cell.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u32::from_str_radix(cell, 16).ok()).flatten()
}

/// Refuses a last line without newline whose last cell is short: `0000012` may be what is left of
/// `00000123`.
///
/// With all eight digits there, or a newline after them, the cell is known to be whole.
fn reject_cut_cell(text: &str, columns: &[String], rows: usize) -> Result<(), ParseError> {
    let digits = text.bytes().rev().take_while(u8::is_ascii_hexdigit).count();
    match columns.last() {
        Some(column) if (1..CELL_DIGITS).contains(&digits) => Err(ParseError::CutCell {
            line: rows + 1,
            column: column.clone(),
        }),
        _ => Ok(()),
    }
}

/// Lays out columns and rows as the kernel does, for tests of this and other modules.
#[cfg(test)]
pub(crate) fn kernel_text<C: AsRef<str>, R: AsRef<[u32]>>(columns: &[C], rows: &[R]) -> String {
    let header: Vec<_> = columns.iter().map(AsRef::as_ref).collect();
    let mut text = header.join(" ") + "\n";
    for row in rows {
        let cells: Vec<_> = row
            .as_ref()
            .iter()
            .map(|cell| format!("{cell:08x}"))
            .collect();
        text += &(cells.join(" ") + "\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<(&[&str], &[&[u32]]), ParseError>) {
        let parsed = ProcStat::parse(text);
        let parsed = parsed
            .as_ref()
            .map(|stat| (stat.columns(), stat.rows().collect::<Vec<_>>()));
        let expected = expected.map(|(columns, rows)| {
            let columns: Vec<_> = columns.iter().map(|&name| name.to_owned()).collect();
            (columns, rows.to_vec())
        });
        let expected = expected
            .as_ref()
            .map(|(columns, rows)| (columns.as_slice(), rows.clone()));
        assert_eq!(parsed, expected, "{text:?}");
    }

    fn bad_cell(line: usize, column: &str, cell: &str) -> ParseError {
        ParseError::BadCell {
            line,
            column: column.into(),
            cell: cell.into(),
        }
    }

    #[test]
    fn accepts_what_kernels_print() {
        let columns: &[&str] = &["entries", "found"];
        check(
            "entries  found\n00000001  ffffffff\n",
            Ok((columns, &[&[1, u32::MAX]])),
        );
        check(
            "entries  found \n00000001  0000000a \n00000001  0000000B \n",
            Ok((columns, &[&[1, 10], &[1, 11]])),
        );
        check("entries found\n1 2\n", Ok((columns, &[&[1, 2]])));
        check(
            "entries found\n00000001 00000002",
            Ok((columns, &[&[1, 2]])),
        );
        check(
            "found entries\n2 1\n",
            Ok((&["found", "entries"], &[&[2, 1]])),
        );
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let duplicate = ParseError::DuplicateColumn { name: "new".into() };
        let cells = |line, found| ParseError::CellCount {
            line,
            found,
            expected: 2,
        };
        check("", Err(ParseError::Empty));
        check("\n", Err(ParseError::Empty));
        check("00000001\n", Err(ParseError::NoEntriesColumn));
        check("entries new new\n1 2 3\n", Err(duplicate));
        check("entries new\n", Err(ParseError::NoRows));
        check("entries new\n1 2\n1\n", Err(cells(3, 1)));
        check("entries new\n1 2 3\n", Err(cells(2, 3)));
        check("entries new\n\n1 2\n", Err(cells(2, 0)));
        check("entries new\n1 xyz\n", Err(bad_cell(2, "new", "xyz")));
        check("entries new\n1 +1\n", Err(bad_cell(2, "new", "+1")));
        check("entries new\n1 2\n1 -1\n", Err(bad_cell(3, "new", "-1")));
        check(
            "entries new\n1 123456789\n",
            Err(bad_cell(2, "new", "123456789")),
        );
        check(
            "entries new\n00000001 00000012\n00000001 000000",
            Err(ParseError::CutCell {
                line: 3,
                column: "new".into(),
            }),
        );
    }

    #[test]
    fn every_message_starts_with_its_line() {
        for text in [
            "",
            "x\n",
            "entries\n",
            "entries\n1 2\n",
            "entries\n1\nz\n",
            "entries\n1\n1",
        ] {
            let error = ProcStat::parse(text).expect_err("malformed");
            let prefix = format!("line {}: ", error.line());
            assert!(error.to_string().starts_with(&prefix), "{error}");
        }
    }

    #[test]
    fn entries_is_a_gauge_and_never_summed() -> Result<(), ParseError> {
        let stat = ProcStat::parse("entries  found\n00000010  00000002\n00000010  00000003\n")?;
        assert_eq!(stat.entries(), 16);
        assert_eq!(stat.sum("entries"), None);
        assert_eq!(stat.sum("found"), Some(5));
        assert_eq!(stat.sum("new"), None);
        assert_eq!(stat.row_count(), 2);
        assert_eq!(stat.cell(1, 1), Some(3));
        assert_eq!(stat.cell(2, 1), None);
        assert_eq!(stat.cell(1, 2), None);
        Ok(())
    }

    #[test]
    fn rows_from_elsewhere_must_be_whole() {
        let of = |columns: &[&str], rows: &[&[u32]]| {
            let columns = columns.iter().map(|&name| name.to_owned()).collect();
            ProcStat::from_rows(columns, rows, 9)
        };
        let stat = of(&["found", "drop"], &[&[1, 2], &[3, 4]]).expect("whole");
        assert_eq!((stat.entries(), stat.sum("drop")), (9, Some(6)));
        assert_eq!(stat.row_count(), 2);
        assert_eq!(of(&[], &[&[]]), None);
        assert_eq!(of(&["found"], &[]), None);
        assert_eq!(of(&["found", "drop"], &[&[1, 2], &[3]]), None);
        assert_eq!(of(&["found", "found"], &[&[1, 2]]), None);
        assert_eq!(of(&["found", "entries"], &[&[1, 2]]), None);
    }

    #[test]
    fn a_sum_does_not_overflow() -> Result<(), ParseError> {
        let stat = ProcStat::parse("entries found\n0 ffffffff\n0 ffffffff\n")?;
        assert_eq!(stat.sum("found"), Some(2 * u64::from(u32::MAX)));
        Ok(())
    }

    /// Any header with `entries` somewhere in it, and 1..=64 rows under it.
    fn table() -> impl Strategy<Value = (Vec<String>, Vec<Vec<u32>>)> {
        let names = prop::collection::btree_set("[a-z_]{1,12}", 0..20);
        (names, any::<prop::sample::Index>()).prop_flat_map(|(mut names, at)| {
            names.remove(ENTRIES);
            let mut columns = Vec::from_iter(names);
            columns.insert(at.index(columns.len() + 1), ENTRIES.to_owned());
            let row = prop::collection::vec(any::<u32>(), columns.len());
            (Just(columns), prop::collection::vec(row, 1..=64))
        })
    }

    proptest! {
        #[test]
        fn parsing_undoes_formatting((columns, rows) in table()) {
            let stat = ProcStat::parse(&kernel_text(&columns, &rows))?;
            prop_assert_eq!(stat.columns(), &columns);
            prop_assert_eq!(stat.row_count(), rows.len());
            prop_assert!(stat.rows().eq(rows.iter().map(Vec::as_slice)));
            for (index, name) in columns.iter().enumerate() {
                prop_assert_eq!(stat.column_index(name), Some(index));
                if name != ENTRIES {
                    let sum = rows.iter().map(|row| u64::from(row[index])).sum();
                    prop_assert_eq!(stat.sum(name), Some(sum));
                }
            }
        }

        #[test]
        fn a_cut_text_is_refused_or_reads_true((columns, rows) in table(), at in any::<prop::sample::Index>()) {
            let text = kernel_text(&columns, &rows);
            // A cut between rows cannot be seen in the text; everything that is returned must still be true.
            if let Ok(stat) = ProcStat::parse(&text[..at.index(text.len())]) {
                prop_assert!(stat.rows().zip(&rows).all(|(parsed, row)| parsed == row.as_slice()));
            }
        }

        #[test]
        fn never_panics(text in "(entries)?[ a-f0-9\\n]{0,200}") {
            let _ = ProcStat::parse(&text);
        }
    }
}
