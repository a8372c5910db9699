//! How far the queue was sent.

use super::store::Segment;

/// A place between two frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::remote_write) struct QueuePlace {
    pub(super) segment: Segment,
    /// Bytes of the frames before it.
    pub(super) bytes: u64,
}

impl QueuePlace {
    pub(super) const fn new(segment: Segment, bytes: u64) -> Self {
        Self { segment, bytes }
    }

    /// Reads what [`Self::to_bytes`] wrote. From anything else, all is sent again, which does no harm.
    pub(super) fn parse(text: &[u8]) -> Self {
        let parse = || {
            let text = std::str::from_utf8(text).ok()?;
            let mut words = text.split_ascii_whitespace();
            let mut number = || words.next()?.parse::<u64>().ok();
            let place = Self::new(number()?, number()?);
            (number()? == place.check()).then_some(place)
        };
        parse().unwrap_or_default()
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        format!(
            "{:020} {:020} {:010}\n",
            self.segment,
            self.bytes,
            self.check()
        )
        .into_bytes()
    }

    fn check(self) -> u64 {
        let text = format!("{} {}", self.segment, self.bytes);
        crc32fast::hash(text.as_bytes()).into()
    }
}
