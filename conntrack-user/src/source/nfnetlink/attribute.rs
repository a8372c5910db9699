//! The objects of an answer, their attributes, and what can be wrong with them. No IO.

use thiserror::Error;

/// Bytes of `struct nlattr`.
const NLATTR: usize = 4;

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A length that does not fit the room around it.
    #[error("a {what} of {length} bytes in {room} bytes")]
    Length {
        /// What has the length.
        what: &'static str,
        /// The length, in bytes.
        length: usize,
        /// The room there is, in bytes.
        room: usize,
    },
    /// It is not the answer to the request.
    #[error("message {found:#x}, sequence number {sequence}: not an answer to what was asked")]
    Unasked {
        /// `nlmsg_type`.
        found: u16,
        /// `nlmsg_seq`.
        sequence: u32,
    },
    /// It lacks something that it must have.
    #[error("{0}")]
    Content(&'static str),
    /// The CPUs do not count the same things.
    #[error("CPU {cpu} has other counters than the first")]
    OtherCounters {
        /// The first CPU that differs.
        cpu: u16,
    },
}

/// One object of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// `res_id`, whose meaning depends on the request; of statistics per CPU it is the CPU's id.
    pub resource: u16,
    pub(super) attributes: &'a [u8],
}

impl<'a> Object<'a> {
    /// Its attributes, in order; ends after an error.
    pub fn attributes(&self) -> impl Iterator<Item = Result<Attribute<'a>, Malformed>> + use<'a> {
        attributes(self.attributes)
    }
}

fn attributes(mut rest: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, Malformed>> + use<'_> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let first = Attribute::first(rest);
        rest = first.as_ref().map_or(&[], |&(_, next)| next);
        Some(first.map(|(attribute, _)| attribute))
    })
}

/// An attribute of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type, without flags.
    pub kind: u16,
    /// Its value, without padding.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    fn first(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let wrong = |length| Malformed::Length {
            what: "netlink attribute",
            length,
            room: bytes.len(),
        };
        let short = || wrong(bytes.len());
        let (length, rest) = u16_of(bytes).ok_or_else(short)?;
        let (kind, _) = u16_of(rest).ok_or_else(short)?;
        let length = usize::from(length);
        let value = bytes.get(NLATTR..length).ok_or_else(|| wrong(length))?;
        let kind = kind & libc::NLA_TYPE_MASK as u16;
        Ok((Self { kind, value }, after(bytes, length)))
    }

    /// Its value as a number in network byte order.
    ///
    /// # Errors
    ///
    /// [`Malformed`] unless it has 4 bytes.
    pub fn be32(&self) -> Result<u32, Malformed> {
        self.value
            .try_into()
            .map(u32::from_be_bytes)
            .map_err(|_| Malformed::Length {
                what: "32-bit attribute",
                length: self.value.len(),
                room: 4,
            })
    }

    /// The attributes nested in its value, in order; ends after an error.
    pub fn nested(&self) -> impl Iterator<Item = Result<Attribute<'a>, Malformed>> + use<'a> {
        attributes(self.value)
    }

    /// Its value as a C string, without the terminating 0.
    #[must_use]
    pub fn bytes_of_string(&self) -> &'a [u8] {
        self.value.strip_suffix(b"\0").unwrap_or(self.value)
    }
}

/// What follows `length` bytes and their padding to 4 bytes. The last padding may be missing.
pub(super) fn after(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(length.next_multiple_of(4)..).unwrap_or_default()
}

/// Splits off a u16 in host byte order.
pub(super) fn u16_of(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u16::from_ne_bytes(*number), rest))
}

/// Splits off a u32 in host byte order.
pub(super) fn u32_of(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_ne_bytes(*number), rest))
}
