//! How a kernel lays out the rows of the file.

use super::CELL_DIGITS;

/// Where the cells are in each row of a file: they have a fixed width, so it is the same for all rows.
#[derive(Debug)]
pub(super) struct Layout {
    /// The place of each cell, and the byte that follows it.
    pub(super) cells: Vec<(usize, u8)>,
    /// Where there is a second space between two cells.
    spaces: Vec<usize>,
    /// The length of a row, with the end of its line.
    pub(super) length: usize,
}

impl Layout {
    /// That of the first row, of which it is known that it has so many columns: cells of eight digits, one or two spaces between them,
    /// and a newline at the end, as `ct_cpu_seq_show()` prints them. `None` if it is anything else.
    pub(super) fn of_first(rows: &[u8], columns: usize) -> Option<Self> {
        let (mut cells, mut spaces) = (Vec::new(), Vec::new());
        let mut place = 0;
        for _ in 0..columns {
            let end = place + CELL_DIGITS;
            let after = *rows.get(end)?;
            if !matches!(after, b' ' | b'\n') {
                return None;
            }
            cells.push((place, after));
            place = end + 1;
            if after == b' ' && rows.get(place) == Some(&b' ') {
                spaces.push(place);
                place += 1;
            }
        }
        Some(Self {
            cells,
            spaces,
            length: place,
        })
    }

    /// Parses a row. What it returns besides is 0 if the row is laid out like this.
    pub(super) fn parse(&self, row: &[u8], cells: &mut [u32]) -> Option<u64> {
        // What is wrong is found once, at the end: a branch for each cell would take longer than the cell.
        let mut wrong = 0;
        for (cell, &(place, after)) in cells.iter_mut().zip(&self.cells) {
            let (value, other) = parse_cell(row, place, after)?;
            *cell = value;
            wrong |= other;
        }
        for &space in &self.spaces {
            wrong |= u64::from(row.get(space)? ^ b' ');
        }
        Some(wrong)
    }
}

/// The cell at a place, and 0 if it is one and the byte after it follows.
pub(super) fn parse_cell(row: &[u8], place: usize, after: u8) -> Option<(u32, u64)> {
    let (digits, rest) = row.get(place..)?.split_first_chunk()?;
    let (value, wrong) = parse_digits(*digits);
    Some((value, wrong | u64::from(rest.first()? ^ after)))
}

/// The value of eight hexadecimal digits in lower case, all at once: each byte of a `u64` is one of them. The second number is 0 if
/// they were such digits.
fn parse_digits(digits: [u8; CELL_DIGITS]) -> (u32, u64) {
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
    let wrong = (values & each(0xf0)) | (again ^ text);
    // Pairs of values become bytes, pairs of those become 16 bits, and pairs of those the result.
    let bytes = (values | (values >> 4)) & 0x00ff_00ff_00ff_00ff;
    let halves = (bytes | (bytes >> 8)) & 0x0000_ffff_0000_ffff;
    ((halves | (halves >> 16)) as u32, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

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
                let (value, wrong) = parse_digits(digits);
                let parsed = (wrong == 0).then_some(value);
                assert_eq!(parsed, expected, "{digits:?}");
            }
        }
    }

    #[test]
    fn two_things_that_are_wrong_do_not_make_one_that_is_right() {
        let (_, wrong) = parse_digits(*b"0000000g");
        let digit = u8::try_from(wrong).expect("it is the last one");
        let mut row = *b"0000000g ";
        row[CELL_DIGITS] ^= digit;
        let (_, wrong) = parse_cell(&row, 0, b' ').expect("a cell");
        assert_ne!(wrong, 0);
    }
}
