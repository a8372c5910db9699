//! The entries of the table, through ctnetlink: the request, and the parser of the attributes that ctpulse uses. No IO.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    reading::entries::{Entry, EntryTuple, HELPER_NAME},
    source::nfnetlink::{
        attribute::{Attribute, Malformed, Object},
        message::NetlinkRequest,
    },
};

/// The request for all entries of a namespace.
pub const ENTRIES: NetlinkRequest = NetlinkRequest {
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

/// The request for the entries that are removed, and wait until listeners of events have been told.
pub const DYING: NetlinkRequest = NetlinkRequest {
    name: "IPCTNL_MSG_CT_GET_DYING",
    message: 6,
    ..ENTRIES
};

// linux/netfilter/nfnetlink_conntrack.h
const TUPLE_ORIG: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const STATUS: u16 = 3;
const PROTOINFO: u16 = 4;
const HELP: u16 = 5;
const TIMEOUT: u16 = 7;
const MARK: u16 = 8;
const ZONE: u16 = 18;
const TIMESTAMP: u16 = 20;
const HELP_NAME: u16 = 1;
const TIMESTAMP_START: u16 = 1;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTO: u16 = 2;
const IP_V4_SRC: u16 = 1;
const IP_V4_DST: u16 = 2;
const IP_V6_SRC: u16 = 3;
const IP_V6_DST: u16 = 4;
const PROTO_NUM: u16 = 1;
const PROTO_SRC_PORT: u16 = 2;
const PROTO_DST_PORT: u16 = 3;
const PROTOINFO_TCP: u16 = 1;
const PROTOINFO_SCTP: u16 = 3;
/// Of TCP and of SCTP.
const PROTOINFO_STATE: u16 = 1;

/// Parses an entry (`ctnetlink_fill_info()` of net/netfilter/nf_conntrack_netlink.c writes it).
///
/// # Errors
///
/// When an attribute has the wrong length.
pub fn parse(object: &Object<'_>) -> Result<Entry, Malformed> {
    let mut entry = Entry::default();
    for attribute in object.attributes() {
        let attribute = attribute?;
        match attribute.kind {
            TUPLE_ORIG => entry.original = tuple(&attribute, &mut entry.protocol)?,
            // The protocol is the same.
            TUPLE_REPLY => entry.reply = tuple(&attribute, &mut 0)?,
            PROTOINFO => parse_state(&attribute, &mut entry)?,
            STATUS => entry.status = attribute.be32()?,
            TIMEOUT => entry.remaining = Some(attribute.be32()?),
            MARK => entry.mark = attribute.be32()?,
            ZONE => entry.zone = u16::from_be_bytes(bytes(&attribute)?),
            HELP => {
                for name in attribute.nested().filter(|a| kind_is(a, HELP_NAME)) {
                    entry.helper = Some(padded(name?.bytes_of_string()));
                }
            }
            TIMESTAMP => {
                for start in attribute.nested().filter(|a| kind_is(a, TIMESTAMP_START)) {
                    entry.started = Some(u64::from_be_bytes(bytes(&start?)?));
                }
            }
            _ => {}
        }
    }
    Ok(entry)
}

fn parse_state(info: &Attribute<'_>, entry: &mut Entry) -> Result<(), Malformed> {
    for of_protocol in info.nested() {
        let of_protocol = of_protocol?;
        let state = match of_protocol.kind {
            PROTOINFO_TCP => &mut entry.state,
            PROTOINFO_SCTP => &mut entry.sctp_state,
            _ => continue,
        };
        for number in of_protocol.nested().filter(|a| kind_is(a, PROTOINFO_STATE)) {
            *state = Some(u8::from_be_bytes(bytes(&number?)?));
        }
    }
    Ok(())
}

fn tuple(attribute: &Attribute<'_>, protocol: &mut u8) -> Result<EntryTuple, Malformed> {
    let mut tuple = EntryTuple::default();
    let port = |attribute: &Attribute<'_>| bytes(attribute).map(u16::from_be_bytes);
    for part in attribute.nested() {
        let part = part?;
        for attribute in part.nested() {
            let attribute = attribute?;
            match (part.kind, attribute.kind) {
                (TUPLE_IP, IP_V4_SRC | IP_V6_SRC) => tuple.src = Some(address(&attribute)?),
                (TUPLE_IP, IP_V4_DST | IP_V6_DST) => tuple.dst = Some(address(&attribute)?),
                (TUPLE_PROTO, PROTO_NUM) => *protocol = u8::from_be_bytes(bytes(&attribute)?),
                (TUPLE_PROTO, PROTO_SRC_PORT) => tuple.sport = port(&attribute)?,
                (TUPLE_PROTO, PROTO_DST_PORT) => tuple.dport = port(&attribute)?,
                _ => {}
            }
        }
    }
    Ok(tuple)
}

/// A helper's name as the kernel has it: with a 0 at its end, so a longer one is cut.
fn padded(name: &[u8]) -> [u8; HELPER_NAME] {
    let mut padded = [0; HELPER_NAME];
    for (to, from) in padded.iter_mut().zip(name).take(HELPER_NAME - 1) {
        *to = *from;
    }
    padded
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

fn address(attribute: &Attribute<'_>) -> Result<IpAddr, Malformed> {
    Ok(match attribute.kind {
        IP_V4_SRC | IP_V4_DST => Ipv4Addr::from_octets(bytes(attribute)?).into(),
        _ => Ipv6Addr::from_octets(bytes(attribute)?).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::top::tables::key_text,
        reading::entries::GroupBy,
        source::nfnetlink::message::{Answer, build},
    };
    use conntrack_ebpf::heavy_hitters::Prefixes;

    const PREFIXES: Prefixes = Prefixes { ipv4: 32, ipv6: 64 };

    fn nested(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        build::object(0, attributes)[4..].to_vec()
    }

    /// The entry that is read from an answer with these attributes.
    fn read(attributes: &[(u16, &[u8])]) -> Result<Vec<Entry>, String> {
        let mut answer = Answer::new(&ENTRIES, 9);
        let mut datagram =
            build::message(0x100, libc::NLM_F_MULTI, 9, &build::object(0, attributes));
        datagram.extend(build::done(9));
        let whole = answer.take(&datagram, parse).map_err(|e| e.to_string())?;
        assert!(whole);
        Ok(answer.finish().0)
    }

    fn keys(entry: &Entry) -> Vec<Option<String>> {
        GroupBy::ALL
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
        let tcp = nested(&[(PROTOINFO_STATE, &[7]), (2, &[0])]);
        let info = nested(&[(PROTOINFO_TCP | flag, &tcp)]);
        let back = nested(&[(IP_V4_SRC, &[10, 0, 9, 2]), (IP_V4_DST, &[192, 0, 2, 7])]);
        let ports = nested(&[
            (PROTO_NUM, &[6]),
            (2, &[31, 144]),
            (PROTO_DST_PORT, &[9, 9]),
        ]);
        let reply = nested(&[(TUPLE_IP, &back), (TUPLE_PROTO, &ports)]);
        let help = nested(&[(HELP_NAME | flag, b"ftp\0")]);
        let started = nested(&[(TIMESTAMP_START, &1_700_000_000_u64.to_be_bytes())]);
        let entries = read(&[
            (TUPLE_ORIG | flag, &orig),
            (TUPLE_REPLY | flag, &reply),
            (HELP | flag, &help),
            (TIMEOUT, &[0, 0, 1, 44]),
            (TIMESTAMP | flag, &started),
            // IPS_SEEN_REPLY, IPS_ASSURED and IPS_CONFIRMED.
            (STATUS, &[0, 0, 0, 14]),
            (PROTOINFO | flag, &info),
            (MARK, &[0, 0, 1, 0]),
            (ZONE, &[0, 5]),
        ]);
        let entry = entries.unwrap()[0];
        let address = |a, b, c, d| Some(Ipv4Addr::new(a, b, c, d).into());
        let reply = EntryTuple {
            src: address(10, 0, 9, 2),
            dst: address(192, 0, 2, 7),
            sport: 8080,
            dport: 0x909,
        };
        assert_eq!((entry.reply, entry.original.sport), (reply, 0x102));
        assert_eq!(entry.remaining, Some(300));
        assert_eq!(entry.started, Some(1_700_000_000));
        assert_eq!(entry.helper, Some(*b"ftp\0\0\0\0\0\0\0\0\0\0\0\0\0"));
        assert_eq!(padded(b"longer than a name"), *b"longer than a n\0");
        let keys = keys(&entry);
        let expected = [
            "10.0.0.1",
            "10.0.0.2",
            "tcp/443",
            "tcp",
            "TIME_WAIT",
            "ASSURED",
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
            Some("UNREPLIED"),
            Some("0"),
            Some("0x0"),
        ];
        assert_eq!(keys, expected.map(|key| key.map(str::to_owned)));
    }

    #[test]
    fn malformed_entries_have_an_error() {
        let ip = nested(&[(IP_V4_SRC, &[10, 0, 0])]);
        let orig = nested(&[(TUPLE_IP, &ip)]);
        let error = read(&[(TUPLE_ORIG, &orig)]).unwrap_err();
        assert!(error.contains("conntrack attribute of 3 bytes"), "{error}");
        assert!(read(&[(TUPLE_ORIG, &[1])]).is_err());
    }
}
