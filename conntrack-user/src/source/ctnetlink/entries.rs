//! The entries of the table, through ctnetlink: the request, and what is taken from each entry.

use std::net::{Ipv4Addr, Ipv6Addr};

use conntrack_ebpf::leaders::{By, Key, Prefixes};

use crate::{
    model::top::tables::Of,
    source::nfnetlink::message::{Attribute, Malformed, Object, Request},
};

/// All entries of a namespace.
pub const ENTRIES: Request = Request {
    name: "IPCTNL_MSG_CT_GET",
    module: "nf_conntrack_netlink",
    subsystem: libc::NFNL_SUBSYS_CTNETLINK as u8,
    answer_subsystem: libc::NFNL_SUBSYS_CTNETLINK as u8,
    message: 1,
    // IPCTNL_MSG_CT_NEW
    answer_message: Some(0),
    family: libc::AF_UNSPEC as u8,
    dump: true,
    attributes: &[],
};

// linux/netfilter/nfnetlink_conntrack.h
const TUPLE_ORIG: u16 = 1;
const PROTOINFO: u16 = 4;
const MARK: u16 = 8;
const ZONE: u16 = 18;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTO: u16 = 2;
const IP_V4_SRC: u16 = 1;
const IP_V4_DST: u16 = 2;
const IP_V6_SRC: u16 = 3;
const IP_V6_DST: u16 = 4;
const PROTO_NUM: u16 = 1;
const PROTO_DST_PORT: u16 = 3;
const PROTOINFO_TCP: u16 = 1;
const PROTOINFO_TCP_STATE: u16 = 1;

/// What an entry is counted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    src: Option<Address>,
    dst: Option<Address>,
    protocol: u8,
    port: u16,
    state: Option<u8>,
    zone: u16,
    mark: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address {
    V4(u32),
    V6(u64, u64),
}

impl Entry {
    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// When it is not formed as one.
    pub fn read(object: &Object<'_>) -> Result<Self, Malformed> {
        let mut entry = Self::default();
        for attribute in object.attributes() {
            let attribute = attribute?;
            match attribute.kind {
                TUPLE_ORIG => entry.read_tuple(&attribute)?,
                PROTOINFO => {
                    for info in attribute.nested().filter(|a| kind_is(a, PROTOINFO_TCP)) {
                        for tcp in info?.nested().filter(|a| kind_is(a, PROTOINFO_TCP_STATE)) {
                            entry.state = Some(u8::from_be_bytes(bytes(&tcp?)?));
                        }
                    }
                }
                MARK => entry.mark = attribute.be32()?,
                ZONE => entry.zone = u16::from_be_bytes(bytes(&attribute)?),
                _ => {}
            }
        }
        Ok(entry)
    }

