//! Source ports that NAT has given to flows, by destination: how many, of how many, and when they run out.
//!
//! The kernel says nowhere how many ports a NAT rule leaves. So the most that NAT takes without a rule that names ports is assumed,
//! until flows are refused: what is in use then is all there is.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use conntrack_ebpf::tuple::is_icmp;

use crate::{
    model::{
        event::{Protocol, Tuple},
        forecast::{Forecast, Outlook},
        record::{NatPortsLeft, TopRow, TopTable},
    },
    reading::nat_ports::{PortUse, PortsInUse},
};

/// The measure, and the kind of key.
pub const BY: &str = "ports";
const OF: &str = "nat";

/// Ports from 1024 on, which flows from such ports get (`nf_nat_l4proto_unique_tuple`).
const PORTS: u64 = 65_536 - 1_024;

/// Identifiers of ICMP messages, which it takes for ports.
const ICMP_IDENTIFIERS: u64 = 65_536;

/// The most destinations whose refusals are remembered.
const REFUSED: usize = 1_024;

/// What is known of the ports of one namespace.
#[derive(Debug, Default)]
pub(super) struct NatOutlook {
    /// Those that were in the last listing.
    tracked: HashMap<PortUse, Tracked>,
    /// Those for which NAT has found no port since the last listing.
    refused: HashSet<PortUse>,
}

#[derive(Debug, Default)]
struct Tracked {
    growth: Forecast,
    /// The number in use when flows were refused.
    seen: Option<u64>,
}

impl NatOutlook {
    /// Notes that NAT has found no port for a flow, by what it would have become.
    pub(super) fn refused(&mut self, translated: &Tuple) {
        let used = || {
            Some(PortUse {
                protocol: translated.proto?.0,
                translated: translated.src?,
                destination: translated.dst?,
                port: translated.dport.unwrap_or_default(),
            })
        };
        if self.refused.len() < REFUSED {
            self.refused.extend(used());
        }
    }

    /// The table of a listing at `now`; `None` if no flow has a port of NAT's. A random sample of the entries says nothing about how
    /// many are left.
    pub(super) fn table(
        &mut self,
        now: Duration,
        ports: &PortsInUse,
        sampled: bool,
    ) -> Option<TopTable> {
        let refused = std::mem::take(&mut self.refused);
        let mut before = std::mem::take(&mut self.tracked);
        if ports.total == 0 {
            return None;
        }
        let mut rows = Vec::new();
        for (used, count) in &ports.most {
            let nat = (!sampled).then(|| {
                let mut tracked = before.remove(used).unwrap_or_default();
                let left = tracked.take(now, *count, refused.contains(used), most(used.protocol));
                self.tracked.insert(*used, tracked);
                left
            });
            rows.push(TopRow {
                key: key(used).into(),
                count: *count,
                share: *count as f64 * 100.0 / ports.total as f64,
                nat,
                ..TopRow::default()
            });
        }
        Some(TopTable {
            by: BY.into(),
            of: OF.into(),
            total: ports.total,
            error: ports.uncounted,
            certain: ports.uncounted == 0,
            sampled: false,
            rows,
        })
    }
}

impl Tracked {
    fn take(&mut self, now: Duration, count: u64, refused: bool, most: u64) -> NatPortsLeft {
        self.growth.observe(now, count);
        if refused {
            self.seen = Some(count);
        }
        // More than when flows were refused: flows came and went between that and the listing.
        self.seen = self.seen.map(|seen| seen.max(count));
        let limit = self.seen.unwrap_or(most.max(count));
        let exhausted_in_s = match self.growth.outlook(Some(count), Some(limit)) {
            Outlook::Fills(time) => Some(time),
            Outlook::Steady | Outlook::Unknown(_) => None,
        };
        NatPortsLeft {
            limit,
            assumed: self.seen.is_none(),
            refused,
            exhausted_in_s,
        }
    }
}

/// The most ports that NAT takes for a protocol where no rule names them.
const fn most(protocol: u8) -> u64 {
    if is_icmp(protocol) {
        ICMP_IDENTIFIERS
    } else {
        PORTS
    }
}

/// `udp 192.0.2.7 → 10.0.9.2:53`.
fn key(used: &PortUse) -> String {
    let ports = conntrack_ebpf::tuple::has_ports(used.protocol);
    let tuple = Tuple {
        proto: Some(Protocol(used.protocol)),
        src: Some(used.translated),
        dst: Some(used.destination),
        dport: ports.then_some(used.port),
        ..Tuple::default()
    };
    tuple.to_string()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 9, 2));

    fn dns() -> PortUse {
        PortUse {
            protocol: 17,
            translated: HERE,
            destination: THERE,
            port: 53,
        }
    }

    fn in_use(count: u64) -> PortsInUse {
        PortsInUse {
            total: count,
            most: vec![(dns(), count)],
            uncounted: 0,
            more: false,
        }
    }

    /// What is left at the last of these listings, 10 s apart; those with true come after refusals.
    fn left(listings: &[(u64, bool)]) -> NatPortsLeft {
        let mut outlook = NatOutlook::default();
        let mut last = None;
        for (n, (count, refused)) in listings.iter().enumerate() {
            if *refused {
                outlook.refused(&Tuple {
                    proto: Some(Protocol(17)),
                    src: Some(HERE),
                    sport: Some(7_001),
                    dst: Some(THERE),
                    dport: Some(53),
                    ..Tuple::default()
                });
            }
            let table = outlook.table(Duration::from_secs(10 * n as u64), &in_use(*count), false);
            let table = table.expect("flows are translated");
            assert_eq!(table.rows[0].key, "udp 192.0.2.7 → 10.0.9.2:53");
            last = table.rows[0].nat;
        }
        last.expect("a row of NAT's")
    }

    #[test]
    fn without_refusals_the_kernels_range_is_assumed() {
        let left = left(&[(100, false)]);
        assert_eq!(
            (left.limit, left.assumed, left.refused),
            (64_512, true, false)
        );
        assert_eq!(left.exhausted_in_s, None);
    }

    #[test]
    fn what_is_in_use_at_a_refusal_is_the_limit() {
        let now = left(&[(10, false), (16, true)]);
        assert_eq!((now.limit, now.assumed, now.refused), (16, false, true));
        assert_eq!(now.exhausted_in_s.map(|time| time.estimate), Some(0.0));
        // And remains it.
        let later = left(&[(16, true), (4, false)]);
        assert_eq!(
            (later.limit, later.assumed, later.refused),
            (16, false, false)
        );
        let more = left(&[(16, true), (20, false)]);
        assert_eq!(more.limit, 20);
    }

    #[test]
    fn steady_growth_has_an_end() {
        // 1,000 in 10 s.
        let listings: Vec<_> = (0..10).map(|n| (10_000 + n * 1_000, false)).collect();
        let time = left(&listings).exhausted_in_s.expect("it grows");
        let expected = (64_512.0 - 19_000.0) / 100.0;
        assert!(
            (time.estimate - expected).abs() < expected / 100.0,
            "{time:?}"
        );
        let steady: Vec<_> = (0..10).map(|_| (10_000, false)).collect();
        assert_eq!(left(&steady).exhausted_in_s, None);
    }

    #[test]
    fn nothing_is_remembered_of_destinations_that_are_gone() {
        let mut outlook = NatOutlook::default();
        outlook.table(Duration::ZERO, &in_use(5), false);
        assert_eq!(outlook.tracked.len(), 1);
        assert_eq!(
            outlook.table(Duration::from_secs(10), &PortsInUse::default(), false),
            None
        );
        assert!(outlook.tracked.is_empty());
    }
}
