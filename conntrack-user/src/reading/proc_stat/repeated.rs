//! Parsing the same file again and again: at every tick a row for each possible CPU, of which there may be thousands.

use std::{iter, ops::Range, rc::Rc};

use super::{
    CELL_DIGITS, ENTRIES, ParseError, ProcStat,
    layout::{Layout, parse_cell},
};

/// How many snapshots may be in use at once: the last one, the one before it, and one that is being made.
const SNAPSHOTS: usize = 3;

/// Parses one file again and again, without taking memory for it once the first snapshots are gone: the names of the columns are
/// shared by all snapshots, and the cells of a snapshot that nobody uses any more are those of the next one.
#[derive(Debug, Default)]
pub struct RepeatedParser {
    known: Option<KnownHeader>,
    last: LastRows,
    snapshots: Vec<Rc<Vec<u32>>>,
}

/// A header that was parsed.
#[derive(Debug)]
struct KnownHeader {
    /// With the end of its line.
    text: Vec<u8>,
    columns: Rc<[String]>,
    /// The position of the column [`ENTRIES`].
    entries: usize,
    layout: Layout,
}

impl KnownHeader {
    /// That of a text that was parsed; `None` unless its first row is laid out as a kernel does.
    fn of(text: &[u8], stat: &ProcStat) -> Option<Self> {
        let end = text.iter().position(|&byte| byte == b'\n')?;
        let (header, rows) = text.split_at_checked(end + 1)?;
        Some(Self {
            text: header.to_vec(),
            columns: Rc::clone(&stat.columns),
            entries: stat.column_index(ENTRIES)?,
            layout: Layout::of_first(rows, stat.columns.len())?,
        })
    }

    /// Rows that are laid out as the first ones were, and nothing else; `None` for anything else.
    ///
    /// Most CPUs of a large machine count nothing between two readings: such a row is that of the last reading, but for the number of
    /// entries, which is the same on all rows.
    fn parse_rows(&self, rows: &[u8], last: &mut LastRows, cells: &mut Vec<u32>) -> Option<()> {
        let columns = self.columns.len();
        let rows = rows.chunks_exact(self.layout.length);
        let mut wrong = rows.remainder().len() as u64;
        cells.resize(rows.len() * columns, 0);
        last.text.resize(rows.len() * self.layout.length, 0);
        let &(place, after) = self.layout.cells.get(self.entries)?;
        let before = last.text.chunks_exact_mut(self.layout.length);
        let cells_before = last.cells.chunks_exact(columns).map(Some);
        let cells_before = cells_before.chain(iter::repeat(None));
        for (((row, before), cells), cells_before) in rows
            .zip(before)
            .zip(cells.chunks_exact_mut(columns))
            .zip(cells_before)
        {
            match cells_before {
                Some(known) if is_same_but(row, before, place) => {
                    cells.copy_from_slice(known);
                    let (value, other) = parse_cell(row, place, after)?;
                    *cells.get_mut(self.entries)? = value;
                    wrong |= other;
                }
                _ => {
                    wrong |= self.layout.parse(row, cells)?;
                    before.copy_from_slice(row);
                }
            }
        }
        (wrong == 0).then_some(())
    }
}

/// The rows that were parsed last.
#[derive(Debug, Default)]
struct LastRows {
    text: Vec<u8>,
    cells: Rc<Vec<u32>>,
}

impl RepeatedParser {
    /// Parses the whole contents of the file, as [`ProcStat::parse`] does.
    ///
    /// # Errors
    ///
    /// Those of [`ProcStat::parse`].
    pub fn parse(&mut self, text: &[u8]) -> Result<ProcStat, ParseError> {
        if let Some(stat) = self.parse_as_before(text) {
            return Ok(stat);
        }
        // Another header, or what no kernel writes. Lossy: what is malformed is refused, and quoted.
        let stat = ProcStat::parse(&String::from_utf8_lossy(text))?;
        self.known = KnownHeader::of(text, &stat);
        self.last = LastRows::default();
        Ok(stat)
    }

    /// `None` unless it is what a kernel writes, with the header that the last one had.
    fn parse_as_before(&mut self, text: &[u8]) -> Option<ProcStat> {
        let known = self.known.as_ref()?;
        let rows = text.strip_prefix(&known.text[..])?;
        let unused = |cells: &Rc<Vec<u32>>| Rc::strong_count(cells) == 1;
        let mut cells = match self.snapshots.iter().position(unused) {
            Some(i) => self.snapshots.swap_remove(i),
            None => Rc::default(),
        };
        let parsed = known
            .parse_rows(rows, &mut self.last, Rc::get_mut(&mut cells)?)
            .is_some();
        if self.snapshots.len() < SNAPSHOTS {
            self.snapshots.push(Rc::clone(&cells));
        }
        if !parsed {
            self.last = LastRows::default();
            return None;
        }
        self.last.cells = Rc::clone(&cells);
        Some(ProcStat {
            entries: *cells.get(known.entries)?,
            columns: Rc::clone(&known.columns),
            cells,
        })
    }
}

