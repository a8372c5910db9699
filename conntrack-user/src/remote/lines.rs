//! LineBatch out of bytes that come in pieces. No line is longer than a limit, however long it goes on.

/// The longest line. The longest that is written (a sample with the buckets of all counters, of a machine with some hundred CPUs) has
/// less than half of that; parsing takes some 20 times its length in memory.
pub(super) const MAX_LINE: usize = 2 << 20;

/// Complete lines, and how many were left out among them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LineBatch {
    /// Each with its end of line.
    pub(super) bytes: Vec<u8>,
    /// LineBatch that were too long.
    pub(super) too_long: u64,
}

impl LineBatch {
    /// Whether there is anything in it.
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.too_long == 0
    }

    /// The lines, without their ends.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.bytes.split(|byte| *byte == b'\n');
        let trimmed = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        trimmed.filter(|line| !line.is_empty())
    }
}

/// Splits what comes into lines.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    /// The start of a line whose end has not come.
    start: Vec<u8>,
    /// Whether that line is too long, and is being skipped.
    skipping: bool,
}

impl LineSplitter {
    /// Takes the next piece; returns the lines that it completes.
    pub(super) fn push(&mut self, piece: &[u8]) -> LineBatch {
        let mut lines = LineBatch::default();
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end + 1);
            self.end_line(line, &mut lines);
            rest = after;
        }
        if self.skipping || self.start.len() + rest.len() > MAX_LINE {
            self.skipping = true;
            // Its memory is given back, too.
            self.start = Vec::new();
        } else {
            self.start.extend_from_slice(rest);
        }
        lines
    }

    /// What is left at the end, as a line.
    pub(super) fn finish(&mut self) -> LineBatch {
        let mut lines = LineBatch::default();
        if self.skipping || !self.start.is_empty() {
            self.end_line(b"\n", &mut lines);
        }
        lines
    }

    fn end_line(&mut self, line: &[u8], lines: &mut LineBatch) {
        if std::mem::take(&mut self.skipping) || self.start.len() + line.len() > MAX_LINE + 1 {
            self.start = Vec::new();
            lines.too_long += 1;
        } else {
            lines.bytes.append(&mut self.start);
            lines.bytes.extend_from_slice(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, u64) {
        let mut splitter = LineSplitter::default();
        let mut all = LineBatch::default();
        let mut take = |lines: LineBatch| {
            all.bytes.extend(lines.bytes);
            all.too_long += lines.too_long;
        };
        for piece in pieces {
            take(splitter.push(piece));
        }
        take(splitter.finish());
        (all.iter().map(<[u8]>::to_vec).collect(), all.too_long)
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "[a-c\r\n]{0,200}", cuts in proptest::collection::vec(0_usize..200, 0..8)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(split(&pieces), split(&[bytes]));
        }
    }

    #[test]
    fn a_line_that_goes_on_takes_no_more_memory() {
        let mut splitter = LineSplitter::default();
        let piece = vec![b'x'; 1 << 16];
        for _ in 0..1_000 {
            assert!(splitter.push(&piece).is_empty());
            assert!(splitter.start.capacity() <= 2 * MAX_LINE);
        }
        let lines = splitter.push(b"x\nshort\n");
        assert_eq!(lines.too_long, 1);
        assert_eq!(lines.iter().collect::<Vec<_>>(), [b"short"]);
        // A line of the greatest length is one.
        let longest = vec![b'y'; MAX_LINE];
        let lines = splitter.push(&longest);
        assert!(lines.is_empty());
        assert_eq!(splitter.push(b"\n").bytes.len(), MAX_LINE + 1);
    }
}
