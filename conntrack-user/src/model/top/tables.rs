//! Heavy hitters as tables of the report.

use crate::reading::{
    census::{End, EndBy, TopEnds},
    entries::{GroupBy, Replied},
    owners::NamedOwner,
    workload::Workload,
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use conntrack_ebpf::heavy_hitters::{FlowKey, FlowMeasure, KeyKind, Prefixes};

use crate::{
    model::{
        event::{Protocol, TCP_STATES},
        record::{TopRow, TopTable},
    },
    reading::heavy_hitters::HeavyHitters,
};

/// The measure of current entries.
pub const ENTRIES: &str = "entries";

/// The name of a measure in records.
#[must_use]
pub const fn measure_name(measure: FlowMeasure) -> &'static str {
    match measure {
        FlowMeasure::New => "new",
        FlowMeasure::Dropped => "dropped",
        FlowMeasure::Evicted => "evicted",
    }
}

/// The text of a key: `10.0.0.1`, `10.0.0.0/24`, `2001:db8::/64`, `tcp/443`, `icmp`, …
#[must_use]
pub fn key_text(of: GroupBy, key: &FlowKey, prefixes: Prefixes) -> String {
    match key.kind() {
        KeyKind::Unknown => "unknown".to_owned(),
        KeyKind::Ipv4 => {
            let address = ipv4(key);
            match prefixes.ipv4 {
                32 => address.to_string(),
                bits => format!("{address}/{bits}"),
            }
        }
        KeyKind::Ipv6 => {
            let address = ipv6(key);
            match prefixes.ipv6 {
                128 => address.to_string(),
                bits => format!("{address}/{bits}"),
            }
        }
        KeyKind::Port => {
            let (protocol, port) = ((key.low >> 16) as u8, key.low as u16);
            format!("{}/{port}", Protocol(protocol))
        }
        KeyKind::Protocol => Protocol(key.low as u8).to_string(),
        KeyKind::Number => match of {
            GroupBy::State => usize::try_from(key.low)
                .ok()
                .and_then(|state| TCP_STATES.get(state))
                .map_or_else(|| key.low.to_string(), |name| (*name).to_owned()),
            GroupBy::Status => usize::try_from(key.low)
                .ok()
                .and_then(|status| Replied::ALL.get(status))
                .map_or_else(|| key.low.to_string(), |status| status.name().to_owned()),
            GroupBy::Protocol => Protocol(key.low as u8).to_string(),
            GroupBy::Mark => format!("{:#x}", key.low),
            _ => key.low.to_string(),
        },
    }
}

/// The text of an end: `tcp/10.0.0.1:443`, `tcp/443`, `icmp/10.0.0.1`, `10.0.0.0/24`.
#[must_use]
pub fn end_text(end: &End) -> String {
    let address = end
        .address
        .map(|net| match net.prefix_len() == net.max_prefix_len() {
            true => net.addr().to_string(),
            false => net.to_string(),
        });
    let proto = end.protocol.map(|number| Protocol(number).to_string());
    let address = match (address, end.port) {
        (Some(address), Some(port)) if address.contains(':') => Some(format!("[{address}]:{port}")),
        (Some(address), Some(port)) => Some(format!("{address}:{port}")),
        (None, Some(port)) => Some(port.to_string()),
        (address, None) => address,
    };
    let parts: Vec<String> = proto.into_iter().chain(address).collect();
    match parts.is_empty() {
        true => "unknown".to_owned(),
        false => parts.join("/"),
    }
}

/// Builds a table of entries by an end of theirs. `workload` tells what has an address, if that is known.
#[must_use]
pub fn table_of_ends(
    by: EndBy,
    ends: &TopEnds,
    workload: impl Fn(IpAddr) -> Option<Arc<Workload>>,
) -> TopTable {
    TopTable {
        by: ENTRIES.into(),
        of: by.name().into(),
        total: ends.total,
        error: 0,
        certain: ends.certain,
        sampled: false,
        rows: ends
            .rows
            .iter()
            .map(|(end, count)| TopRow {
                key: end_text(end).into(),
                count: *count,
                share: *count as f64 * 100.0 / ends.total.max(1) as f64,
                workload: whole_address(end).and_then(&workload),
                ..TopRow::default()
            })
            .collect(),
    }
}

