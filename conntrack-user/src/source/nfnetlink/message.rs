//! nfnetlink messages: requests to bytes, bytes to answers. No IO.
//!
//! A datagram holds messages, each aligned to 4 bytes (`linux/netlink.h`, `linux/netfilter/nfnetlink.h`):
//!
//! ```text
//! nlmsghdr  len u32 | type u16 | flags u16 | seq u32 | pid u32     host byte order
//! nfgenmsg  family u8 | version u8 | res_id be16
//! nlattr    len u16 | type u16 | value, padded to 4 bytes          any number of them
//! ```
//!
//! The answer to a dump is any number of messages over any number of datagrams, then `NLMSG_DONE`. The
//! answer to anything else is one message, flagged as one of several though it is alone.

use thiserror::Error;

const NLMSGHDR: usize = 16;
const NFGENMSG: usize = 4;
const NLATTR: usize = 4;

/// A question without other arguments than 32-bit attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the kernel's headers call it; for error messages.
    pub name: &'static str,
    /// The kernel module that answers; for error messages.
    pub module: &'static str,
    /// `NFNL_SUBSYS_*`.
    pub subsystem: u8,
    /// The subsystem that the answer names; not always the one asked.
    pub answer_subsystem: u8,
    /// The message's number within the subsystem.
    pub message: u8,
    /// That of the answer, where it is another.
    pub answer_message: Option<u8>,
    /// `NFPROTO_*`.
    pub family: u8,
    /// Whether all objects of a kind are asked for, or one.
    pub dump: bool,
    /// Type and value of each attribute.
    pub attributes: &'static [(u16, u32)],
}

impl Request {
    /// The request as it is sent; `sequence` comes back in the answer.
    #[must_use]
    pub fn encode(&self, sequence: u32) -> Vec<u8> {
        const ATTRIBUTE: u16 = 8;
        let flags = libc::NLM_F_REQUEST | if self.dump { libc::NLM_F_DUMP } else { 0 };
        let length = NLMSGHDR + NFGENMSG + usize::from(ATTRIBUTE) * self.attributes.len();
        let mut bytes = Vec::with_capacity(length);
        bytes.extend((length as u32).to_ne_bytes());
        bytes.extend(kind(self.subsystem, self.message).to_ne_bytes());
        bytes.extend((flags as u16).to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend([self.family, libc::NFNETLINK_V0 as u8, 0, 0]);
        for (kind, value) in self.attributes {
            bytes.extend(ATTRIBUTE.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value.to_be_bytes());
        }
        bytes
    }
}

/// `nlmsg_type`.
fn kind(subsystem: u8, message: u8) -> u16 {
    u16::from_be_bytes([subsystem, message])
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A length that its surroundings contradict.
    #[error("a {what} of {length} bytes in {room} bytes")]
    Length {
        /// What has the length.
        what: &'static str,
        /// What it says.
        length: usize,
        /// What there is.
        room: usize,
    },
    /// It answers something else.
    #[error("message {found:#x}, sequence number {sequence}: not an answer to what was asked")]
    Unasked {
        /// `nlmsg_type`.
        found: u16,
        /// `nlmsg_seq`.
        sequence: u32,
    },
    /// It does not have what it must have, or not in its form.
    #[error("{0}")]
    Content(String),
}

/// Why there is no (whole) answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The kernel refused, with this errno.
    #[error("the kernel refused: errno {0}")]
    Refused(i32),
    /// The kernel lost a part of the answer.
    #[error("the kernel lost a part of the answer")]
    Overrun,
    /// It makes no sense.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// An answer as it comes in, datagram by datagram.
#[derive(Debug)]
pub struct Answer<T> {
    kind: u16,
    dump: bool,
    sequence: u32,
    items: Vec<T>,
    interrupted: bool,
}

impl<T> Answer<T> {
    /// The answer to a request that was sent with `sequence`.
    #[must_use]
    pub fn new(request: &Request, sequence: u32) -> Self {
        Self {
            kind: kind(
                request.answer_subsystem,
                request.answer_message.unwrap_or(request.message),
            ),
            dump: request.dump,
            sequence,
            items: Vec::new(),
            interrupted: false,
        }
    }