/// Whether two rows of one length have the same bytes but for the cell at this place.
fn is_same_but(row: &[u8], before: &[u8], place: usize) -> bool {
    let same = |part: Range<usize>| match (row.get(part.clone()), before.get(part)) {
        (Some(row), Some(before)) => is_same(row, before),
        _ => false,
    };
    same(0..place) && same(place + CELL_DIGITS..row.len())
}

/// Like `==`, which the C library of the program does byte by byte.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let words = a.iter().zip(b);
    words.fold(0, |other, (a, b)| {
        other | u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b)
    }) == 0
        && a.len() == b.len()
        && a_rest == b_rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reading::proc_stat::kernel_text;

    const HEADER: &str = "entries  found new\n";

    #[test]
    fn memory_is_used_again_once_nobody_else_uses_it() {
        let mut parser = RepeatedParser::default();
        let text = |n: u32| format!("{HEADER}{n:08x}  00000002 00000003\n");
        let mut parse = |n| parser.parse(text(n).as_bytes()).expect("statistics");
        let kept = parse(1);
        let (a, b) = (parse(2), parse(3));
        let place = std::ptr::from_ref(&a.cells[0]);
        drop(a);
        let c = parse(4);
        assert_eq!(std::ptr::from_ref(&c.cells[0]), place);
        let entries = [kept, b, c].map(|stat| (stat.entries, stat.cells[0]));
        assert_eq!(entries, [(1, 1), (3, 3), (4, 4)]);
    }

    #[test]
    fn memory_is_kept_for_as_many_snapshots_as_are_in_use_at_once() {
        let mut parser = RepeatedParser::default();
        let text = format!("{HEADER}00000001  00000002 00000003\n");
        let mut used: Vec<ProcStat> = Vec::new();
        for _ in 0..6 {
            used.push(parser.parse(text.as_bytes()).expect("statistics"));
        }
        // The first was parsed by the exact parser, when the header was not known yet.
        let kept = parser.snapshots.iter().zip(&used[1..]);
        assert_eq!(kept.len(), SNAPSHOTS);
        assert!(
            kept.clone()
                .all(|(kept, used)| Rc::ptr_eq(kept, &used.cells))
        );
        let places: Vec<_> = kept.map(|(kept, _)| Rc::as_ptr(kept)).collect();
        used.clear();
        let next = parser.parse(text.as_bytes()).expect("statistics");
        assert!(places.contains(&Rc::as_ptr(&next.cells)));
    }

    #[test]
    fn a_row_ends_with_its_line_and_nowhere_else() {
        let mut parser = RepeatedParser::default();
        let whole = format!("{HEADER}00000001  00000002 00000003\n");
        assert!(parser.parse(whole.as_bytes()).is_ok());
        for rows in [
            "00000001\n00000002 00000003\n",
            "00000001  00000002 00000003 00000001  00000002 00000003\n",
            "00000001  00000002 00000003  00000001  00000002 00000003\n",
            "00000001  00000002 00000003 ",
        ] {
            let text = format!("{HEADER}{rows}");
            assert_eq!(
                parser.parse(text.as_bytes()),
                ProcStat::parse(&text),
                "{rows:?}"
            );
            assert!(parser.parse(whole.as_bytes()).is_ok());
        }
    }

    #[test]
    fn another_header_is_noticed() {
        let mut parser = RepeatedParser::default();
        let mut parse = |text: &str| parser.parse(text.as_bytes()).expect("statistics");
        let first = parse("entries found\n00000001 00000002\n");
        assert!(parse("entries found\n00000001 00000002\n").has_columns(first.shared_columns()));
        let other = parse("found entries\n00000001 00000002\n");
        assert_eq!((first.entries, other.entries), (1, 2));
        assert!(!first.has_columns(other.shared_columns()));
        assert_eq!(parse("found entries\n00000001 00000005\n").entries, 5);
    }

    #[test]
    fn two_differences_are_not_none() {
        assert!(is_same(b"0000000000000000 7", b"0000000000000000 7"));
        assert!(!is_same(b"0000000000000000 7", b"1000000010000000 7"));
        assert!(!is_same(b"0000000000000000 7", b"0000000000000000 8"));
        assert!(!is_same(b"00000000", b"0000000000000000"));
    }

    #[test]
    fn what_a_kernel_writes_is_not_parsed_by_the_exact_parser_again() {
        let mut parser = RepeatedParser::default();
        let text = |n: u32| format!("{HEADER}{n:08x}  00000002 00000003\n").into_bytes();
        assert!(parser.parse_as_before(&text(1)).is_none());
        parser.parse(&text(1)).expect("statistics");
        let stat = parser
            .parse_as_before(&text(2))
            .expect("it is the same header");
        assert_eq!(*stat.cells, [2, 2, 3]);
    }

    #[test]
    fn a_row_that_did_not_change_is_taken_from_the_last_reading() {
        let mut parser = RepeatedParser::default();
        let text = |n: u32| format!("{HEADER}{n:08x}  00000002 00000003\n");
        let parse = |parser: &mut RepeatedParser, n| {
            let stat = parser.parse(text(n).as_bytes()).expect("statistics");
            stat.cells.to_vec()
        };
        parse(&mut parser, 1);
        assert_eq!(parse(&mut parser, 1), [1, 2, 3]);
        parser.last.cells = Rc::new(vec![9, 9, 9]);
        assert_eq!(parse(&mut parser, 4), [4, 9, 9]);
    }

    /// Wherever the entries are and whatever else changes in a row, or is no number in it, it is noticed.
    #[test]
    fn a_row_is_that_of_the_last_reading_only_if_it_is_the_same() {
        const COLUMNS: usize = 12;
        for entries in 0..COLUMNS {
            let names: Vec<_> = (0..COLUMNS).map(|i| format!("column{i}")).collect();
            let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
            names[entries] = ENTRIES;
            for changed in 0..COLUMNS {
                let row = |n: u32, value: u32| {
                    let mut row = [7; COLUMNS];
                    row[entries] = n;
                    row[changed] = value;
                    row
                };
                let good = |n, value| kernel_text(&names, &[row(n, 1), row(n, value)]);
                let (head, last) = good(5, 2).rsplit_once('2').map_or_else(
                    || panic!("there is a 2"),
                    |(head, rest)| (head.to_owned(), rest.to_owned()),
                );
                let bad = format!("{head}g{last}");
                let mut parser = RepeatedParser::default();
                for text in [
                    good(3, 1),
                    good(4, 1),
                    good(5, 2),
                    bad,
                    good(6, 2),
                    good(6, 2),
                ] {
                    assert_eq!(parser.parse(text.as_bytes()), ProcStat::parse(&text));
                }
            }
        }
    }

    /// Readings one after another: rows of which few change, and texts that have something wrong here and there.
    fn any_texts() -> impl Strategy<Value = Vec<String>> {
        let rows = prop::collection::vec(any::<[u32; 3]>(), 0..5);
        let change = prop::option::of((any::<prop::sample::Index>(), "[ \n0-9a-gA-F\u{e9}]{0,3}"));
        let moved = prop::option::of((any::<prop::sample::Index>(), any::<[u32; 3]>()));
        let step = (
            any::<u32>(),
            moved,
            change,
            prop::option::weighted(0.2, rows.clone()),
        );
        let names = prop::sample::select(vec![
            ["entries", "found", "new"],
            ["found", "entries", "new"],
            ["found", "new", "entries"],
        ]);
        (rows, names, prop::collection::vec(step, 1..8)).prop_map(|(mut rows, names, steps)| {
            let place = names
                .iter()
                .position(|name| *name == "entries")
                .expect("it is one");
            let text = |(entries, moved, change, others)| {
                rows = Option::unwrap_or(others, std::mem::take(&mut rows));
                if let Some((index, row)) = moved as Option<(prop::sample::Index, [u32; 3])>
                    && !rows.is_empty()
                {
                    let moved = index.index(rows.len());
                    rows[moved] = row;
                }
                rows.iter_mut().for_each(|row| row[place] = entries);
                let mut text = kernel_text(&names, &rows);
                if let Some((place, with)) = change as Option<(prop::sample::Index, String)> {
                    let place = place.index(text.len());
                    text.replace_range(place..=place, &with);
                }
                text
            };
            steps.into_iter().map(text).collect()
        })
    }

    proptest! {
        #[test]
        fn it_says_what_the_exact_parser_says(texts in any_texts()) {
            let mut parser = RepeatedParser::default();
            for text in texts {
                prop_assert_eq!(parser.parse(text.as_bytes()), ProcStat::parse(&text));
            }
        }
    }
}
