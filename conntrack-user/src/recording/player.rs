//! Reads a recording, or a part of it, line by line. Every command that shows a recording uses this.

use std::{collections::VecDeque, io::Read};

use jiff::Timestamp;

use crate::{
    model::record::Record,
    recording::{
        block::BlockHeader,
        position::Position,
        reader::{BlockReader, Damage, Ending, ReadError, ReadItem},
    },
};

/// The most bytes of a line that is parsed, as parsing takes some 20 times its length in memory. The longest line that is written
/// (a sample with the buckets of all counters, of a machine with some hundred CPUs) has a tenth of that.
pub const MAX_LINE: usize = 8 << 20;

/// A line of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedLine {
    /// The line as it was written.
    pub text: String,
    /// The record in it; `None` when this version does not know such records.
    pub record: Option<Record>,
}

impl RecordedLine {
    fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            record: (text.len() <= MAX_LINE)
                .then(|| serde_json::from_str(text).ok())
                .flatten(),
        }
    }

    /// The record's time, if it has one.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.record.as_ref()?.time().map(|time| time.0)
    }
}

/// What a player yields.
#[derive(Clone, Debug, PartialEq)]
pub enum PlayerItem {
    Line(Box<RecordedLine>),
    /// A part that cannot be read.
    Damage(Damage),
}

/// Reads a part of a recording, line by line. One block is in memory at a time.
///
/// The `hello` that a part depends on comes first, even when it was written before the part. The summary covers the whole
/// recording, so a part has none.
pub struct Player<R> {
    reader: BlockReader<R>,
    from: Option<Position>,
    to: Option<Position>,
    /// The part's start and end, once the start of the recording is known.
    span: Option<(Timestamp, Timestamp)>,
    start: Option<Timestamp>,
    /// The rest of the current block.
    block: Lines,
    /// Lines that are returned before the rest of the block.
    ahead: VecDeque<RecordedLine>,
    hello: Option<RecordedLine>,
    unknown: u64,
}

impl<R: Read> Player<R> {
    /// The part of a recording between two positions; without them, from its start and to its end.
    pub fn new(input: R, from: Option<Position>, to: Option<Position>) -> Self {
        Self {
            reader: BlockReader::new(input),
            from,
            to,
            span: None,
            start: None,
            block: Lines::default(),
            ahead: VecDeque::new(),
            hello: None,
            unknown: 0,
        }
    }

    /// The next line, or damage; `None` at the end of the part.
    ///
    /// # Errors
    ///
    /// Those of [`BlockReader::next`].
    pub fn next_item(&mut self) -> Result<Option<PlayerItem>, ReadError> {
        loop {
            if let Some(line) = self.ahead.pop_front() {
                return Ok(Some(PlayerItem::Line(Box::new(line))));
            }
            if let Some(line) = self.block.next().map(RecordedLine::new) {
                self.take(line);
                continue;
            }
            match self.next_block()? {
                None => return Ok(None),
                Some(ReadItem::Damage(damage)) => return Ok(Some(PlayerItem::Damage(damage))),
                Some(ReadItem::Block(_, lines)) => self.block = Lines::new(lines),
            }
        }
    }

    fn next_block(&mut self) -> Result<Option<ReadItem>, ReadError> {
        let (from, to) = (self.from, self.to);
        let (start, span) = (&mut self.start, &mut self.span);
        self.reader.next(|header: &BlockHeader| {
            let Some((first, last)) = header.times else {
                return true;
            };
            let start = *start.get_or_insert(first);
            let (from, to) = *span.get_or_insert((
                from.map_or(Timestamp::MIN, |from| from.resolve(start)),
                to.map_or(Timestamp::MAX, |to| to.resolve(start)),
            ));
            header.has_hello || (last >= from && first <= to)
        })
    }

    /// Queues a line if it is wanted.
    fn take(&mut self, line: RecordedLine) {
        let part = self.from.is_some() || self.to.is_some();
        let within = |time| {
            self.span
                .is_none_or(|(from, to)| (from..=to).contains(&time))
        };
        match (&line.record, line.time()) {
            (Some(Record::Hello(_)), _) => {
                self.hello = Some(line);
                // The whole recording is returned as it is; a part has its hello only before its first line.
                if !part {
                    self.give_hello();
                }
                return;
            }
            (Some(Record::Summary(_)), _) if part => return,
            (_, Some(time)) if !within(time) => return,
            (None, _) => self.unknown += 1,
            _ => {}
        }
        self.give_hello();
        self.ahead.push_back(line);
    }

    fn give_hello(&mut self) {
        self.ahead.extend(self.hello.take());
    }

    /// How the recording ends; only known at the end.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.reader.ending()
    }

    /// The greatest time in the blocks that were read or skipped.
    #[must_use]
    pub fn latest(&self) -> Option<Timestamp> {
        self.reader.latest()
    }

    /// The recording's start, once a block with a time was read.
    #[must_use]
    pub fn start(&self) -> Option<Timestamp> {
        self.start
    }

    /// Lines in memory that were not returned yet.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.ahead.len() + usize::from(self.hello.is_some())
    }

    /// How many of the lines so far hold records that this version does not know.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown
    }
}

/// The lines of a text, one after the other.
#[derive(Default)]
struct Lines {
    text: String,
    at: usize,
}

impl Lines {
    fn new(text: String) -> Self {
        Self { text, at: 0 }
    }

    fn next(&mut self) -> Option<&str> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let (line, length) = match rest.split_once('\n') {
            Some((line, _)) => (line, line.len() + 1),
            None => (rest, rest.len()),
        };
        self.at += length;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_given_as_str_lines_gives_them() {
        for text in ["", "\n", "a", "a\n", "a\n\nb\nc", "\n\n\n"] {
            let mut lines = Lines::new(text.to_owned());
            let mut given = Vec::new();
            while let Some(line) = lines.next() {
                given.push(line.to_owned());
            }
            assert!(
                text.lines().eq(given.iter().map(String::as_str)),
                "{text:?}: {given:?}"
            );
        }
    }
}