    /// Takes in a datagram; each of its objects is read with `decode`. True when the answer is
    /// complete.
    ///
    /// # Errors
    ///
    /// [`Fault`]; the answer is then of no use.
    pub fn take(
        &mut self,
        datagram: &[u8],
        decode: impl Fn(&Object<'_>) -> Result<T, Malformed>,
    ) -> Result<bool, Fault> {
        let mut rest = datagram;
        while !rest.is_empty() {
            let (message, next) = Message::first(rest)?;
            rest = next;
            let kind = i32::from(message.kind);
            if kind == libc::NLMSG_NOOP {
                continue;
            }
            if message.sequence != self.sequence {
                return Err(message.unasked().into());
            }
            self.interrupted |= i32::from(message.flags) & libc::NLM_F_DUMP_INTR != 0;
            match kind {
                libc::NLMSG_ERROR => match message.errno()? {
                    // An acknowledgement, which was not asked for.
                    0 => return Err(message.unasked().into()),
                    errno => return Err(Fault::Refused(errno)),
                },
                libc::NLMSG_DONE => match message.errno()? {
                    0 if self.dump => return Ok(true),
                    0 => return Err(message.unasked().into()),
                    errno => return Err(Fault::Refused(errno)),
                },
                libc::NLMSG_OVERRUN => return Err(Fault::Overrun),
                _ if message.kind == self.kind => {
                    self.items.push(decode(&message.object()?)?);
                    if !self.dump {
                        return Ok(true);
                    }
                }
                _ => return Err(message.unasked().into()),
            }
        }
        Ok(false)
    }

    /// The objects, and whether the kernel says that they changed while it listed them.
    #[must_use]
    pub fn finish(self) -> (Vec<T>, bool) {
        (self.items, self.interrupted)
    }
}

struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The first message, and what follows it.
    fn first(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let wrong = |length| Malformed::Length {
            what: "netlink message",
            length,
            room: bytes.len(),
        };
        let short = || wrong(bytes.len());
        let (length, rest) = u32_of(bytes).ok_or_else(short)?;
        let (kind, rest) = u16_of(rest).ok_or_else(short)?;
        let (flags, rest) = u16_of(rest).ok_or_else(short)?;
        let (sequence, rest) = u32_of(rest).ok_or_else(short)?;
        u32_of(rest).ok_or_else(short)?;
        let length = length as usize;
        let payload = bytes.get(NLMSGHDR..length).ok_or_else(|| wrong(length))?;
        let message = Self {
            kind,
            flags,
            sequence,
            payload,
        };
        Ok((message, after(bytes, length)))
    }

    /// The error code of `NLMSG_ERROR` and of `NLMSG_DONE`, as a positive errno; 0 for none.
    fn errno(&self) -> Result<i32, Malformed> {
        let (code, _) = u32_of(self.payload).ok_or(Malformed::Length {
            what: "netlink error code",
            length: 4,
            room: self.payload.len(),
        })?;
        Ok(code.cast_signed().saturating_neg())
    }

    fn object(&self) -> Result<Object<'a>, Malformed> {
        match self.payload {
            [_family, _version, id_high, id_low, attributes @ ..] => Ok(Object {
                resource: u16::from_be_bytes([*id_high, *id_low]),
                attributes,
            }),
            _ => Err(Malformed::Length {
                what: "nfnetlink header",
                length: NFGENMSG,
                room: self.payload.len(),
            }),
        }
    }

    fn unasked(&self) -> Malformed {
        Malformed::Unasked {
            found: self.kind,
            sequence: self.sequence,
        }
    }
}

/// One object of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// `res_id`: what it is depends on the question.
    pub resource: u16,
    attributes: &'a [u8],
}

impl<'a> Object<'a> {
    /// Its attributes, in order. Nothing follows an error.
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

    /// The attributes that its value consists of, in order. Nothing follows an error.
    pub fn nested(&self) -> impl Iterator<Item = Result<Attribute<'a>, Malformed>> + use<'a> {
        attributes(self.value)
    }

    /// Its value as a string of C, without the 0 at its end.
    #[must_use]
    pub fn bytes_of_string(&self) -> &'a [u8] {
        self.value.strip_suffix(b"\0").unwrap_or(self.value)
    }
}

/// What follows `length` bytes and their padding. The last padding may be missing.
fn after(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(length.next_multiple_of(4)..).unwrap_or_default()
}

fn u16_of(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u16::from_ne_bytes(*number), rest))
}

fn u32_of(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_ne_bytes(*number), rest))
}

/// Datagrams as the kernel makes them, for tests of this and other modules.
#[cfg(test)]
pub mod build {
    use super::NLMSGHDR;

    pub fn message(kind: i32, flags: i32, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = ((NLMSGHDR + payload.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend((kind as u16).to_ne_bytes());
        bytes.extend((flags as u16).to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(77_u32.to_ne_bytes());
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    pub fn object(resource: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0, 0];
        bytes.extend(resource.to_be_bytes());
        for (kind, value) in attributes {
            bytes.extend(((4 + value.len()) as u16).to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    pub fn done(sequence: u32) -> Vec<u8> {
        message(
            libc::NLMSG_DONE,
            libc::NLM_F_MULTI,
            sequence,
            &0_i32.to_ne_bytes(),
        )
    }
}

#[cfg(test)]
mod tests;
