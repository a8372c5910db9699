//! Single events: what was dropped, evicted or refused, with its tuple.

pub mod filter;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conntrack_ebpf::{
    EventKind,
    tuple::{
        DST, DST_PORT, ICMP_CODE, INET, INET6, L3NUM, PROTONUM, SRC, SRC_PORT, TUPLE_SIZE,
        has_ports, is_icmp,
    },
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::text::Plain;

/// Name of a kind in JSON and on the command line.
#[must_use]
pub const fn kind_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::TableFull => "table_full",
        EventKind::EarlyDrop => "early_drop",
        EventKind::Clash => "clash",
        EventKind::InsertFailed => "insert_failed",
        EventKind::ChainTooLong => "chain_too_long",
        EventKind::Invalid => "invalid",
        EventKind::IcmpError => "icmp_error",
        EventKind::NatExhausted => "nat_exhausted",
        EventKind::ExpectFull => "expect_full",
    }
}

/// The kind with this name.
#[must_use]
pub fn kind_named(name: &str) -> Option<EventKind> {
    EventKind::ALL
        .into_iter()
        .find(|kind| kind_name(*kind) == name)
}

/// A flow or packet, in its original direction. A field is `None` where it is unknown or has no
/// meaning for the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuple {
    /// Address family.
    pub family: Option<Family>,
    /// Transport protocol.
    pub proto: Option<Protocol>,
    /// Source address.
    pub src: Option<IpAddr>,
    /// Source port.
    pub sport: Option<u16>,
    /// Destination address.
    pub dst: Option<IpAddr>,
    /// Destination port.
    pub dport: Option<u16>,
    /// ICMP type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    /// ICMP code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<u8>,
}

/// Address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// A transport protocol by its IANA number; shown by its name where it has a common one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol(pub u8);

const PROTOCOLS: [(u8, &str); 10] = [
    (1, "icmp"),
    (6, "tcp"),
    (17, "udp"),
    (33, "dccp"),
    (47, "gre"),
    (50, "esp"),
    (58, "icmpv6"),
    (89, "ospf"),
    (132, "sctp"),
    (136, "udplite"),
];

/// States of TCP connections by the kernel's number (`enum tcp_conntrack`).
pub(crate) const TCP_STATES: [&str; 10] = [
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];

impl Protocol {
    /// The protocol with this name or number.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        let by_name = PROTOCOLS.iter().find(|(_, name)| *name == text);
        by_name
            .map(|(number, _)| Self(*number))
            .or_else(|| text.parse().ok().map(Self))
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match PROTOCOLS.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::named(&text)
            .ok_or_else(|| de::Error::custom(format_args!("no such protocol: {}", Plain(&text))))
    }
}

impl Tuple {
    /// Reads a `struct nf_conntrack_tuple`.
    #[must_use]
    pub fn parse(bytes: &[u8; TUPLE_SIZE]) -> Self {
        let word = |at: usize| [bytes[at], bytes[at + 1]];
        let address = |at: usize| {
            let mut octets = [0; 16];
            octets.copy_from_slice(&bytes[at..at + 16]);
            octets
        };
        let family = match u8::try_from(u16::from_ne_bytes(word(L3NUM))) {
            Ok(INET) => Some(Family::Ipv4),
            Ok(INET6) => Some(Family::Ipv6),
            _ => None,
        };
        let ip = |at| {
            let octets = address(at);
            family.map(|family| match family {
                Family::Ipv4 => {
                    IpAddr::V4(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]))
                }
                Family::Ipv6 => IpAddr::V6(Ipv6Addr::from(octets)),
            })
        };
        let proto = Protocol(bytes[PROTONUM]);
        let ports = has_ports(proto.0);
        let port = |at| ports.then(|| u16::from_be_bytes(word(at)));
        let icmp = is_icmp(proto.0);
        Self {
            family,
            proto: Some(proto),
            src: ip(SRC),
            sport: port(SRC_PORT),
            dst: ip(DST),
            dport: port(DST_PORT),
            icmp_type: icmp.then_some(bytes[DST_PORT]),
            icmp_code: icmp.then_some(bytes[ICMP_CODE]),
        }
    }
}

impl Tuple {
    /// The flow as its replies answer it: after NAT, if there is any. Replies of ICMP have a type of their own, which is not the
    /// flow's.
    #[must_use]
    pub const fn as_answered_by(self, replies: Self) -> Self {
        Self {
            src: replies.dst,
            sport: replies.dport,
            dst: replies.src,
            dport: replies.sport,
            ..self
        }
    }
}

