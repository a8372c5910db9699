//! nfnetlink messages: requests are encoded, answers are parsed. No IO.
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

use crate::source::nfnetlink::attribute::{Malformed, Object, after, u16_of, u32_of};

const NLMSGHDR: usize = 16;
const NFGENMSG: usize = 4;

/// A request whose only arguments are 32-bit attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetlinkRequest {
    /// Its name in the kernel's headers, for error messages.
    pub name: &'static str,
    /// The kernel module that answers; for error messages.
    pub module: &'static str,
    /// `NFNL_SUBSYS_*`.
    pub subsystem: u8,
    /// The subsystem that the answer names; not always the one asked.
    pub answer_subsystem: u8,
    /// The message's number within the subsystem.
    pub message: u8,
    /// The answer's message number, where it is another.
    pub answer_message: Option<u8>,
    /// `NFPROTO_*`.
    pub family: u8,
    /// Whether it asks for all objects (`NLM_F_DUMP`) instead of one.
    pub dump: bool,
    /// Type and value of each attribute.
    pub attributes: &'static [(u16, u32)],
}

impl NetlinkRequest {
    /// The request's bytes; `sequence` comes back in the answer.
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

/// Why there is no complete answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// The kernel refused, with this errno.
    #[error("the kernel refused: errno {0}")]
    Refused(i32),
    /// The kernel lost a part of the answer.
    #[error("the kernel lost a part of the answer")]
    Overrun,
    /// The answer cannot be parsed.
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
    pub fn new(request: &NetlinkRequest, sequence: u32) -> Self {
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

    /// Parses a datagram, and decodes each of its objects with `decode`. True when the answer is complete.
    ///
    /// # Errors
    ///
    /// [`AnswerError`]; the answer is then of no use.
    pub fn take(
        &mut self,
        datagram: &[u8],
        decode: impl Fn(&Object<'_>) -> Result<T, Malformed>,
    ) -> Result<bool, AnswerError> {
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
                    errno => return Err(AnswerError::Refused(errno)),
                },
                libc::NLMSG_DONE => match message.errno()? {
                    0 if self.dump => return Ok(true),
                    0 => return Err(message.unasked().into()),
                    errno => return Err(AnswerError::Refused(errno)),
                },
                libc::NLMSG_OVERRUN => return Err(AnswerError::Overrun),
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

#[cfg(test)]
pub(crate) mod build;
#[cfg(test)]
mod tests;