    fn read_tuple(&mut self, tuple: &Attribute<'_>) -> Result<(), Malformed> {
        for part in tuple.nested() {
            let part = part?;
            for attribute in part.nested() {
                let attribute = attribute?;
                match (part.kind, attribute.kind) {
                    (TUPLE_IP, IP_V4_SRC | IP_V6_SRC) => self.src = Some(address(&attribute)?),
                    (TUPLE_IP, IP_V4_DST | IP_V6_DST) => self.dst = Some(address(&attribute)?),
                    (TUPLE_PROTO, PROTO_NUM) => {
                        self.protocol = u8::from_be_bytes(bytes(&attribute)?);
                    }
                    (TUPLE_PROTO, PROTO_DST_PORT) => {
                        self.port = u16::from_be_bytes(bytes(&attribute)?);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The key it is counted under; `None` where it has none.
    #[must_use]
    pub fn key(&self, of: Of, slot: u32, prefixes: Prefixes) -> Option<Key> {
        let address = |address| match address {
            Some(Address::V4(address)) => Key::ipv4(slot, address, prefixes),
            Some(Address::V6(high, low)) => Key::ipv6(slot, high, low, prefixes),
            None => Key::unknown(slot),
        };
        Some(match of {
            Of::Tuple(By::Source) => address(self.src),
            Of::Tuple(By::Destination) => address(self.dst),
            Of::Tuple(By::Port) => Key::port(slot, self.protocol, self.port),
            Of::Protocol => Key::number(slot, self.protocol.into()),
            Of::State => Key::number(slot, self.state?.into()),
            Of::Zone => Key::number(slot, self.zone.into()),
            Of::Mark => Key::number(slot, self.mark.into()),
        })
    }
}

fn kind_is(attribute: &Result<Attribute<'_>, Malformed>, kind: u16) -> bool {
    attribute.as_ref().map_or(true, |a| a.kind == kind)
}

fn bytes<const N: usize>(attribute: &Attribute<'_>) -> Result<[u8; N], Malformed> {
    attribute.value.try_into().map_err(|_| Malformed::Length {
        what: "conntrack attribute",
        length: attribute.value.len(),
        room: N,
    })
}

fn address(attribute: &Attribute<'_>) -> Result<Address, Malformed> {
    match attribute.kind {
        IP_V4_SRC | IP_V4_DST => {
            bytes(attribute).map(|octets| Address::V4(Ipv4Addr::from_octets(octets).to_bits()))
        }
        _ => bytes(attribute).map(|octets| {
            let bits = Ipv6Addr::from_octets(octets).to_bits();
            Address::V6((bits >> 64) as u64, bits as u64)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::top::tables::key_text,
        source::nfnetlink::message::{Answer, build},
    };

    const PREFIXES: Prefixes = Prefixes { ipv4: 32, ipv6: 64 };

    fn nested(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        build::object(0, attributes)[4..].to_vec()
    }

    /// The entry of an answer with one.
    fn read(attributes: &[(u16, &[u8])]) -> Result<Vec<Entry>, String> {
        let mut answer = Answer::new(&ENTRIES, 9);
        let mut datagram =
            build::message(0x100, libc::NLM_F_MULTI, 9, &build::object(0, attributes));
        datagram.extend(build::done(9));
        let whole = answer
            .take(&datagram, Entry::read)
            .map_err(|e| e.to_string())?;
        assert!(whole);
        Ok(answer.finish().0)
    }

    fn keys(entry: &Entry) -> Vec<Option<String>> {
        Of::ALL
            .into_iter()
            .map(|of| {
                let key = entry.key(of, 0, PREFIXES)?;
                Some(key_text(of, &key, PREFIXES))
            })
            .collect()
    }

    #[test]
    fn a_tcp_entry() {
        let ip = nested(&[(IP_V4_SRC, &[10, 0, 0, 1]), (IP_V4_DST, &[10, 0, 0, 2])]);
        let proto = nested(&[(PROTO_NUM, &[6]), (2, &[1, 2]), (PROTO_DST_PORT, &[1, 187])]);
        // As the kernel marks them.
        let flag = libc::NLA_F_NESTED as u16;
        let orig = nested(&[(TUPLE_IP | flag, &ip), (TUPLE_PROTO | flag, &proto)]);
        let tcp = nested(&[(PROTOINFO_TCP_STATE, &[7]), (2, &[0])]);
        let info = nested(&[(PROTOINFO_TCP | flag, &tcp)]);
        let entries = read(&[
            (TUPLE_ORIG | flag, &orig),
            (2 | flag, &orig),
            (3, &[0, 0, 0, 1]),
            (PROTOINFO | flag, &info),
            (MARK, &[0, 0, 1, 0]),
            (ZONE, &[0, 5]),
        ]);
        let keys = keys(&entries.unwrap()[0]);
        let expected = [
            "10.0.0.1",
            "10.0.0.2",
            "tcp/443",
            "tcp",
            "TIME_WAIT",
            "5",
            "0x100",
        ];
        assert_eq!(keys, expected.map(|key| Some(key.to_owned())));
    }

    #[test]
    fn an_icmpv6_entry() {
        let (from, to) = ([0xfd; 16], [0xfe; 16]);
        let ip = nested(&[(IP_V6_SRC, &from), (IP_V6_DST, &to)]);
        let proto = nested(&[(PROTO_NUM, &[58]), (7, &[0, 1])]);
        let orig = nested(&[(TUPLE_IP, &ip), (TUPLE_PROTO, &proto)]);
        let keys = keys(&read(&[(TUPLE_ORIG, &orig)]).unwrap()[0]);
        let expected = [
            Some("fdfd:fdfd:fdfd:fdfd::/64"),
            Some("fefe:fefe:fefe:fefe::/64"),
            Some("icmpv6"),
            Some("icmpv6"),
            None,
            Some("0"),
            Some("0x0"),
        ];
        assert_eq!(keys, expected.map(|key| key.map(str::to_owned)));
    }

    #[test]
    fn what_is_malformed_is_said() {
        let ip = nested(&[(IP_V4_SRC, &[10, 0, 0])]);
        let orig = nested(&[(TUPLE_IP, &ip)]);
        let error = read(&[(TUPLE_ORIG, &orig)]).unwrap_err();
        assert!(error.contains("conntrack attribute of 3 bytes"), "{error}");
        assert!(read(&[(TUPLE_ORIG, &[1])]).is_err());
    }
}
