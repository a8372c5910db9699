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

use std::{collections::HashSet, rc::Rc};

use thiserror::Error;

pub use self::repeated::RepeatedParser;
use crate::text::Text;

mod layout;
mod repeated;

/// The column that is not a per-CPU counter but the number of entries in the table, repeated on every row.
pub const ENTRIES: &str = "entries";

/// One snapshot of `/proc/net/stat/nf_conntrack`, or of the same counters from elsewhere.
///
/// Every cell is the kernel's `unsigned int` as printed; counters wrap at 2^32, each row for itself.
/// Columns that this program does not know are kept, under their header name.
///
/// A clone shares its memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcStat {
    columns: Rc<[String]>,
    /// Row-major; its length is a non-zero multiple of `columns.len()`.
    cells: Rc<Vec<u32>>,
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
            columns: columns.into(),
            cells: cells.into(),
            entries,
        })
    }

    /// Counters that did not come as text: `rows` per possible CPU, with a cell for each of `columns`,
    /// and the number of entries by itself.
    ///
    /// `None` without any column or row, with a row of another length, or with two columns of one
    /// name; `entries` is not one of them.
    #[must_use]
    pub fn from_rows<R: AsRef<[u32]>>(
        columns: Vec<String>,
        rows: &[R],
        entries: u32,
    ) -> Option<Self> {
        let mut names = HashSet::new();
        let unique = columns
            .iter()
            .all(|name| name != ENTRIES && names.insert(&**name));
        let whole = rows.iter().all(|row| row.as_ref().len() == columns.len());
        let cells: Vec<u32> = rows.iter().flat_map(|row| row.as_ref()).copied().collect();
        (unique && whole && !cells.is_empty()).then(|| Self {
            columns: columns.into(),
            cells: cells.into(),
            entries,
        })
    }

    /// Column names in file order, `entries` included where it is a column.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The same, to keep and to compare with [`Self::has_columns`].
    #[must_use]
    pub fn shared_columns(&self) -> &Rc<[String]> {
        &self.columns
    }

    /// Whether these are its columns, in this order.
    #[must_use]
    pub fn has_columns(&self, columns: &Rc<[String]>) -> bool {
        Rc::ptr_eq(&self.columns, columns) || self.columns == *columns
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
    #[cfg(test)]
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
    /// Good for "has this ever counted?", not for rates: the sum falls by 2^32 whenever one row
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

/// Why a text is not a valid `/proc/net/stat/nf_conntrack`. Lines count from 1, which is the header.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseError {
    /// The file has no header, or a blank one.
    #[error("line 1: no header: the file is empty")]
    Empty,
    /// The header lacks the one column every kernel prints.
    #[error("line 1: the header has no column `{ENTRIES}`: not a conntrack statistics file")]
    NoEntriesColumn,
    /// The header has more columns than any kernel prints.
    #[error("line 1: more than {MOST_COLUMNS} columns: not a conntrack statistics file")]
    TooManyColumns,
    /// Two columns of one name: neither can be trusted.
    #[error("line 1: column `{name}` appears twice")]
    DuplicateColumn {
        /// The repeated name.
        name: Text,
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
        column: Text,
        /// The cell as read.
        cell: Text,
    },
    /// The text ends inside its last cell, whose value is therefore unknown.
    #[error("line {line}: the text ends inside column `{column}`: the read was cut short")]
    CutCell {
        /// Line of the cell.
        line: usize,
        /// Header name over the cell.
        column: Text,
    },
    /// A header and nothing else.
    #[error("line 2: no row: a kernel prints one per possible CPU")]
    NoRows,
}

#[cfg(test)]
impl ParseError {
    /// The line the error is on, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        match self {
            Self::Empty
            | Self::NoEntriesColumn
            | Self::TooManyColumns
            | Self::DuplicateColumn { .. } => 1,
            Self::NoRows => 2,
            Self::CellCount { line, .. }
            | Self::BadCell { line, .. }
            | Self::CutCell { line, .. } => *line,
        }
    }
}

/// The kernel prints 17 (`ct_cpu_seq_show()`, 6.12).
const MOST_COLUMNS: usize = 256;
/// Digits of `%08x`.
const CELL_DIGITS: usize = 8;
/// A cell and the space after it.
const CELL_WIDTH: usize = CELL_DIGITS + 1;

fn parse_header(line: &str) -> Result<Vec<String>, ParseError> {
    let names: Vec<&str> = line
        .split_ascii_whitespace()
        .take(MOST_COLUMNS + 1)
        .collect();
    if names.is_empty() {
        return Err(ParseError::Empty);
    }
    if names.len() > MOST_COLUMNS {
        return Err(ParseError::TooManyColumns);
    }
    let mut seen = HashSet::new();
    if let Some(name) = names.iter().find(|name| !seen.insert(**name)) {
        return Err(ParseError::DuplicateColumn {
            name: Text::excerpt(name),
        });
    }
    if !seen.contains(ENTRIES) {
        return Err(ParseError::NoEntriesColumn);
    }
    Ok(names.into_iter().map(str::to_owned).collect())
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
            column: Text::excerpt(column),
            cell: Text::excerpt(cell),
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
            column: Text::excerpt(column),
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
mod tests;