impl std::fmt::Display for Tuple {
    /// `udp 10.0.0.1:5353 → 10.0.0.2:53`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = |f: &mut std::fmt::Formatter<'_>, ip: Option<IpAddr>, port: Option<u16>| match (
            ip, port,
        ) {
            (Some(IpAddr::V6(ip)), Some(port)) => write!(f, "[{ip}]:{port}"),
            (Some(ip), Some(port)) => write!(f, "{ip}:{port}"),
            (Some(ip), None) => write!(f, "{ip}"),
            (None, _) => f.write_str("?"),
        };
        match self.proto {
            Some(proto) => write!(f, "{proto} ")?,
            None => f.write_str("? ")?,
        }
        end(f, self.src, self.sport)?;
        f.write_str(" → ")?;
        end(f, self.dst, self.dport)?;
        match (self.icmp_type, self.icmp_code) {
            (Some(kind), Some(code)) => write!(f, " type {kind} code {code}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_udp_tuple() {
        let mut bytes = [0; TUPLE_SIZE];
        bytes[..4].copy_from_slice(&[10, 0, 0, 1]);
        bytes[16..18].copy_from_slice(&5353_u16.to_be_bytes());
        bytes[18..20].copy_from_slice(&u16::from(INET).to_ne_bytes());
        bytes[20..24].copy_from_slice(&[10, 0, 0, 2]);
        bytes[36..38].copy_from_slice(&53_u16.to_be_bytes());
        bytes[38] = 17;
        assert_eq!(
            Tuple::parse(&bytes).to_string(),
            "udp 10.0.0.1:5353 → 10.0.0.2:53"
        );
    }

    #[test]
    fn an_icmpv6_tuple() {
        let mut bytes = [0; TUPLE_SIZE];
        bytes[15] = 1;
        bytes[18..20].copy_from_slice(&u16::from(INET6).to_ne_bytes());
        bytes[35] = 2;
        bytes[36] = 128;
        bytes[38] = 58;
        let tuple = Tuple::parse(&bytes);
        assert_eq!(tuple.to_string(), "icmpv6 ::1 → ::2 type 128 code 0");
        assert_eq!((tuple.sport, tuple.dport), (None, None));
    }

    #[test]
    fn what_is_not_known_of_a_flow_is_not_shown() {
        let flow = |src: &str, sport, icmp_type| Tuple {
            proto: Some(Protocol(6)),
            src: src.parse().ok(),
            sport,
            dst: "10.0.0.2".parse().ok(),
            icmp_type,
            icmp_code: Some(3),
            ..Tuple::default()
        };
        for (flow, text) in [
            (
                flow("10.0.0.1", Some(80), None),
                "tcp 10.0.0.1:80 → 10.0.0.2",
            ),
            (
                flow("2001:db8::1", Some(80), None),
                "tcp [2001:db8::1]:80 → 10.0.0.2",
            ),
            (
                flow("2001:db8::1", None, None),
                "tcp 2001:db8::1 → 10.0.0.2",
            ),
            (flow("", Some(80), None), "tcp ? → 10.0.0.2"),
            (
                flow("10.0.0.1", None, Some(8)),
                "tcp 10.0.0.1 → 10.0.0.2 type 8 code 3",
            ),
            (Tuple::default(), "? ? → ?"),
        ] {
            assert_eq!(flow.to_string(), text);
        }
    }

    #[test]
    fn protocols_are_written_by_their_names_in_json() -> Result<(), serde_json::Error> {
        for (number, json) in [(6, r#""tcp""#), (58, r#""icmpv6""#), (200, r#""200""#)] {
            assert_eq!(serde_json::to_string(&Protocol(number))?, json);
            assert_eq!(serde_json::from_str::<Protocol>(json)?, Protocol(number));
        }
        assert!(serde_json::from_str::<Protocol>(r#""tpc""#).is_err());
        Ok(())
    }

    #[test]
    fn a_flow_is_after_nat_what_its_replies_answer() {
        let end = |last, port| (IpAddr::from([10, 0, 0, last]), port);
        let tuple = |(src, sport), (dst, dport), icmp_type| Tuple {
            proto: Some(Protocol(17)),
            src: Some(src),
            sport: Some(sport),
            dst: Some(dst),
            dport: Some(dport),
            icmp_type,
            ..Tuple::default()
        };
        let (client, service) = (end(1, 40), end(2, 80));
        let (translated, real) = (end(3, 41), end(4, 81));
        let flow = tuple(client, service, Some(8));
        let after = flow.as_answered_by(tuple(real, translated, Some(0)));
        assert_eq!(after, tuple(translated, real, Some(8)));
    }

    #[test]
    fn kinds_are_found_by_their_names() {
        for kind in EventKind::ALL {
            assert_eq!(kind_named(kind_name(kind)), Some(kind));
        }
        assert_eq!(kind_named("other"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_parse_as_a_tuple(bytes in prop::array::uniform32(any::<u8>()), rest in prop::array::uniform8(any::<u8>())) {
            let mut tuple = [0; TUPLE_SIZE];
            tuple[..32].copy_from_slice(&bytes);
            tuple[32..].copy_from_slice(&rest);
            let _ = Tuple::parse(&tuple).to_string();
        }

        #[test]
        fn protocols_have_one_name(number in any::<u8>()) {
            prop_assert_eq!(Protocol::named(&Protocol(number).to_string()), Some(Protocol(number)));
        }
    }
}
