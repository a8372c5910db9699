//! Raw packets, correct or faulty, and the sockets that send them.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6},
};

use anyhow::{Context, Result};
use rustix::{
    fd::OwnedFd,
    net::{AddressFamily, SendFlags, SocketType, ipproto, sendto, socket},
};

/// Protocol numbers in IP headers.
pub mod protocol {
    #![expect(missing_docs, reason = "the names of protocols")]
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ICMPV6: u8 = 58;
    /// Not a protocol: an IPv6 extension header.
    pub const DESTINATION_OPTIONS: u8 = 60;
}

/// TCP flags.
pub mod flag {
    #![expect(missing_docs, reason = "the names of flags")]
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const ACK: u8 = 0x10;
}

/// Sends whole packets, including the IP header.
pub struct RawSockets {
    ipv4: OwnedFd,
    ipv6: OwnedFd,
}

impl RawSockets {
    /// Requires CAP_NET_RAW.
    pub fn open() -> Result<Self> {
        let open = |family| {
            socket(family, SocketType::RAW, Some(ipproto::RAW)).context("open a raw socket")
        };
        Ok(Self {
            ipv4: open(AddressFamily::INET)?,
            ipv6: open(AddressFamily::INET6)?,
        })
    }

    /// Sends a packet.
    pub fn send(&self, packet: &Packet) -> io::Result<usize> {
        let (bytes, none) = (&packet.bytes, SendFlags::empty());
        match packet.to {
            Addresses::V4(_, to) => sendto(&self.ipv4, bytes, none, &SocketAddrV4::new(to, 0)),
            Addresses::V6(_, to) => {
                sendto(&self.ipv6, bytes, none, &SocketAddrV6::new(to, 0, 0, 0))
            }
        }
        .map_err(io::Error::from)
    }
}

/// Source and destination addresses.
#[derive(Clone, Copy, Debug)]
pub enum Addresses {
    /// Of an IPv4 packet.
    V4(Ipv4Addr, Ipv4Addr),
    /// Of an IPv6 packet.
    V6(Ipv6Addr, Ipv6Addr),
}

impl Addresses {
    /// From this host to itself, IPv4.
    pub const LOOPBACK_V4: Self = Self::V4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
    /// From this host to itself, IPv6.
    pub const LOOPBACK_V6: Self = Self::V6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST);

    /// The protocol number of ICMP for this family.
    pub fn icmp(self) -> u8 {
        match self {
            Self::V4(..) => protocol::ICMP,
            Self::V6(..) => protocol::ICMPV6,
        }
    }

    /// What checksums of TCP, UDP and ICMPv6 cover besides their own bytes.
    fn pseudo_header(self, protocol: u8, length: usize) -> Vec<u8> {
        let mut bytes = match self {
            Self::V4(from, to) => [from.octets(), to.octets()].concat(),
            Self::V6(from, to) => [from.octets(), to.octets()].concat(),
        };
        bytes.extend((length as u32).to_be_bytes());
        bytes.extend(u32::from(protocol).to_be_bytes());
        bytes
    }
}

/// A packet.
#[derive(Clone, Debug)]
pub struct Packet {
    to: Addresses,
    bytes: Vec<u8>,
}

impl Packet {
    /// An IP packet with any payload.
    pub fn new(to: Addresses, protocol: u8, payload: &[u8]) -> Self {
        let mut bytes = match to {
            Addresses::V4(from, to) => {
                let length = (20 + payload.len()) as u16;
                let mut header = vec![0x45, 0];
                header.extend(length.to_be_bytes());
                // Not fragmented; the kernel fills in the identification and the checksum.
                header.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
                header.extend(from.octets());
                header.extend(to.octets());
                header
            }
            Addresses::V6(from, to) => {
                let mut header = vec![0x60, 0, 0, 0];
                header.extend((payload.len() as u16).to_be_bytes());
                header.extend([protocol, 64]);
                header.extend(from.octets());
                header.extend(to.octets());
                header
            }
        };
        bytes.extend(payload);
        Self { to, bytes }
    }

    /// A TCP segment without data or options, with any sequence number.
    pub fn tcp(to: Addresses, ports: (u16, u16), flags: u8) -> Self {
        Self::tcp_at(to, ports, flags, 1_000)
    }

    /// The same with this sequence number.
    pub fn tcp_at(to: Addresses, ports: (u16, u16), flags: u8, sequence: u32) -> Self {
        let mut segment = [0; 20];
        segment[0..2].copy_from_slice(&ports.0.to_be_bytes());
        segment[2..4].copy_from_slice(&ports.1.to_be_bytes());
        segment[4..8].copy_from_slice(&sequence.to_be_bytes());
        // A header of five words, any window.
        segment[12] = 5 << 4;
        segment[13] = flags;
        segment[14..16].copy_from_slice(&8_192_u16.to_be_bytes());
        let mut covered = to.pseudo_header(protocol::TCP, segment.len());
        covered.extend(segment);
        segment[16..18].copy_from_slice(&checksum(&covered).to_be_bytes());
        Self::new(to, protocol::TCP, &segment)
    }

    /// A UDP datagram without data, with `length` in its header (8 is correct).
    pub fn udp(to: Addresses, ports: (u16, u16), length: u16) -> Self {
        Self::new(to, protocol::UDP, &udp_header(to, ports, length))
    }

    /// An ICMP or ICMPv6 message.
    pub fn icmp(to: Addresses, kind: u8, body: &[u8]) -> Self {
        let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0];
        message.extend(body);
        let mut covered = match to {
            Addresses::V4(..) => Vec::new(),
            Addresses::V6(..) => to.pseudo_header(protocol::ICMPV6, message.len()),
        };
        covered.extend(&message);
        message[2..4].copy_from_slice(&checksum(&covered).to_be_bytes());
        Self::new(to, to.icmp(), &message)
    }

    /// The whole packet.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn udp_header(to: Addresses, ports: (u16, u16), length: u16) -> [u8; 8] {
    let mut header = [0; 8];
    header[0..2].copy_from_slice(&ports.0.to_be_bytes());
    header[2..4].copy_from_slice(&ports.1.to_be_bytes());
    header[4..6].copy_from_slice(&length.to_be_bytes());
    let mut covered = to.pseudo_header(protocol::UDP, header.len());
    covered.extend(header);
    header[6..8].copy_from_slice(&checksum(&covered).to_be_bytes());
    header
}

/// The Internet checksum (RFC 1071) of bytes whose checksum field is zero.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([
            pair[0],
            pair.get(1).copied().unwrap_or_default(),
        ]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_rfc_1071_s_example() {
        assert_eq!(
            checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
            !0xddf2
        );
    }

    #[test]
    fn a_packet_with_its_checksum_sums_to_zero() {
        for to in [Addresses::LOOPBACK_V4, Addresses::LOOPBACK_V6] {
            let packet = Packet::tcp(to, (1, 2), flag::SYN);
            let segment = &packet.bytes()[packet.bytes().len() - 20..];
            let mut covered = to.pseudo_header(protocol::TCP, segment.len());
            covered.extend(segment);
            assert_eq!(checksum(&covered), 0);
        }
    }
}