/// The address of an end, if it is one and no network of several.
fn whole_address(end: &End) -> Option<IpAddr> {
    let net = end.address?;
    (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())
}

/// The same of a key.
#[must_use]
pub fn key_address(key: &FlowKey, prefixes: Prefixes) -> Option<IpAddr> {
    match key.kind() {
        KeyKind::Ipv4 if prefixes.ipv4 == 32 => Some(ipv4(key).into()),
        KeyKind::Ipv6 if prefixes.ipv6 == 128 => Some(ipv6(key).into()),
        _ => None,
    }
}

fn ipv4(key: &FlowKey) -> Ipv4Addr {
    Ipv4Addr::from(key.low as u32)
}

fn ipv6(key: &FlowKey) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(key.high) << 64 | u128::from(key.low))
}

/// Builds a table. `owner` tells whose processes are behind a key, `workload` what has an address, if that is known.
#[must_use]
pub fn table(
    by: &'static str,
    of: GroupBy,
    hitters: &HeavyHitters,
    prefixes: Prefixes,
    owner: impl Fn(&FlowKey) -> Option<NamedOwner>,
    workload: impl Fn(IpAddr) -> Option<Arc<Workload>>,
) -> TopTable {
    let share = |count: u64| match hitters.total {
        0 => 0.0,
        total => count as f64 * 100.0 / total as f64,
    };
    TopTable {
        by: by.into(),
        of: of.name().into(),
        total: hitters.total,
        error: hitters.error,
        certain: hitters.certain,
        sampled: false,
        rows: hitters
            .rows
            .iter()
            .map(|(key, range)| {
                let owner = owner(key);
                let (process, of_process) =
                    owner.map(|owner| (owner.process, owner.workload)).unzip();
                TopRow {
                    key: key_text(of, key, prefixes).into(),
                    count: range.low,
                    share: share(range.low),
                    process,
                    process_workload: of_process.flatten(),
                    workload: key_address(key, prefixes).and_then(&workload),
                    nat: None,
                }
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use conntrack_ebpf::TUPLE_SIZE;
    use proptest::prelude::*;

    use super::*;
    use crate::model::event::Tuple;
    use conntrack_ebpf::heavy_hitters::By;

    const WHOLE: Prefixes = Prefixes {
        ipv4: 32,
        ipv6: 128,
    };

    fn text(of: GroupBy, key: FlowKey, prefixes: Prefixes) -> String {
        key_text(of, &key, prefixes)
    }

    #[test]
    fn keys_as_text() {
        let source = GroupBy::Tuple(By::Source);
        let some = Prefixes { ipv4: 24, ipv6: 64 };
        let none = Prefixes { ipv4: 0, ipv6: 0 };
        let v4 = |prefixes| FlowKey::ipv4(1, 0x0a01_0203, prefixes);
        let v6 = |prefixes| FlowKey::ipv6(1, 0x2001_0db8_0001_0002, 3, prefixes);
        assert_eq!(text(source, v4(WHOLE), WHOLE), "10.1.2.3");
        assert_eq!(text(source, v4(some), some), "10.1.2.0/24");
        assert_eq!(text(source, v4(none), none), "0.0.0.0/0");
        assert_eq!(text(source, v6(WHOLE), WHOLE), "2001:db8:1:2::3");
        assert_eq!(text(source, v6(some), some), "2001:db8:1:2::/64");
        assert_eq!(text(source, v6(none), none), "::/0");
        assert_eq!(text(source, FlowKey::unknown(1), some), "unknown");
        let port = GroupBy::Tuple(By::Port);
        assert_eq!(text(port, FlowKey::port(1, 6, 443), some), "tcp/443");
        assert_eq!(text(port, FlowKey::port(1, 1, 0x800), some), "icmp");
        assert_eq!(
            text(GroupBy::State, FlowKey::number(1, 3), some),
            "ESTABLISHED"
        );
        assert_eq!(text(GroupBy::State, FlowKey::number(1, 77), some), "77");
        for (number, name) in [(0, "UNREPLIED"), (1, "REPLIED"), (2, "ASSURED"), (3, "3")] {
            assert_eq!(
                text(GroupBy::Status, FlowKey::number(1, number), some),
                name
            );
        }
        assert_eq!(text(GroupBy::Protocol, FlowKey::number(1, 17), some), "udp");
        assert_eq!(text(GroupBy::Mark, FlowKey::number(1, 255), some), "0xff");
        assert_eq!(text(GroupBy::Zone, FlowKey::number(1, 7), some), "7");
    }

    fn tuples() -> impl Strategy<Value = [u8; TUPLE_SIZE]> {
        let bytes = prop::array::uniform32(any::<u8>());
        let rest = prop::array::uniform8(any::<u8>());
        let family = prop_oneof![Just(2_u8), Just(10)];
        let protocol = prop_oneof![Just(6_u8), Just(17), Just(1)];
        (bytes, rest, family, protocol).prop_map(|(bytes, rest, family, protocol)| {
            let mut tuple = [0; TUPLE_SIZE];
            tuple[..32].copy_from_slice(&bytes);
            tuple[32..].copy_from_slice(&rest);
            tuple[18..20].copy_from_slice(&u16::from(family).to_ne_bytes());
            tuple[38] = protocol;
            if family == 2 {
                // The kernel zeroes the bytes that an IPv4 address does not use.
                tuple[4..16].fill(0);
                tuple[24..36].fill(0);
            }
            tuple
        })
    }

    proptest! {
        /// The programs and user space extract the same keys from a tuple.
        #[test]
        fn keys_match_the_tuple(tuple in tuples(), slot in 0_u32..64) {
            let parsed = Tuple::parse(&tuple);
            let said = |by| key_text(GroupBy::Tuple(by), &FlowKey::of(by, &tuple, slot, WHOLE), WHOLE);
            prop_assert_eq!(Some(said(By::Source)), parsed.src.map(|ip| ip.to_string()));
            prop_assert_eq!(Some(said(By::Destination)), parsed.dst.map(|ip| ip.to_string()));
            let proto = parsed.proto.map(|p| p.to_string()).unwrap_or_default();
            let port = match parsed.dport {
                Some(port) => format!("{proto}/{port}"),
                None => proto,
            };
            prop_assert_eq!(said(By::Port), port);
            prop_assert_eq!(FlowKey::of(By::Source, &tuple, slot, WHOLE).slot(), slot);
        }

        /// Prefixes are those that ipnet computes.
        #[test]
        fn prefixes_match_ipnet(tuple in tuples(), ipv4 in 0_u32..=32, ipv6 in 0_u32..=128) {
            let prefixes = Prefixes { ipv4, ipv6 };
            let address = Tuple::parse(&tuple).dst.ok_or_else(|| TestCaseError::fail("no address"))?;
            let bits = if address.is_ipv4() { ipv4 } else { ipv6 };
            let net = ipnet::IpNet::new(address, bits as u8)
                .map_err(|e| TestCaseError::fail(e.to_string()))?
                .trunc();
            let full = u32::from(net.max_prefix_len()) == bits;
            let expected = if full { net.addr().to_string() } else { net.to_string() };
            let key = FlowKey::of(By::Destination, &tuple, 0, prefixes);
            prop_assert_eq!(key_text(GroupBy::Tuple(By::Destination), &key, prefixes), expected);
        }
    }
}
