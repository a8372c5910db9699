//! The type section of BTF: which record has which number.

use super::{
    error::{BtfError, TypeId},
    format::BtfType,
};

/// Of how many types one's place is kept.
const STRIDE: usize = 32;

/// The records of a type section. They have different sizes, so one is found from the last before it whose place is kept: those of all
/// of vmlinux, which has over 100,000, would take as much memory as the section itself.
pub(super) struct TypeSection<'a> {
    bytes: &'a [u8],
    layouts: &'a [u8],
    /// How many there are.
    len: usize,
    /// Where the first record is, and each [`STRIDE`]th after it.
    places: Vec<usize>,
}

impl<'a> TypeSection<'a> {
    /// Goes through all records, which are numbered from `first`.
    ///
    /// # Errors
    ///
    /// When one is cut short, or of a kind whose size is not known.
    pub(super) fn parse(
        bytes: &'a [u8],
        layouts: &'a [u8],
        first: usize,
    ) -> Result<Self, BtfError> {
        let mut places = Vec::new();
        let (mut rest, mut len) = (bytes, 0);
        while !rest.is_empty() {
            if len % STRIDE == 0 {
                places.push(bytes.len() - rest.len());
            }
            (_, rest) = BtfType::parse(rest, TypeId(first + len), layouts)?;
            len += 1;
        }
        Ok(Self {
            bytes,
            layouts,
            len,
            places,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// A record by its place in the order, from 0.
    pub(super) fn get(&self, index: usize) -> Option<BtfType<'a>> {
        let near = *self.places.get(index / STRIDE)?;
        self.from(near).nth(index % STRIDE)
    }

    /// All records in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = BtfType<'a>> {
        self.from(0)
    }

    fn from(&self, place: usize) -> impl Iterator<Item = BtfType<'a>> {
        let mut rest = self.bytes.get(place..).unwrap_or_default();
        std::iter::from_fn(move || {
            // All of them could be parsed before, whatever their numbers.
            let (record, after) = BtfType::parse(rest, TypeId(0), self.layouts).ok()?;
            rest = after;
            Some(record)
        })
    }
}
