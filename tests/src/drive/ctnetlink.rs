//! Flows and expectations created over ctnetlink, without packets.
//!
//! The messages are those of linux/netfilter/nfnetlink_conntrack.h. This uses a socket instead of the `conntrack` tool, because
//! scenarios send thousands of requests, and need the answer of each.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use rustix::{
    fd::OwnedFd,
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketType,
        netlink::{self, SocketAddrNetlink},
        recv, sendto, socket,
    },
};

/// Message types: the subsystem, then the message.
const CT_NEW: u16 = 1 << 8;
const CT_DELETE: u16 = 1 << 8 | 2;
const EXP_NEW: u16 = 2 << 8;
const EXP_DELETE: u16 = 2 << 8 | 2;
/// The answer to every request that asks for one.
const NLMSG_ERROR: u16 = 2;

/// Flags of a request: that it is one, that it asks for an answer, and that it creates something new.
const REQUEST: u16 = 0x1 | 0x4;
const CREATE: u16 = EXCLUSIVE | 0x400;
const EXCLUSIVE: u16 = 0x200;

const IPPROTO_TCP: u8 = 6;
const ESTABLISHED: u8 = 3;

/// Status bits of a flow.
pub mod status {
    /// It has seen a reply.
    pub const SEEN_REPLY: u32 = 1 << 1;
    /// It is not evicted from a full table.
    pub const ASSURED: u32 = 1 << 2;
    /// It is in the table.
    pub(super) const CONFIRMED: u32 = 1 << 3;
}

/// One direction of a flow.
#[derive(Clone, Copy, Debug)]
pub struct Tuple {
    /// The protocol's number.
    pub protocol: u8,
    /// Source.
    pub from: (Ipv4Addr, u16),
    /// Destination.
    pub to: (Ipv4Addr, u16),
}

impl Tuple {
    /// The tuple of its replies.
    pub fn reply(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            ..self
        }
    }

    fn attribute(&self, kind: u16) -> Vec<u8> {
        let addresses = [
            attribute(1, &self.from.0.octets()),
            attribute(2, &self.to.0.octets()),
        ];
        let protocol = [
            attribute(1, &[self.protocol]),
            attribute(2, &self.from.1.to_be_bytes()),
            attribute(3, &self.to.1.to_be_bytes()),
        ];
        nested(kind, &[nested(1, &addresses), nested(2, &protocol)])
    }
}

/// A flow to create.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// The tuple of packets that would have started it.
    pub original: Tuple,
    /// The tuple of their replies.
    pub reply: Tuple,
    /// See [`status`].
    pub status: u32,
    /// Its helper.
    pub helper: Option<&'static str>,
    /// The state of a TCP connection (`enum tcp_conntrack`).
    pub tcp_state: u8,
}

impl Flow {
    /// A flow without any packet so far.
    pub fn of(original: Tuple) -> Self {
        Self {
            original,
            reply: original.reply(),
            status: 0,
            helper: None,
            tcp_state: ESTABLISHED,
        }
    }
}

/// The answer to a request: success, or an error.
pub type Answer = std::result::Result<(), Errno>;

/// A ctnetlink socket.
pub struct Ctnetlink {
    socket: OwnedFd,
}

impl Ctnetlink {
    /// Requires CAP_NET_ADMIN.
    pub fn open() -> Result<Self> {
        let socket = socket(
            AddressFamily::NETLINK,
            SocketType::RAW,
            Some(netlink::NETFILTER),
        )
        .context("open a netlink socket")?;
        Ok(Self { socket })
    }

    /// Creates a flow; fails if either direction exists already.
    pub fn insert(&self, flow: &Flow) -> Result<Answer> {
        let mut attributes = vec![
            flow.original.attribute(1),
            flow.reply.attribute(2),
            // Its timeout in seconds, longer than any scenario.
            attribute(7, &86_400_u32.to_be_bytes()),
        ];
        if flow.status != 0 {
            // It is confirmed by now, which cannot be changed.
            let status = flow.status | status::CONFIRMED;
            attributes.push(attribute(3, &status.to_be_bytes()));
        }
        if let Some(helper) = flow.helper {
            attributes.push(nested(5, &[attribute(1, &zero_terminated(helper))]));
        }
        if flow.original.protocol == IPPROTO_TCP {
            let state = attribute(1, &[flow.tcp_state]);
            attributes.push(nested(4, &[nested(1, &[state])]));
        }
        self.request(CT_NEW, CREATE, &attributes)
    }

    /// Deletes all flows.
    pub fn flush(&self) -> Result<Answer> {
        self.request(CT_DELETE, 0, &[])
    }

    /// Creates an expectation of a master flow, which must have a helper.
    pub fn expect(&self, master: &Tuple, expected: &Tuple) -> Result<Answer> {
        self.make_expectation(master, expected, CREATE)
    }

    /// Makes an expectation expire.
    pub fn expire(&self, master: &Tuple, expected: &Tuple) -> Result<Answer> {
        self.make_expectation(master, expected, CREATE & !EXCLUSIVE)
    }

    fn make_expectation(&self, master: &Tuple, expected: &Tuple, flags: u16) -> Result<Answer> {
        let mask = Tuple {
            protocol: expected.protocol,
            from: (Ipv4Addr::BROADCAST, 0),
            to: (Ipv4Addr::BROADCAST, u16::MAX),
        };
        let attributes = [
            master.attribute(1),
            expected.attribute(2),
            mask.attribute(3),
            // Its timeout in seconds. The helper sets that of a new one.
            attribute(4, &0_u32.to_be_bytes()),
        ];
        self.request(EXP_NEW, flags, &attributes)
    }

    /// Deletes an expectation.
    pub fn unexpect(&self, expected: &Tuple) -> Result<Answer> {
        self.request(EXP_DELETE, 0, &[expected.attribute(2)])
    }

    /// Deletes all expectations.
    pub fn unexpect_all(&self) -> Result<Answer> {
        self.request(EXP_DELETE, 0, &[])
    }

    fn request(&self, kind: u16, flags: u16, attributes: &[Vec<u8>]) -> Result<Answer> {
        // struct nlmsghdr, whose length is not known yet, and struct nfgenmsg.
        let mut message = vec![0; 4];
        message.extend(kind.to_ne_bytes());
        message.extend((REQUEST | flags).to_ne_bytes());
        message.extend([0; 8]);
        const AF_INET: u8 = 2;
        message.extend([AF_INET, 0, 0, 0]);
        message.extend(attributes.concat());
        let length = message.len() as u32;
        message[..4].copy_from_slice(&length.to_ne_bytes());
        sendto(
            &self.socket,
            &message,
            SendFlags::empty(),
            &SocketAddrNetlink::new(0, 0),
        )
        .context("ask ctnetlink")?;

        let mut answer = [0; 4096];
        let (length, _) = recv(&self.socket, &mut answer[..], RecvFlags::empty())
            .context("read ctnetlink's answer")?;
        ensure!(
            length >= 20 && answer[4..6] == NLMSG_ERROR.to_ne_bytes(),
            "an odd answer of ctnetlink: {:?}",
            &answer[..length.min(20)]
        );
        let error = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
        Ok(match error {
            0 => Ok(()),
            error => Err(Errno::from_raw_os_error(-error)),
        })
    }
}

/// An attribute: length, type, value, and padding to a multiple of four.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len() as u16;
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nested(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    const NESTED: u16 = 1 << 15;
    attribute(kind | NESTED, &attributes.concat())
}

fn zero_terminated(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}
