//! Parsing the same file again and again: at every tick a row for each possible CPU, of which there may be thousands.

use std::rc::Rc;

use super::{CELL_DIGITS, ENTRIES, ParseError, ProcStat};

/// How many snapshots may be in use at once: the last one, the one before it, and one that is being made.
const SNAPSHOTS: usize = 3;

/// Parses one file again and again, without taking memory for it once the first snapshots are gone: the names of the columns are
/// shared by all snapshots, and the cells of a snapshot that nobody uses any more are those of the next one.
#[derive(Debug, Default)]
pub struct RepeatedParser {
    known: Option<KnownHeader>,
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
        self.known = text
            .iter()
            .position(|&byte| byte == b'\n')
            .zip(stat.column_index(ENTRIES))
            .map(|(end, entries)| KnownHeader {
                text: text[..=end].to_vec(),
                columns: Rc::clone(&stat.columns),
                entries,
            });
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
        let parsed = parse_rows(rows, known.columns.len(), Rc::get_mut(&mut cells)?);
        if self.snapshots.len() < SNAPSHOTS {
            self.snapshots.push(Rc::clone(&cells));
        }
        parsed?;
        Some(ProcStat {
            entries: *cells.get(known.entries)?,
            columns: Rc::clone(&known.columns),
            cells,
        })
    }
}

/// Rows as `ct_cpu_seq_show()` prints them, and nothing else: cells of eight digits in lower case, one or two spaces between them,
/// and a newline after each row. `None` for anything else.
fn parse_rows(mut rows: &[u8], columns: usize, cells: &mut Vec<u32>) -> Option<()> {
    cells.clear();
    while !rows.is_empty() {
        for column in 1..=columns {
            let (digits, rest) = rows.split_first_chunk()?;
            cells.push(parse_digits(*digits)?);
            rows = match rest {
                [b'\n', rest @ ..] if column == columns => rest,
                [b' ', b' ', rest @ ..] | [b' ', rest @ ..] if column < columns => rest,
                _ => return None,
            };
        }
    }
    Some(())
}

/// The value of eight hexadecimal digits in lower case, all at once: each byte of a `u64` is one of them.
fn parse_digits(digits: [u8; CELL_DIGITS]) -> Option<u32> {
    /// The same byte eight times.
    const fn each(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let text = u64::from_be_bytes(digits);
    // `0` to `9` are 0x30 to 0x39, `a` to `f` are 0x61 to 0x66.
    let is_letter = (text >> 6) & each(1);
    let values = (text & each(0x0f)) + is_letter * 9;
    // Only if they were such digits, the values make the same text: 6 more than a value above 9 is above 15.
    let above_9 = ((values + each(6)) >> 4) & each(1);
    let again = values + each(b'0') + above_9 * u64::from(b'a' - b'0' - 10);
    if values & each(0xf0) != 0 || again != text {
        return None;
    }
    // Pairs of values become bytes, pairs of those become 16 bits, and pairs of those the result.
    let bytes = (values | (values >> 4)) & 0x00ff_00ff_00ff_00ff;
    let halves = (bytes | (bytes >> 8)) & 0x0000_ffff_0000_ffff;
    u32::try_from((halves | (halves >> 16)) & 0xffff_ffff).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reading::proc_stat::kernel_text;

    const HEADER: &str = "entries  found new\n";

    #[test]
    fn digits_are_what_they_are_one_by_one() {
        for byte in 0..=u8::MAX {
            for place in 0..CELL_DIGITS {
                let mut digits = *b"0123abcf";
                digits[place] = byte;
                let expected = std::str::from_utf8(&digits)
                    .ok()
                    .filter(|_| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                    .and_then(|digits| u32::from_str_radix(digits, 16).ok());
                assert_eq!(parse_digits(digits), expected, "{digits:?}");
            }
        }
    }

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

    /// Texts like the kernel's, some of which have something wrong.
    fn any_text() -> impl Strategy<Value = String> {
        let rows = prop::collection::vec(any::<[u32; 3]>(), 0..5);
        let change = prop::option::of((any::<prop::sample::Index>(), "[ \n0-9a-gA-F\u{e9}]{0,3}"));
        (rows, change).prop_map(|(rows, change)| {
            let mut text = kernel_text(&["entries", "found", "new"], &rows);
            if let Some((place, with)) = change {
                let place = place.index(text.len());
                text.replace_range(place..=place, &with);
            }
            text
        })
    }

    proptest! {
        #[test]
        fn it_says_what_the_exact_parser_says(texts in prop::collection::vec(any_text(), 1..6)) {
            let mut parser = RepeatedParser::default();
            for text in texts {
                prop_assert_eq!(parser.parse(text.as_bytes()), ProcStat::parse(&text));
            }
        }
    }
}
